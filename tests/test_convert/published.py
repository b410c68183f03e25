"""Published state dicts: by the recorded manifests with made-up values, and small recorded ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import fixture_files
from torch import Tensor

_POOL = 2**23


def manifest_models() -> list:
    """(system, names and shapes) of every published model, for ``pytest.mark.parametrize``."""
    params = []
    for folder in ('uniseg3d', 'segment3d', 'openscene', 'afov'):
        for param in fixture_files(folder, 'manifest.json'):
            path = param.values[0]
            if path is None:
                params.append(pytest.param(None, None, id=f'{folder} missing', marks=param.marks))
                continue
            for system, key, shapes in _models(path):
                params.append(pytest.param(system, shapes, id=f'{system}: {key}'))
    return params


def _models(path: Path) -> Iterator[tuple[str, str, dict[str, tuple[int, ...]]]]:
    content = json.loads(path.read_text('utf-8'))
    folder = path.parent.name
    if folder == 'uniseg3d':
        for key, model in content['models'].items():
            yield key.split('_')[0], key, {**_listed(model), **_summarised(model)}
    elif folder == 'segment3d':
        shapes = {f'model.{name}': shape for name, shape in _listed(content).items()}
        for system in ('segment3d', 'mask3d'):
            yield system, 'full', {**shapes, 'criterion.empty_weight': (2,)}
    else:
        for key, model in content['networks'].items():
            yield folder, key, _listed(model)


def _listed(model: Mapping) -> dict[str, tuple[int, ...]]:
    return {t['name']: tuple(t['shape']) for t in model['tensors'] if t.get('in_state_dict', True)}


def _summarised(model: Mapping) -> dict[str, tuple[int, ...]]:
    return {
        group['pattern'].replace('{i}', str(index)): tuple(group['shape'])
        for group in model.get('summarised_prefix', {}).get('groups', [])
        for index in range(group['count'])
    }


@cache
def _bytes() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (_POOL,), dtype=torch.uint8, generator=generator)


def made_up(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A tensor of every shape that costs no memory: a window of one block of random bytes.

    Counters are int64. What is larger than the block, which are tables that nobody permutes,
    repeats its first column.
    """
    tensors = {}
    for number, (name, shape) in enumerate(shapes.items()):
        size = int(np.prod(shape))
        if name.endswith('num_batches_tracked'):
            tensors[name] = torch.tensor(number)
        elif size > _POOL // 2:
            tensors[name] = _bytes()[: shape[0], None].expand(shape)
        else:
            start = 977 * number
            tensors[name] = _bytes()[start : start + size].view(shape)
    return tensors


def to_rsck(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same checkpoint with its kernels stored the other way: axes (1, 2, 3, 4, 0)."""
    return {k: v.permute(1, 2, 3, 4, 0) if v.ndim == 5 else v for k, v in published.items()}


def recorded(path: Path, prefix: str = 'weight/') -> dict[str, Tensor]:
    """Weights of a recorded small model by published name."""
    arrays = np.load(path)
    return {
        name.removeprefix(prefix): torch.from_numpy(arrays[name])
        for name in arrays.files
        if name.startswith(prefix)
    }


def assert_same(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """The same names, dtypes and bits."""
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype, name
        assert actual[name] is value or torch.equal(actual[name], value), name
