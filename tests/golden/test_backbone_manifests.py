"""Full-size backbones build and load state dicts of the published names, order and shapes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from conftest import fixture_files
from torch import nn

from tests.golden.minkowski_samples import num_trainable, unet_sizes
from unison3d.convert.kernel_layouts import kernel_from_krsc
from unison3d.models.backbones import (
    ARCHITECTURES,
    MinkUNet,
    MMDet3DMinkUNet,
    Res16UNet,
    SparseUNet,
)

Shapes = dict[str, tuple[int, ...]]
MMDET3D = json.loads(Path(__file__).with_name('mmdet3d_minkunet_names.json').read_text())
BATCH_NORM = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')


def _read(path) -> dict:
    return json.loads(path.read_text())


def _shapes(tensors: Iterable[dict], prefix: str = '') -> Shapes:
    return {
        tensor['name'].removeprefix(prefix): tuple(tensor['shape'])
        for tensor in tensors
        if tensor['name'].startswith(prefix)
    }


def _num_parameters(shapes: Shapes) -> int:
    buffers = ('running_mean', 'running_var', 'num_batches_tracked')
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(buffers))


def _assert_loads(model: nn.Module, published: Shapes, from_published=None) -> None:
    """Names in the same order, equal shapes, a strict load, the same number of parameters."""
    # Expanded zeros take no memory of their own.
    tensors = {
        name: torch.zeros((), dtype=torch.int64 if name.endswith('_tracked') else None).expand(s)
        for name, s in published.items()
    }
    if from_published is not None:
        tensors = {n: from_published(t) if t.ndim == 5 else t for n, t in tensors.items()}
    ours = model.state_dict()
    assert list(ours) == list(published)
    for name, tensor in tensors.items():
        assert (ours[name].shape, ours[name].dtype) == (tensor.shape, tensor.dtype), name
    model.load_state_dict(tensors, strict=True)
    assert num_trainable(model) == _num_parameters(published)


def _momenta(model: nn.Module) -> dict[str, float]:
    return {n: m.momentum for n, m in model.named_modules() if isinstance(m, nn.BatchNorm1d)}


@pytest.mark.parametrize('path', fixture_files('openscene', 'manifest*.json'))
def test_openscene(path):
    manifest = _read(path)
    for network in manifest['networks'].values():
        arch = network['architecture'].removeprefix('MinkUNet')
        assert ARCHITECTURES[arch] == (tuple(network['planes']), tuple(network['layers']))
        model = MinkUNet(
            manifest['in_channels'],
            arch,
            network['out_channels'],
            init_dim=network['init_dim'],
            bn_eps=network['bn_eps'],
            bn_momentum=network['bn_momentum'],
        )
        _assert_loads(model, _shapes(network['tensors'], manifest['key_prefix']))
        assert num_trainable(model) == network['trainable_parameters']
        assert model.out_channels == network['out_channels']
        assert set(_momenta(model).values()) == {network['bn_momentum']}
        assert {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm1d)} == {
            network['bn_eps']
        }


@pytest.mark.parametrize('path', fixture_files('afov', 'manifest*.json'))
def test_afov(path):
    for network in _read(path)['networks'].values():
        published = _shapes(network['tensors'])
        config = network['config']
        model = Res16UNet(
            unet_sizes(published)['in_channels'],
            planes=network['planes'],
            layers=network['layers'],
            init_dim=network['init_dim'],
            stem_kernel_size=config['kernel_size'],
            final_channels=network['out_channels'],
            bn_momentum=config['bn_momentum'],
            normalize_features=config['normalize_features'],
        )
        _assert_loads(model, published)
        assert num_trainable(model) == network['trainable_parameters']
        momenta = _momenta(model)
        for momentum, names in network['bn_momentum_by_module'].items():
            # The lists are cut short with dots.
            for name in set(names) - {'...'}:
                assert momenta[name] == float(momentum), name
        assert set(momenta.values()) == set(map(float, network['bn_momentum_by_module']))


@pytest.mark.parametrize('path', fixture_files('segment3d', 'manifest*.json'))
def test_segment3d(path):
    manifest = _read(path)
    published = _shapes(manifest['tensors'], 'backbone.')
    for configuration in manifest['configurations'].values():
        backbone = configuration['model_config']['config']['backbone']
        model = Res16UNet(
            backbone['in_channels'],
            planes=configuration['planes'],
            layers=configuration['layers'],
            stem_kernel_size=backbone['config']['conv1_kernel_size'],
            final_channels=backbone['out_channels'],
            apply_final=False,
            bn_momentum=backbone['config']['bn_momentum'],
        )
        _assert_loads(model, published)
        momenta = list(_momenta(model).values())
        counted = {str(momentum): momenta.count(momentum) for momentum in set(momenta)}
        assert counted == configuration['bn_momentum_values']


@pytest.mark.parametrize('path', fixture_files('uniseg3d', 'manifest*.json'))
def test_uniseg3d_and_oneformer3d(path):
    for name, network in _read(path)['models'].items():
        minkowski = _shapes(network['tensors'], 'backbone.')
        if minkowski:
            _check_res16unet(minkowski)
        else:
            _check_sparse_unet(_shapes(network['tensors']), name)


def _check_res16unet(published: Shapes) -> None:
    model = Res16UNet(**unet_sizes(published), apply_final=False)
    _assert_loads(model, published)
    assert model.out_channels == published['block8.0.conv2.kernel'][2]


def _check_sparse_unet(tensors: Shapes, name: str) -> None:
    parts = ('input_conv.', 'unet.', 'output_layer.')
    # The release registers its parts in another order; inside each part ours is the same.
    published = {n: s for part in parts for n, s in tensors.items() if n.startswith(part)}
    first = re.compile(r'unet\.(?:u\.)*blocks\.block0\.conv_branch\.0\.weight')
    planes = [shape[0] for n, shape in sorted(published.items(), key=_depth) if first.fullmatch(n)]
    blocks = {n.split('.')[2] for n in published if n.startswith('unet.blocks.')}
    model = SparseUNet(published['input_conv.0.weight'][-1], planes, len(blocks))
    _assert_loads(model, published, kernel_from_krsc)
    assert model.out_channels == planes[0], name


def _depth(item: tuple[str, tuple[int, ...]]) -> int:
    return item[0].count('u.')


@pytest.mark.parametrize('name', MMDET3D['networks'])
def test_mmdet3d_zoo(name):
    network = dict(MMDET3D['networks'][name])
    published = _expand(MMDET3D['tensor_lists'][network.pop('tensors')])
    num_parameters = network.pop('trainable_parameters')
    model = MMDet3DMinkUNet(**network)
    _assert_loads(model, published, kernel_from_krsc)
    assert num_trainable(model) == num_parameters


def _expand(lines: list[str]) -> Shapes:
    shapes: Shapes = {}
    for line in lines:
        name, *sizes = line.split()
        if name.endswith('.*'):
            shape = tuple(map(int, sizes))
            names = [name.removesuffix('*') + part for part in BATCH_NORM]
            shapes |= dict.fromkeys(names[:-1], shape) | {names[-1]: ()}
        else:
            shapes[name] = tuple(map(int, sizes))
    return shapes
