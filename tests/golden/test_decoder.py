"""The query decoder against recorded outputs and gradients of the reference."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from conftest import fixture_files

from unison3d.models.decoders import QueryBlock, UnifiedDecoder
from unison3d.models.heads import cosine_logits, with_background

FILES = fixture_files('uniseg3d', 'decoder_*.npz')


def _scene_blocks(arrays, scene: int, queries: torch.Tensor) -> list[QueryBlock]:
    """One block of superpoint rows and one of prompt rows that see only themselves."""
    num_superpoints, num_clicks, num_sentences = arrays[f'in/scene{scene}/counts'].tolist()
    num_prompts = num_clicks + num_sentences
    blocked = torch.from_numpy(arrays[f'in/scene{scene}/interaction_mask'])
    expected = torch.ones_like(blocked)
    expected[:num_superpoints, :num_superpoints] = False
    expected.fill_diagonal_(False)
    torch.testing.assert_close(blocked, expected)
    return [
        QueryBlock(queries[:num_superpoints]),
        QueryBlock(queries[num_superpoints:], torch.eye(num_prompts, dtype=torch.bool)),
    ]


@pytest.mark.parametrize('path', FILES)
def test_decoder_outputs_and_gradients(path):
    arrays = np.load(path)
    config = json.loads(str(arrays['config_json']))
    decoder = UnifiedDecoder(
        config['cin'], config['d'], config['h'], config['L'], config['hid'], config['D']
    )
    state = {
        name.removeprefix('param/'): torch.from_numpy(arrays[name])
        for name in arrays.files
        if name.startswith('param/')
    }
    decoder.load_state_dict(state, strict=True)
    prototypes = torch.from_numpy(arrays['in/cls_embed_file'])
    scale = math.exp(float(arrays['in/logit_scale']))
    num_stuff = len(prototypes) - config['num_instance_classes']

    weighted_sum = 0.0
    inputs = {}
    for scene in range(len(config['scenes'])):
        for kind in ('sp_feats', 'queries'):
            array = torch.from_numpy(arrays[f'in/scene{scene}/{kind}'])
            inputs[scene, kind] = array.requires_grad_()
        memory = decoder.encode(inputs[scene, 'sp_feats'])
        per_block = decoder(memory, _scene_blocks(arrays, scene, inputs[scene, 'queries']))
        names = [f'aux{i}' for i in range(config['L'])] + ['final']
        for layer, parts in zip(names, zip(*per_block, strict=True), strict=True):
            actual = {
                'masks': torch.cat([part.mask_logits for part in parts]),
                'contras_embeds': torch.cat([part.embeddings for part in parts]),
                'cls_preds': torch.cat(
                    [
                        with_background(
                            cosine_logits(part.class_embeddings, prototypes[num_stuff:], scale)
                        )
                        for part in parts
                    ]
                ),
            }
            if layer == 'final':
                actual['sem_preds'] = torch.cat(
                    [
                        with_background(cosine_logits(part.semantic_embeddings, prototypes, scale))
                        for part in parts
                    ]
                )
            tolerance = {
                'masks': 2e-4,
                'contras_embeds': 2e-5,
                'cls_preds': 5e-4,
                'sem_preds': 5e-4,
            }
            for kind, value in actual.items():
                key = f'{layer}/scene{scene}/{kind}'
                np.testing.assert_allclose(
                    value.detach(), arrays[f'out/{key}'], atol=tolerance[kind], rtol=0
                )
                weighted_sum = (
                    weighted_sum + (value * torch.from_numpy(arrays[f'cotangent/{key}'])).sum()
                )
    np.testing.assert_allclose(
        weighted_sum.item(), arrays['out/weighted_sum'], rtol=1e-4, atol=1e-2
    )

    weighted_sum.backward()
    for (scene, kind), tensor in inputs.items():
        _assert_close_to_largest(tensor.grad, arrays[f'grad/scene{scene}/{kind}'])
    for name, parameter in decoder.named_parameters():
        _assert_close_to_largest(parameter.grad, arrays[f'grad/param/{name}'])


def _assert_close_to_largest(actual: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
