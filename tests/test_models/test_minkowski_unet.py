"""Residual U-Nets of the Minkowski family: symmetries, gradients, batches, odd inputs, options."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
from tiny import collate, scene_inputs, tiny_config
from torch import nn

from unison3d.errors import ConfigError, SceneError
from unison3d.models.backbones import (
    ARCHITECTURES,
    MinkowskiUNet,
    MinkUNet,
    MMDet3DMinkUNet,
    Res16UNet,
)
from unison3d.models.backbones.unet_parts import run_unet
from unison3d.registry import MODELS
from unison3d.sparse import (
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    SparseTensor,
)

IN_CHANNELS = 3
SMALL = {'planes': (6, 8, 9, 10, 9, 8, 7, 6), 'layers': (1, 2, 1, 1, 1, 1, 2, 1), 'init_dim': 5}
SMALL_MMDET3D = {
    'in_channels': IN_CHANNELS,
    'base_channels': 5,
    'encoder_channels': (6, 8, 9, 10),
    'decoder_channels': (9, 8, 7, 6),
    'encoder_blocks': (1, 2, 1, 1),
}
FACTORIES = {
    'MinkUNet': lambda: MinkUNet(final_channels=11, **SMALL),
    'Res16UNet': lambda: Res16UNet(
        final_channels=4, apply_final=False, stem_kernel_size=3, **SMALL
    ),
    'MMDet3D-torchsparse': lambda: MMDet3DMinkUNet(layout='torchsparse', **SMALL_MMDET3D),
    'MMDet3D-minkowski': lambda: MMDet3DMinkUNet(layout='minkowski', **SMALL_MMDET3D),
    'MMDet3D-spconv': lambda: MMDet3DMinkUNet(layout='spconv', **SMALL_MMDET3D),
}
UNBOUNDED = [name for name in FACTORIES if name != 'MMDet3D-spconv']
GRID = (48, 48, 48)


@pytest.fixture(params=FACTORIES)
def model(request) -> nn.Module:
    return _make(request.param)


@pytest.fixture(params=UNBOUNDED)
def unbounded(request) -> nn.Module:
    return _make(request.param)


def _make(name: str) -> nn.Module:
    torch.manual_seed(0)
    return _with_random_norms(FACTORIES[name]()).double()


def _with_random_norms(model: nn.Module) -> nn.Module:
    """Statistics as after some training: with the initial ones little depends on anything."""
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm1d)):
        norm.running_mean.normal_(0, 0.2)
        norm.running_var.uniform_(0.5, 1.5)
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.normal_(norm.bias, 0, 0.3)
    return model


def _coordinates(num_voxels: int = 400, extent: int = 16, seed: int = 0) -> torch.Tensor:
    """(V, 3) distinct voxels in no particular order."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(extent**3, generator=generator)[:num_voxels]
    return torch.stack([rows // extent**2, rows // extent % extent, rows % extent], 1).int()


def _features(num_voxels: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_voxels, IN_CHANNELS, generator=generator, dtype=torch.float64)


def _tensor(
    features: torch.Tensor, *scenes: torch.Tensor, shape: tuple[int, int, int] | None = GRID
) -> SparseTensor:
    rows = [nn.functional.pad(xyz, (1, 0), value=i) for i, xyz in enumerate(scenes)]
    return SparseTensor(features, torch.cat(rows), shape, len(scenes))


def _run(model: nn.Module, *args, **kwargs) -> torch.Tensor:
    with torch.no_grad():
        return model(_tensor(*args, **kwargs)).features


def test_output_belongs_to_the_input_voxels(model):
    xyz = _coordinates()
    x = _tensor(_features(len(xyz)), xyz)
    before = x.features.clone()
    out = model.eval()(x)
    assert out.key == x.key and out.cache is x.cache
    assert out.features.shape == (len(xyz), model.out_channels)
    assert torch.equal(x.features, before), 'in-place steps stay inside'


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_order_of_rows_does_not_matter(model, training):
    """Neither for outputs nor for gradients of inputs and parameters."""
    model.train(training)
    xyz = _coordinates()
    features = _features(len(xyz))
    weights = torch.randn(len(xyz), model.out_channels, dtype=torch.float64)
    order = torch.randperm(len(xyz), generator=torch.Generator().manual_seed(5))

    def gradients(rows):
        model.zero_grad()
        leaf = features[rows].requires_grad_()
        out = model(_tensor(leaf, xyz[rows])).features
        (out * weights[rows]).sum().backward()
        return out, leaf.grad, {n: p.grad for n, p in model.named_parameters()}

    out, grad, parameters = gradients(torch.arange(len(xyz)))
    out_p, grad_p, parameters_p = gradients(order)
    torch.testing.assert_close(out_p, out[order])
    torch.testing.assert_close(grad_p, grad[order])
    assert grad.abs().sum() > 0
    for name, value in parameters.items():
        if name.startswith('final.') and not model.apply_final:
            assert value is None, name
            continue
        torch.testing.assert_close(parameters_p[name], value, msg=name)
        assert value.abs().sum() > 0, f'{name} gets no gradient'


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_gradients_are_those_of_the_outputs(model, training):
    """Steps in place do not spoil them: compared with a difference quotient."""
    model.train(training)
    xyz = _coordinates(120, extent=8)
    features = _features(len(xyz))
    direction = _features(len(xyz), seed=2)
    weights = torch.randn(len(xyz), model.out_channels, dtype=torch.float64)

    def value(rows):
        return (model(_tensor(rows, xyz)).features * weights).sum()

    leaf = features.clone().requires_grad_()
    value(leaf).backward()
    slope = (leaf.grad * direction).sum()
    # Small enough that next to no ReLU changes its side in between.
    step = 1e-7
    with torch.no_grad():
        quotient = (value(features + step * direction) - value(features - step * direction)) / (
            2 * step
        )
    torch.testing.assert_close(slope, quotient, rtol=1e-4, atol=1e-5)


def test_batch_equals_each_scene_alone(model):
    model.eval()
    first, second = _coordinates(300, seed=3), _coordinates(200, seed=4)
    features = _features(500)
    both = _run(model, features, first, second)
    torch.testing.assert_close(both[:300], _run(model, features[:300], first))
    torch.testing.assert_close(both[300:], _run(model, features[300:], second))


@pytest.mark.parametrize('shift', [(16, 0, 0), (0, 32, 16), (16, 16, 16)])
def test_shift_by_16_changes_nothing(model, shift):
    model.eval()
    xyz = _coordinates()
    features = _features(len(xyz))
    moved = _run(model, features, xyz + torch.tensor(shift).int())
    torch.testing.assert_close(moved, _run(model, features, xyz))


def test_negative_coordinates_need_no_grid(unbounded):
    unbounded.eval()
    xyz = _coordinates()
    features = _features(len(xyz))
    bounded = _run(unbounded, features, xyz)
    torch.testing.assert_close(_run(unbounded, features, xyz, shape=None), bounded)
    below_zero = xyz - torch.tensor([16, 32, 48]).int()
    torch.testing.assert_close(_run(unbounded, features, below_zero, shape=None), bounded)


def test_shift_by_1_changes_the_lattice(model):
    model.eval()
    xyz = _coordinates()
    features = _features(len(xyz))
    moved = _run(model, features, xyz + torch.tensor([1, 0, 0]).int())
    assert (moved - _run(model, features, xyz)).abs().max() > 1e-3


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_empty_scene_in_a_batch(model, training):
    model.train(training)
    xyz, none = _coordinates(), torch.zeros((0, 3), dtype=torch.int32)
    features = _features(len(xyz))
    alone = _run(model, features, xyz)
    torch.testing.assert_close(_run(model, features, none, xyz, none), alone)


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_no_voxel_at_all(model, training):
    model.train(training)
    features = _features(0).requires_grad_()
    out = model(_tensor(features, torch.zeros((0, 3), dtype=torch.int32)))
    assert out.features.shape == (0, model.out_channels)
    out.features.sum().backward()
    assert features.grad.shape == (0, IN_CHANNELS)


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
@pytest.mark.parametrize('shape', [GRID, (1, 1, 1)], ids=['large grid', 'one cell'])
def test_one_voxel(model, training, shape):
    model.train(training)
    features = _features(1).requires_grad_()
    out = model(_tensor(features, torch.zeros((1, 3), dtype=torch.int32), shape=shape))
    assert out.features.shape == (1, model.out_channels)
    assert out.features.isfinite().all()
    out.features.sum().backward()
    assert features.grad.isfinite().all()
    assert all(norm.running_var.isfinite().all() for norm in _norms(model))


def _norms(model: nn.Module) -> list[nn.BatchNorm1d]:
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]


def test_levels_run_from_coarse_to_fine(model):
    model.eval()
    xyz = _coordinates()
    x = _tensor(_features(len(xyz)), xyz)
    with torch.no_grad():
        levels = model.forward_levels(x)
    assert [level.stride for level in levels] == [16, 8, 4, 2, 1]
    assert levels[-1].key == x.key
    assert [level.features.shape[1] for level in levels] == [10, 9, 8, 7, 6]
    with pytest.raises(SceneError, match='stride 16 meet .* stride 8 of the same scene'):
        levels[0].concat(levels[1])


def test_levels_of_ones_choice():
    model = Res16UNet(output_levels=(3, 0), **SMALL).eval()
    xyz = _coordinates()
    x = _tensor(_features(len(xyz)).float(), xyz)
    assert [level.stride for level in model.forward_levels(x)] == [2, 16]


def test_way_up_that_misses_its_skip_connection():
    down, up = GeneralizedConv3d(2, 2, 2, 2), GeneralizedConvTranspose3d(2, 2, 2, 4)
    x = SparseTensor(torch.ones(1, 2), torch.zeros((1, 4), dtype=torch.int32))
    with pytest.raises(SceneError, match='stride 1 meet 1 voxels of stride 2'):
        run_unet(x, [nn.Identity(), down, down], [(up, nn.Identity())])


def test_same_input_same_output_bit_for_bit(model):
    model.eval()
    xyz = _coordinates()
    features = _features(len(xyz))
    assert torch.equal(_run(model, features, xyz), _run(model, features, xyz))


def test_autocast_stays_close(model):
    model = model.float().eval()
    xyz = _coordinates()
    x = _tensor(_features(len(xyz)).float(), xyz)
    with torch.no_grad():
        exact = model(x).features
        with torch.autocast('cpu', torch.bfloat16):
            rounded = model(x).features.float()
    assert (rounded - exact).norm() < 0.05 * exact.norm()
    features = x.features.requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        model.train()(x.replace(features)).features.float().sum().backward()
    assert features.grad.isfinite().all()


def test_inference_lets_go_of_levels(unbounded):
    """At the last residual stage only its own inputs are left of all the levels."""
    unbounded.eval()
    held = []

    def watch(_module, _inputs, output):
        held.append(weakref.ref(output))

    # What a norm gives out becomes the output of its level, in place.
    for norm in _norms(unbounded):
        norm.register_forward_hook(watch)
    last = (
        unbounded.block8[0] if isinstance(unbounded, MinkowskiUNet) else unbounded.decoder[3][1][0]
    )
    alive = []
    last.register_forward_pre_hook(
        lambda m, i: alive.extend(len(ref()) for ref in held if ref() is not None)
    )
    xyz = _coordinates()
    _run(unbounded, _features(len(xyz)), xyz)
    assert len(held) > 10
    assert all(rows == len(xyz) for rows in alive), 'a coarse level is still there'
    assert len(alive) <= 1, 'joined features are held beside their copy'


def test_momenta():
    model = Res16UNet(bn_momentum=0.03, block_bn_momentum=0.2, bn_eps=1e-3, **SMALL)
    momenta = {n: m.momentum for n, m in model.named_modules() if isinstance(m, nn.BatchNorm1d)}
    for name, momentum in momenta.items():
        assert momentum == (0.2 if '.norm' in name else 0.03), name
    assert {norm.eps for norm in _norms(model)} == {1e-3}


def test_final_layer_applied_unused_or_left_out():
    applied = Res16UNet(final_channels=4, **SMALL)
    unused = Res16UNet(final_channels=4, apply_final=False, **SMALL)
    left_out = Res16UNet(**SMALL)
    assert [m.out_channels for m in (applied, unused, left_out)] == [4, 6, 6]
    assert list(applied.state_dict()) == list(unused.state_dict())
    assert list(applied.state_dict())[:-2] == list(left_out.state_dict())
    assert list(applied.state_dict())[-2:] == ['final.kernel', 'final.bias']
    left_out.load_state_dict(
        {n: t for n, t in unused.state_dict().items() if not n.startswith('final')}
    )
    xyz = _coordinates()
    features = _features(len(xyz)).float()
    torch.testing.assert_close(
        _run(unused.eval(), features, xyz), _run(left_out.eval(), features, xyz)
    )


def test_normalised_rows():
    model = Res16UNet(final_channels=4, normalize_features=True, **SMALL).double().eval()
    xyz = _coordinates()
    out = _run(model, _features(len(xyz)), xyz)
    torch.testing.assert_close(out.norm(dim=1), torch.ones(len(xyz), dtype=torch.float64))
    nn.init.zeros_(model.final.kernel)
    nn.init.zeros_(model.final.bias)
    assert torch.equal(_run(model, _features(len(xyz)), xyz), torch.zeros_like(out))


def test_kernels_start_as_published():
    torch.manual_seed(0)
    kaiming = MinkUNet(planes=(32,) * 4 + (64,) * 4, layers=(1,) * 8, final_channels=256)
    # The published helper takes the first axis of a matrix for its outputs.
    expected = {
        'conv1p1s2': 2 / (8 * 32),
        'block5.0.conv1': 2 / (27 * 64),
        'block5.0.downsample.0': 2 / (64 + 32),
        'final': 2 / 64,
    }
    for name, variance in expected.items():
        kernel = kaiming.get_submodule(name).kernel
        assert kernel.std().item() == pytest.approx(math.sqrt(variance), rel=0.05), name
    uniform = Res16UNet(planes=(32,) * 4 + (64,) * 4, layers=(1,) * 8)
    for model, name, fan in (
        (kaiming, 'convtr4p16s2', 8 * 64),
        (uniform, 'convtr4p16s2', 8 * 64),
        (uniform, 'block5.0.conv1', 27 * 96),
        (uniform, 'block5.0.downsample.0', 96),
    ):
        largest = model.get_submodule(name).kernel.abs().max().item()
        assert largest == pytest.approx(fan**-0.5, rel=0.01), name
        assert largest <= fan**-0.5


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'arch': '18C'}, 'expected one of 14A'),
        ({'planes': (8,) * 7}, '8 integers'),
        ({'layers': (0,) * 8}, '8 integers'),
        ({'kernel_init': 'zeros'}, 'kernel_init'),
        ({'output_levels': (5,)}, '0 to 4'),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ConfigError, match=message):
        MinkUNet(**{**SMALL, **options})


def test_sizes_of_mmdet3d_that_do_not_fit():
    with pytest.raises(ConfigError, match='encoder_blocks'):
        MMDet3DMinkUNet(**{**SMALL_MMDET3D, 'encoder_blocks': (1, 1)})


def test_spconv_layout_needs_a_grid():
    xyz = _coordinates(20)
    with pytest.raises(ConfigError, match='spatial_shape'):
        _run(_make('MMDet3D-spconv'), _features(20), xyz, shape=None)


def test_every_architecture_has_eight_stages():
    assert {len(sizes) for pair in ARCHITECTURES.values() for sizes in pair} == {8}


@pytest.mark.parametrize(
    'backbone',
    [
        {'type': 'Res16UNet', 'final_channels': 4, 'apply_final': False, **SMALL},
        {'type': 'MinkUNet', 'final_channels': 12, **SMALL},
        {
            **SMALL_MMDET3D,
            'type': 'MMDet3DMinkUNet',
            'layout': 'spconv',
            'in_channels': 6,
        },
    ],
    ids=lambda backbone: backbone['type'],
)
def test_as_backbone_of_the_unified_model(backbone):
    model = MODELS.build(tiny_config() | {'backbone': backbone}).eval()
    assert model.backbone.in_channels == 6
    with torch.no_grad():
        features = model.encode(collate(model, [scene_inputs(), scene_inputs(seed=1)]))
    assert [len(f.superpoint_features) for f in features] == [20, 20]
    assert {f.superpoint_features.shape[1] for f in features} == {model.backbone.out_channels}
