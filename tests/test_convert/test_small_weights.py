"""Recorded small weights of the references: round trips, and loading into our networks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import fixture_files

from tests.test_convert.published import assert_same, recorded, to_rsck
from unison3d.convert import get_system, translate, translate_back
from unison3d.models.backbones import MinkUNet, Res16UNet, SparseUNet


def settings(path) -> dict:
    arrays = np.load(path)
    return json.loads(str(arrays['params_json']))


def round_trip(system: str, published, **options):
    forth = translate(get_system(system), published, keep_unused=True, **options)
    back = translate_back(
        get_system(system),
        forth.tensors,
        forth.report.layout,
        prefix=forth.report.prefix,
        strict=forth.report.complete,
    )
    assert_same(back.tensors, published)
    return forth


@pytest.mark.parametrize('path', fixture_files('openscene', 'minkunet18a_small.npz'))
def test_openscene(path):
    forth = round_trip('openscene', recorded(path))
    found = settings(path)
    model = MinkUNet(
        planes=found['planes'],
        layers=found['blocks_per_stage'],
        init_dim=found['init_dim'],
        final_channels=found['out_channels'],
    )
    model.load_state_dict(forth.tensors, strict=True)


@pytest.mark.parametrize('path', fixture_files('afov', 'res16unet_small.npz'))
def test_afov(path):
    forth = round_trip('afov', recorded(path))
    assert 'of no published depth (1, 2, 1, 2, 1, 1, 1, 1)' in forth.report.architecture
    found = settings(path)
    model = Res16UNet(
        in_channels=1,
        planes=found['planes'],
        layers=found['layers'],
        init_dim=found['init_dim'],
        stem_kernel_size=3,
        final_channels=16,
    )
    model.load_state_dict(forth.tensors, strict=True)


@pytest.mark.parametrize('path', fixture_files('segment3d', 'mask3d_decoder_small.npz'))
def test_segment3d(path):
    forth = round_trip('segment3d', recorded(path))
    found = settings(path)
    backbone = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in forth.tensors.items()
        if name not in forth.report.carried
    }
    model = Res16UNet(planes=found['planes'], init_dim=6, final_channels=20, apply_final=False)
    model.load_state_dict(backbone, strict=True)


@pytest.mark.parametrize('path', fixture_files('segment3d', 'res16unet34c_small.npz'))
def test_segment3d_backbone_alone(path):
    published = {f'backbone.{name}': tensor for name, tensor in recorded(path).items()}
    forth = round_trip('mask3d', published, strict=False)
    assert len(forth.tensors) == len(published) == 374
    assert len(forth.report.missing) == 95
    assert not forth.report.unexpected
    assert not forth.report.mismatched


@pytest.mark.parametrize('path', fixture_files('uniseg3d', 'backbone_small.npz'))
@pytest.mark.parametrize('system', ['uniseg3d', 'oneformer3d'])
def test_spconv_backbone_alone(path, system):
    published = recorded(path, 'param/')
    forth = round_trip(system, published, strict=False)
    assert_same(
        translate(get_system(system), to_rsck(published), strict=False).tensors, forth.tensors
    )
    assert not forth.report.unexpected
    assert not forth.report.mismatched
    assert not any(name.startswith('backbone.') for name in forth.report.missing)
    config = json.loads(str(np.load(path)['config_json']))
    model = SparseUNet(config['in_channels'], config['num_planes'], config['block_reps'])
    backbone = {name.removeprefix('backbone.'): v for name, v in forth.tensors.items()}
    model.load_state_dict(backbone, strict=True)


@pytest.mark.parametrize('path', fixture_files('uniseg3d', 'full_forward_small.npz'))
def test_uniseg3d(path):
    forth = round_trip('uniseg3d', recorded(path, 'param/'))
    assert not forth.report.carried
