"""The image-text model of open_clip against the one of transformers and our own text tower."""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.test_text.clip_samples import random_tower
from tests.test_vision.test_image_text import clip_folder  # noqa: F401
from unison3d.errors import CheckpointError, ConfigError, MissingDependencyError
from unison3d.models.text import ClipTextEncoder
from unison3d.models.text.clip_tower import ClipTextSizes
from unison3d.native.choice import import_problem
from unison3d.vision import OpenClipImageText, TransformersImageText

NAME = 'unison3d-tiny'
BLOCK = {'layers': 1, 'width': 16, 'mlp_ratio': 1.0}
CONFIG = {
    'embed_dim': 12,
    'quick_gelu': True,
    'vision_cfg': {**BLOCK, 'image_size': 16, 'patch_size': 8, 'head_width': 8},
    'text_cfg': {**BLOCK, 'context_length': 77, 'vocab_size': 49408, 'heads': 2},
}
_RENAMES = {
    'embeddings.class_embedding': 'class_embedding',
    'embeddings.patch_embedding.weight': 'conv1.weight',
    'embeddings.position_embedding.weight': 'positional_embedding',
    'pre_layrnorm.': 'ln_pre.',
    'post_layernorm.': 'ln_post.',
    'encoder.layers.0.': 'transformer.resblocks.0.',
    'self_attn.out_proj': 'attn.out_proj',
    'layer_norm': 'ln_',
    'mlp.fc1': 'mlp.c_fc',
    'mlp.fc2': 'mlp.c_proj',
}


def visual_part(folder) -> dict[str, torch.Tensor]:
    """The image tower of transformers by the names of open_clip."""
    import transformers

    tensors = {}
    model = transformers.CLIPModel.from_pretrained(folder)
    for name, value in model.vision_model.state_dict().items():
        for old, new in _RENAMES.items():
            name = name.replace(old, new)
        if 'position_ids' not in name:
            tensors[f'visual.{name}'] = value
    for end in ('weight', 'bias'):
        prefix = 'visual.transformer.resblocks.0.'
        parts = [tensors.pop(f'{prefix}self_attn.{letter}_proj.{end}') for letter in 'qkv']
        tensors[f'{prefix}attn.in_proj_{end}'] = torch.cat(parts)
    tensors['visual.proj'] = model.visual_projection.weight.T
    return tensors


@pytest.fixture(scope='module')
def open_clip():
    """Asked for before the folder of transformers, whose import takes seconds."""
    if problem := import_problem('open_clip'):
        pytest.skip(f'open_clip cannot be imported: {problem}')
    return importlib.import_module('open_clip')


@pytest.fixture(scope='module')
def weights(open_clip, clip_folder, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp('open_clip')
    (folder / f'{NAME}.json').write_text(json.dumps(CONFIG))
    wider = {**CONFIG, 'embed_dim': 20}
    (folder / f'{NAME}-wider.json').write_text(json.dumps(wider))
    open_clip.add_model_config(folder)
    text = random_tower(ClipTextSizes(width=16, num_layers=1, hidden=16, dim=12))
    tensors = {**visual_part(clip_folder), **text, 'logit_scale': torch.tensor(4.6)}
    path = folder / 'open_clip_model.safetensors'
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, path)
    return path


def test_images_are_those_of_transformers(weights, clip_folder):  # noqa: F811
    ours = TransformersImageText(clip_folder)
    model = OpenClipImageText(NAME, weights, batch_size=2)
    rng = np.random.default_rng(0)
    # Where an odd number of rows is cut away, the two packages cut one row apart.
    sizes = ((20, 30), (1, 1), (40, 10))
    images = [rng.integers(0, 255, (h, w, 3), np.uint8) for h, w in sizes]
    vectors = model.encode_images(images)
    torch.testing.assert_close(vectors, ours.encode_images(images), rtol=1e-5, atol=1e-5)
    assert (vectors[0] - vectors[1]).abs().max() > 0.01
    assert model.encode_images([]).shape == (0, 12)


def test_phrases_are_those_of_our_tower(weights):
    ours = ClipTextEncoder(weights, num_heads=2, activation='quick_gelu', normalize=True)
    model = OpenClipImageText(NAME, weights, template='the {} there', batch_size=2)
    phrases = model.encode_phrases(['chair', 'floor lamp', 'TV'])
    expected = ours.encode(['the chair there', 'the floor lamp there', 'the TV there'])
    torch.testing.assert_close(phrases, expected, rtol=1e-5, atol=1e-5)
    assert model.encode_phrases([]).shape == (0, 12)


def test_weights_of_another_architecture(weights, tmp_path):
    with pytest.raises(CheckpointError, match=f'not the weights of {NAME}-wider '):
        OpenClipImageText(f'{NAME}-wider', weights)
    with pytest.raises(CheckpointError, match='does not exist'):
        OpenClipImageText(NAME, tmp_path / 'none.bin')


@pytest.mark.parametrize('name', ['hf-hub:some/model', 'ViT-Z-1'])
def test_unknown_architectures(weights, name):
    with pytest.raises(ConfigError, match='expected one of open_clip.list_models'):
        OpenClipImageText(name, weights)


def test_a_tokenizer_that_would_be_downloaded_is_refused(tmp_path, monkeypatch):
    module = ModuleType('open_clip')
    text = {'hf_tokenizer_name': 'some/tokenizer'}
    module.get_model_config = lambda name: {'text_cfg': text}
    monkeypatch.setitem(sys.modules, 'open_clip', module)
    with pytest.raises(ConfigError, match='would download its tokenizer'):
        OpenClipImageText('ViT-B-16-SigLIP', tmp_path / 'a.bin')


def test_a_missing_package_is_named_with_its_installation(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'open_clip', None)
    with pytest.raises(MissingDependencyError, match='pip install .*openclip'):
        OpenClipImageText(NAME, tmp_path / 'a.bin')
    with pytest.raises(ConfigError, match='expected {} where'):
        OpenClipImageText(NAME, tmp_path / 'a.bin', template='a thing')
