"""Sparse tensors: what they refuse, how they combine, and what they keep for later."""

from __future__ import annotations

import pytest
import torch

from tests.test_sparse.samples import (
    empty_tensor,
    grid_of,
    lattice_tensor,
    random_tensor,
    random_values,
    set_of_voxels,
)
from unison3d.errors import SceneError
from unison3d.sparse import (
    AvgPool3d,
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    InverseConv3d,
    Kernel,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    SumPool3d,
)

COORDINATES = torch.tensor([[0, 0, 0, 0], [0, 1, 2, 3], [1, 0, 0, 1]], dtype=torch.int32)


class TestBadInput:
    def test_number_of_features(self):
        with pytest.raises(SceneError, match=r'features \(2, 5\) must be .* each of the 3 coord'):
            SparseTensor(torch.zeros(2, 5), COORDINATES, batch_size=2)

    @pytest.mark.parametrize('shape', [(3,), (3, 2, 1), ()])
    def test_shape_of_features(self, shape):
        with pytest.raises(SceneError, match=r'must be \(V, C\)'):
            SparseTensor(torch.zeros(shape), COORDINATES, batch_size=2)

    @pytest.mark.parametrize('dtype', [torch.int64, torch.uint8, torch.bool])
    def test_type_of_features(self, dtype):
        with pytest.raises(SceneError, match=f'features are {dtype}, expected a floating type'):
            SparseTensor(torch.zeros((3, 1), dtype=dtype), COORDINATES, batch_size=2)

    def test_devices(self):
        with pytest.raises(SceneError, match='features are on meta, coordinates on cpu; move both'):
            SparseTensor(torch.zeros((3, 1), device='meta'), COORDINATES, batch_size=2)

    def test_replaced_features_are_checked_too(self):
        x = SparseTensor(torch.zeros(3, 1), COORDINATES, batch_size=2)
        with pytest.raises(SceneError, match='for each of the 3 coordinates'):
            x.replace(torch.zeros(4, 1))
        with pytest.raises(SceneError, match='expected a floating type'):
            x.replace(torch.zeros(3, 1).int())

    # Every other way in which coordinates can be wrong: see test_coordinates.py.
    @pytest.mark.parametrize(
        ('settings', 'message'),
        [
            (dict(batch_size=1), 'batch item 1, expected 0 to 0'),
            (dict(batch_size=2, spatial_shape=(2, 2, 4)), r'below the spatial shape \(2, 2, 4\)'),
        ],
    )
    def test_coordinates(self, settings, message):
        with pytest.raises(SceneError, match=message):
            SparseTensor(torch.zeros(3, 1), COORDINATES, **settings)

    @pytest.mark.parametrize(
        'settings',
        [
            dict(spatial_shape=(16, 16)),
            dict(spatial_shape=(16, 16, 16, 16)),
            dict(stride=0),
            dict(stride=-2),
            dict(stride=1.5),
        ],
    )
    def test_shape_of_the_grid_and_stride(self, settings):
        with pytest.raises(SceneError):
            SparseTensor(torch.zeros(3, 1), COORDINATES, batch_size=2, **settings)


class TestSkipConnections:
    def test_concat_keeps_our_channels_first(self):
        x = random_tensor(2)
        y = x.replace(random_values((len(x), 3), seed=5))
        assert torch.equal(x.concat(y).features, torch.cat([x.features, y.features], 1))
        assert x.concat(y).key == x.key and x.concat(y).cache is x.cache

    def test_sum(self):
        x = random_tensor(2)
        assert torch.equal((x + x.replace(-2 * x.features)).features, -x.features)

    @pytest.mark.parametrize('combine', [SparseTensor.concat, SparseTensor.__add__])
    @pytest.mark.parametrize('down', [StridedConv3d(2, 2), GeneralizedConv3d(2, 2, 2, 2)])
    def test_strides_have_to_match(self, combine, down):
        x = random_tensor(2, dtype=torch.float32)
        y = down(x)
        message = rf'{len(x)} voxels of stride 1 meet {len(y)} voxels of stride 2 of the same scene'
        with pytest.raises(SceneError, match=message + '.*check the strides'):
            combine(x, y)

    @pytest.mark.parametrize('combine', [SparseTensor.concat, SparseTensor.__add__])
    def test_scenes_have_to_match(self, combine):
        x = random_tensor(2)
        # Even if the voxels are the same: rows may not be.
        y = SparseTensor(x.features, x.coordinates, x.spatial_shape, x.batch_size)
        with pytest.raises(SceneError, match='of stride 1 of another scene'):
            combine(x, y)

    def test_levels_of_equal_stride_can_differ(self):
        x = random_tensor(2)
        y, z = StridedConv3d(2, 2).double()(x), StridedConv3d(2, 2, 3, 2, 1).double()(x)
        assert y.stride == z.stride == 2
        with pytest.raises(SceneError, match='stride 2 meet .* of stride 2 of the same scene'):
            y.concat(z)

    def test_mixed_types_are_promoted(self):
        x = random_tensor(2, dtype=torch.float32)
        y = x.replace(x.features.bfloat16())
        assert (x + y).features.dtype == x.concat(y).features.dtype == torch.float32


class TestScenes:
    def test_split(self):
        x = lattice_tensor(3, batch_size=4, empty_items=[0, 2])
        scenes = x.split_by_scene()
        assert [len(s) for s in scenes] == [int((x.coordinates[:, 0] == i).sum()) for i in range(4)]
        for item, features in enumerate(scenes):
            assert torch.equal(features, x.features[x.coordinates[:, 0] == item])

    def test_split_of_nothing(self):
        assert [tuple(s.shape) for s in empty_tensor(3).split_by_scene()] == [(0, 3), (0, 3)]

    @pytest.mark.parametrize('empty', [[0], [1], [2], [0, 2]])
    def test_layers_with_an_empty_scene(self, empty):
        x = random_tensor(2, batch_size=3, empty_items=empty)
        net = SparseSequential(
            SubmanifoldConv3d(2, 3), StridedConv3d(3, 4), InverseConv3d(4, 2)
        ).double()
        scenes = net(x).split_by_scene()
        assert [len(s) == 0 for s in scenes] == [item in empty for item in range(3)]


class TestSpreadToFinest:
    def test_copies_to_all_children(self):
        x = random_tensor(1, shape=(8, 4, 12))
        coarse = StridedConv3d(1, 3).double()(StridedConv3d(1, 1).double()(x))
        places = torch.div(x.coordinates, torch.tensor([1, 4, 4, 4]), rounding_mode='floor')
        rows = [coarse.coordinates.tolist().index(place) for place in places.tolist()]
        assert torch.equal(coarse.spread_to_finest(), coarse.features[rows])

    def test_dropped_voxels_get_zeros(self):
        x = random_tensor(1, shape=(5, 4, 4))
        coarse = StridedConv3d(1, 2, bias=True).double()(x)
        spread = coarse.spread_to_finest()
        assert torch.equal(spread.abs().sum(1) == 0, x.coordinates[:, 1] == 4)

    def test_the_finest_voxels_themselves(self):
        x = random_tensor(2)
        assert x.spread_to_finest() is x.features

    def test_gradient_counts_children(self):
        x = random_tensor(1, shape=(6, 4, 8))
        coarse = StridedConv3d(1, 1).double()(x)
        features = coarse.features.detach().requires_grad_()
        coarse.replace(features).spread_to_finest().sum().backward()
        children = SumPool3d(2, 2)(x.replace(torch.ones_like(x.features)))
        assert torch.equal(features.grad, children.features)

    def test_a_lattice_is_refused(self):
        with pytest.raises(ValueError, match='not reached by strided layers of the spconv family'):
            SumPool3d(2, 2)(lattice_tensor(1)).spread_to_finest()

    def test_overlapping_kernels_are_refused(self):
        coarse = StridedConv3d(2, 2, 3, 2, 1).double()(random_tensor(2))
        with pytest.raises(ValueError, match='several parents'):
            coarse.spread_to_finest()


class TestCache:
    nets = {
        'spconv': lambda: SparseSequential(
            SubmanifoldConv3d(2, 2),
            SubmanifoldConv3d(2, 2),
            StridedConv3d(2, 2, indice_key='down'),
            SubmanifoldConv3d(2, 2),
            InverseConv3d(2, 2, indice_key='down'),
        ),
        'minkowski': lambda: SparseSequential(
            GeneralizedConv3d(2, 2),
            GeneralizedConv3d(2, 2, 2, 2),
            GeneralizedConv3d(2, 2),
            AvgPool3d(2, 2),
            GeneralizedConvTranspose3d(2, 2),
            GeneralizedConvTranspose3d(2, 2),
        ),
    }

    @pytest.mark.parametrize('name', nets)
    def test_a_second_call_builds_nothing(self, name):
        x, net = random_tensor(2), self.nets[name]().double()
        first = net(x)
        maps, levels = dict(x.cache.maps), dict(x.cache.levels)
        # Equal layers share a map, and the way back shares that of the way down.
        assert len(maps) == {'spconv': 3, 'minkowski': 4}[name]
        again = net(x.replace(x.features.clone()))
        assert torch.equal(again.features, first.features)
        assert x.cache.maps.keys() == maps.keys() and x.cache.levels.keys() == levels.keys()
        assert all(x.cache.maps[key] is kept for key, kept in maps.items())
        assert all(x.cache.levels[key] is kept for key, kept in levels.items())

    @pytest.mark.parametrize('name', nets)
    def test_the_backward_pass_builds_nothing(self, name):
        x, net = random_tensor(2), self.nets[name]().double()
        out, kept = net(x).features, dict(x.cache.maps)
        out.sum().backward()
        assert x.cache.maps == kept

    def test_training_after_inference_on_one_scene(self):
        x, net = random_tensor(2), self.nets['minkowski']().double()
        with torch.inference_mode():
            net(x)
        net(x).features.sum().backward()

    def test_scenes_do_not_share(self):
        x, y = random_tensor(2), random_tensor(2)
        kernel = Kernel.centered(3)
        assert x.kernel_map(kernel) is x.replace(x.features * 2).kernel_map(kernel)
        assert x.kernel_map(kernel) is not y.kernel_map(kernel)

    def test_kernels_do_not_share(self):
        x = random_tensor(2)
        kernels = [Kernel.centered(3), Kernel.centered(3, 2), Kernel.centered(3, x_fastest=True)]
        assert len({id(x.kernel_map(kernel)) for kernel in kernels}) == 3

    def test_two_ways_to_one_lattice_level(self):
        x = lattice_tensor(2)
        at_once, in_steps = SumPool3d(4, 4)(x), SumPool3d(2, 2)(SumPool3d(2, 2)(x))
        assert at_once.key == in_steps.key and at_once.level is in_steps.level
        torch.testing.assert_close(at_once.features, in_steps.features)

    def test_two_ways_to_one_stride_on_a_grid(self):
        # Other voxels may be active, so these are two levels.
        x = random_tensor(2, shape=(9, 9, 9), share=0.05)
        at_once = StridedConv3d(2, 2, 4, 4).double()(x)
        in_steps = StridedConv3d(2, 2, 3, 2, 1).double()(StridedConv3d(2, 2, 3, 2, 1).double()(x))
        assert at_once.stride == in_steps.stride == 4
        assert set_of_voxels(at_once.coordinates) != set_of_voxels(in_steps.coordinates)


def test_what_a_tensor_says_about_itself():
    x = SparseTensor(torch.zeros(3, 2), COORDINATES, [4, 4.0, 8], 2, stride=2)
    assert (len(x), x.stride, x.batch_size, x.spatial_shape) == (3, 2, 2, (4, 4, 8))
    assert torch.equal(x.coordinates, COORDINATES)
    assert grid_of(x).occupancy(x).sum() == 3
    assert SparseTensor(torch.zeros(3, 2), COORDINATES, batch_size=2).spatial_shape is None
