"""Images and phrases in one space."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.test_apis.api_samples import HashEncoder
from unison3d.errors import ConfigError
from unison3d.vision import RenderedNamesModel, TransformersImageText

NAMES = ['', 'chair', 'lamp', 'chair']


def test_rendered_names():
    model = RenderedNamesModel(NAMES, HashEncoder().encode_unit)
    nothing = np.full((6, 8), -1)
    lamp, shell = np.full((6, 8), 2), np.zeros((6, 8), int)
    framed = np.full((9, 9), 2)
    framed[2:7, 2:7] = 3  # the middle counts more than the larger border
    vectors = model.encode_images([nothing, lamp, shell, framed])
    cosines = vectors @ model.encode_phrases(['chair', 'lamp']).t()
    assert cosines[0].tolist() == cosines[2].tolist() == [0, 0]
    torch.testing.assert_close(cosines[1, 1], torch.tensor(1.0))
    assert cosines[3, 0] > cosines[3, 1]
    assert model.encode_images([]).shape == (0, 384)


@pytest.fixture(scope='module')
def clip_folder(tmp_path_factory):
    """A CLIP of random numbers that knows three words."""
    transformers = pytest.importorskip('transformers')
    folder = tmp_path_factory.mktemp('clip')
    words = ['<|startoftext|>', '<|endoftext|>', 'a</w>', 'chair</w>', 'lamp</w>']
    letters = sorted({letter for word in ('a', 'chair', 'lamp', 'in', 'room') for letter in word})
    words += letters + [f'{letter}</w>' for letter in letters if letter != 'a']
    (folder / 'vocab.json').write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / 'merges.txt').write_text('#version: 0.2\n')
    tokenizer = transformers.CLIPTokenizer(str(folder / 'vocab.json'), str(folder / 'merges.txt'))
    tokenizer.save_pretrained(folder)
    small = {'hidden_size': 16, 'intermediate_size': 16, 'num_hidden_layers': 1}
    small |= {'num_attention_heads': 2}
    config = transformers.CLIPConfig(
        text_config={**small, 'vocab_size': len(words), 'eos_token_id': 1, 'bos_token_id': 0},
        vision_config={**small, 'image_size': 16, 'patch_size': 8},
        projection_dim=12,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    size = {'size': {'shortest_edge': 16}, 'crop_size': {'height': 16, 'width': 16}}
    kind = 'CLIPImageProcessor'
    (folder / 'preprocessor_config.json').write_text(
        json.dumps({'image_processor_type': kind, **size})
    )
    return folder


def test_clip(clip_folder):
    model = TransformersImageText(clip_folder, batch_size=2)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (h, w, 3), np.uint8) for h, w in ((20, 30), (1, 1), (40, 9))]
    vectors = model.encode_images(images)
    assert vectors.shape == (3, 12)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(model.encode_images(images[2:]), vectors[2:])
    phrases = model.encode_phrases(['chair', 'lamp', 'chair'])
    torch.testing.assert_close(phrases[0], phrases[2])
    assert (phrases[0] - phrases[1]).abs().max() > 1e-3
    assert model.encode_images([]).shape == (0, 12)


def test_not_a_model(tmp_path, clip_folder):
    with pytest.raises(ConfigError, match='no such folder'):
        TransformersImageText(tmp_path / 'none')
    with pytest.raises(ConfigError, match='cannot be loaded'):
        TransformersImageText(tmp_path)
    with pytest.raises(ConfigError, match='template'):
        TransformersImageText(clip_folder, template='a thing')
