"""The tables next to the networks they describe."""

from __future__ import annotations

import pytest
from tiny import tiny_model

from unison3d.convert.minkowski_shapes import minkowski_shapes, read_minkowski
from unison3d.convert.shapes import read_count, read_size
from unison3d.convert.sparse_unet_shapes import read_sparse_unet, sparse_unet_shapes
from unison3d.convert.translate import compare, shapes_of
from unison3d.convert.uniseg3d import UNISEG3D, read_uniseg3d
from unison3d.errors import CheckpointError
from unison3d.models.backbones import ARCHITECTURES, MinkUNet, Res16UNet, SparseUNet


def shapes_in(model) -> dict[str, tuple[int, ...]]:
    return shapes_of(model.state_dict())


@pytest.mark.parametrize(
    ('in_channels', 'planes', 'num_blocks'),
    [(6, (8,), 2), (3, (8, 12), 1), (6, (4, 8, 12, 16, 20), 2), (5, (6, 6, 4), 3)],
)
def test_sparse_unet(in_channels, planes, num_blocks):
    expected = shapes_in(SparseUNet(in_channels, planes, num_blocks))
    assert sparse_unet_shapes(in_channels, planes, num_blocks) == expected
    found = read_sparse_unet({f'b.{name}': shape for name, shape in expected.items()}, 'b.')
    assert found.shapes == {f'b.{name}': shape for name, shape in expected.items()}
    assert all(name.endswith('.weight') for name in found.kernels)


@pytest.mark.parametrize('arch', ARCHITECTURES)
@pytest.mark.parametrize(('network', 'final_bias'), [(MinkUNet, False), (Res16UNet, True)])
def test_minkowski_unets(arch, network, final_bias):
    planes, layers = (tuple(sizes) for sizes in ARCHITECTURES[arch])
    small = tuple(width // 8 for width in planes)
    model = network(planes=small, layers=layers, init_dim=4, final_channels=5)
    expected = shapes_in(model)
    table = minkowski_shapes(
        in_channels=3,
        out_channels=5,
        planes=small,
        blocks=layers,
        init_dim=4,
        final_bias=final_bias,
    )
    assert table == expected
    found = read_minkowski(expected, final_bias=final_bias)
    assert found.shapes == expected
    assert f'U-Net {arch[:2]},' in found.summary
    assert not found.kernels


def test_unified_segmentor():
    model = tiny_model()
    ours_only = tuple(prefix for prefix, _ in UNISEG3D.ours_only)
    state = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith((*ours_only, 'decoder.position_encoding.'))
    }
    fit = compare(read_uniseg3d(shapes_of(state)).shapes, state)
    assert set(fit.fitting) == state.keys()
    assert not fit.missing


def test_a_gap_is_seen():
    shapes = shapes_in(Res16UNet(planes=(4,) * 8, init_dim=4, final_channels=5))
    holed = {
        name.replace('block4.3.', 'block4.999999999.'): shape for name, shape in shapes.items()
    }
    expected = read_minkowski(holed).shapes
    assert expected == shapes


def test_sizes_are_read_or_asked_for():
    shapes = {'a': (3, 4), 'layers.0.x': (), 'layers.7.x': (), 'layers.x': ()}
    assert read_size(shapes, 'a', -1) == 4
    assert read_size(shapes, 'b', 0, default=9) == 9
    assert read_size(shapes, 'a', 2, default=9) == 9
    assert read_count(shapes, r'layers\.(\d+)\.') == 2
    for name, axis in (('b', 0), ('a', 2), ('layers.x', 0)):
        with pytest.raises(CheckpointError, match='another system'):
            read_size(shapes, name, axis)
