from __future__ import annotations

import io

import pytest
import torch

from unison3d.convert import get_system, unwrap, wrap
from unison3d.errors import CheckpointError

AFOV, UNISEG3D = get_system('afov'), get_system('uniseg3d')
WEIGHTS = {'a.weight': torch.ones(2), 'b': torch.zeros(())}


@pytest.mark.parametrize(
    ('system', 'content', 'beside'),
    [
        (UNISEG3D, WEIGHTS, []),
        (UNISEG3D, {'state_dict': WEIGHTS}, []),
        (UNISEG3D, {'meta': {}, 'state_dict': WEIGHTS, 'optimizer': {}}, ['meta', 'optimizer']),
        (AFOV, {'model_points': WEIGHTS, 'epoch': 3, 'config': {}}, ['epoch', 'config']),
        (AFOV, {'state_dict': WEIGHTS, 'epoch': 3}, ['epoch']),
        (AFOV, {'state_dict': {}, 'model_points': WEIGHTS}, ['state_dict']),
    ],
)
def test_unwrap(system, content, beside):
    tensors, others = unwrap(system, content)
    assert tensors == WEIGHTS
    assert others == beside


@pytest.mark.parametrize(
    'content',
    [
        {},
        {'state_dict': {}},
        {'state_dict': [torch.ones(2)]},
        {'state_dict': None, 'a': torch.ones(2)},
        {'model_points': WEIGHTS},
        {'epoch': 3, 'model': WEIGHTS},
        {'state_dict': {'a': torch.ones(2), 'b': 3}},
        {'state_dict': {'a': torch.ones(2), 3: torch.ones(2)}},
        {'a': torch.ones(2).to_sparse()},
        {'a': torch.ones(2, device='meta')},
    ],
    ids=str,
)
def test_no_weights(content):
    with pytest.raises(CheckpointError, match='state_dict'):
        unwrap(UNISEG3D, content)


def load_as_the_reference(state) -> dict[str, torch.Tensor]:
    """What mmdet3d does to spconv kernels whose modules do not say version 2."""
    metadata = getattr(state, '_metadata', {})
    return {
        name: value.permute(4, 0, 1, 2, 3)
        if value.ndim == 5 and metadata.get(name.removesuffix('.weight'), {}).get('version') != 2
        else value
        for name, value in state.items()
    }


@pytest.mark.parametrize('layout', ['krsc', 'rsck'])
def test_the_reference_reads_both_layouts(layout):
    kernel = torch.randn(8, 3, 3, 3, 6)
    stored = kernel if layout == 'krsc' else kernel.permute(1, 2, 3, 4, 0)
    weights = {'input_conv.0.weight': stored, 'output_layer.0.weight': torch.ones(8)}
    file = io.BytesIO()
    torch.save(wrap(UNISEG3D, weights, layout), file)
    file.seek(0)
    # Tensors and plain containers only, and the versions survive.
    state = torch.load(file, weights_only=True)['state_dict']
    assert getattr(state, '_metadata', {}) == (
        {'input_conv.0': {'version': 2}} if layout == 'krsc' else {}
    )
    loaded = load_as_the_reference(state)
    assert torch.equal(loaded['input_conv.0.weight'], kernel)
    assert torch.equal(loaded['output_layer.0.weight'], torch.ones(8))


def test_wrap_names_the_published_entry():
    assert list(wrap(AFOV, WEIGHTS, 'minkowski')) == ['model_points']
    assert not hasattr(wrap(AFOV, WEIGHTS, 'minkowski')['model_points'], '_metadata')
