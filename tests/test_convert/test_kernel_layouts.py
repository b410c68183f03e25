from __future__ import annotations

import pytest
import torch

from unison3d.convert.kernel_layouts import (
    FROM_PUBLISHED,
    TO_PUBLISHED,
    detect_layout,
    kernel_from_krsc,
    kernel_from_rsck,
    resolve_layout,
)
from unison3d.errors import CheckpointError, ConfigError


@pytest.mark.parametrize('edge', [1, 2, 3, 5])
@pytest.mark.parametrize('layout', ['krsc', 'rsck'])
def test_round_trip(edge, layout):
    shape = (7, edge, edge, edge, 4) if layout == 'krsc' else (edge, edge, edge, 4, 7)
    published = torch.randn(shape)
    ours = FROM_PUBLISHED[layout](published)
    assert ours.shape == (edge**3, 4, 7)
    assert torch.equal(TO_PUBLISHED[layout](ours), published)
    assert torch.equal(FROM_PUBLISHED[layout](TO_PUBLISHED[layout](ours)), ours)


@pytest.mark.parametrize('edge', [2, 3])
def test_cells_run_with_the_last_axis_fastest(edge):
    krsc = torch.randn(7, edge, edge, edge, 4)
    ours = kernel_from_krsc(krsc)
    rsck = krsc.permute(1, 2, 3, 4, 0)
    for x, y, z in torch.cartesian_prod(*[torch.arange(edge)] * 3).tolist():
        cell = ours[(x * edge + y) * edge + z]
        assert torch.equal(cell, krsc[:, x, y, z, :].T)
        assert torch.equal(cell, rsck[x, y, z])


def test_one_cell_is_the_same_memory_read_differently():
    krsc = torch.arange(6.0).reshape(2, 1, 1, 1, 3)
    expected = torch.tensor([[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]])
    assert torch.equal(kernel_from_krsc(krsc), expected)
    # The reference moves the last axis to the front before it reads: not the matrix in the file.
    assert torch.equal(kernel_from_rsck(krsc.permute(1, 2, 3, 4, 0)), expected)


@pytest.mark.parametrize('shape', [(0, 3, 3, 3, 6), (8, 3, 3, 3, 0), (0, 0, 0, 0, 0)])
def test_empty_kernels(shape):
    assert kernel_from_krsc(torch.zeros(shape)).numel() == 0


@pytest.mark.parametrize(
    ('shapes', 'layout'),
    [
        ([], 'minkowski'),
        ([(32, 3, 3, 3, 6)], 'krsc'),
        ([(3, 3, 3, 6, 32)], 'rsck'),
        ([(32, 1, 1, 1, 64), (64, 2, 2, 2, 32)], 'krsc'),
        ([(1, 1, 1, 64, 32), (5, 5, 5, 3, 32)], 'rsck'),
        # Reads both ways, and the others decide.
        ([(3, 3, 3, 3, 3), (3, 3, 3, 3, 32), (3, 3, 3, 8, 8)], 'rsck'),
        ([(3, 3, 3, 3, 3), (3, 3, 3, 3, 32), (8, 3, 3, 3, 8)], 'krsc'),
    ],
)
def test_found_by_shape(shapes, layout):
    kernels = {f'k{index}': shape for index, shape in enumerate(shapes)}
    assert detect_layout(kernels) == layout
    others = {'linear': (4, 4), 'bias': (4,), 'count': (), 'minkowski': (27, 4, 4)}
    assert resolve_layout('auto', {**others, **kernels}) == layout


@pytest.mark.parametrize(
    ('shapes', 'words'),
    [
        ([(3, 3, 3, 3, 3)], 'all shapes read both ways'),
        ([(3, 3, 3, 3, 32), (2, 2, 2, 2, 5)], 'all shapes read both ways'),
        ([(32, 3, 3, 3, 6), (3, 3, 3, 6, 32)], '1 look like krsc'),
    ],
)
def test_unclear_layouts_ask_for_the_flag(shapes, words):
    with pytest.raises(CheckpointError, match='--layout krsc') as caught:
        detect_layout({f'k{index}': shape for index, shape in enumerate(shapes)})
    assert words in str(caught.value)


@pytest.mark.parametrize('shape', [(32, 3, 3, 1, 6), (32, 4, 4, 4, 6), (0, 0, 0, 0, 0)])
def test_other_kernels_are_refused(shape):
    with pytest.raises(CheckpointError, match='neither'):
        detect_layout({'conv': shape, 'fine': (32, 3, 3, 3, 6)})


@pytest.mark.parametrize(
    ('layout', 'shape'),
    [('krsc', (27, 4, 4)), ('rsck', (4, 4)), ('minkowski', (32, 3, 3, 3, 6)), ('brick', (4, 4))],
)
def test_impossible_layouts(layout, shape):
    with pytest.raises(ConfigError):
        resolve_layout(layout, {'k': shape})


@pytest.mark.parametrize(
    ('layout', 'shape'),
    [('krsc', (3, 3, 3, 3, 3)), ('rsck', (3, 3, 3, 3, 3)), ('minkowski', (27, 4, 4))],
)
def test_the_flag_decides(layout, shape):
    assert resolve_layout(layout, {'k': shape}) == layout
