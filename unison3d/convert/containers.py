"""The dictionaries in which published checkpoints keep their tensors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unison3d.convert.system import System
from unison3d.errors import CheckpointError

_LISTED = 8
# What the loader of mmdet3d looks for: kernels of modules without it are taken for RSCK.
_SPCONV_VERSION = 2


def unwrap(system: System, content: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[str]]:
    """Take the tensors out of what a checkpoint file holds.

    Args:
        system: says which entry has them.
        content: the file: tensors by name, or a dictionary with one entry of them.

    Returns:
        Tensors by published name, and the other entries of the file (optimizer, epoch, ...).

    Raises:
        CheckpointError: there are no tensors, or something else among them.
    """
    entry = next((key for key in system.containers if key in content), None)
    tensors = content if entry is None else content[entry]
    where = 'The file' if entry is None else f'The entry "{entry}"'
    if not isinstance(tensors, Mapping) or not tensors:
        raise CheckpointError(
            f'{where} holds no tensors but {_kind(tensors)}. Expected tensors by name, or one of '
            f'the entries {", ".join(system.containers)}; there are {_some(content)}.'
        )
    wrong = [name for name, value in tensors.items() if not _is_weight(name, value)]
    if wrong:
        raise CheckpointError(
            f'{where} holds other things than dense tensors: {_some(wrong)}. Expected tensors by '
            f'name, or one of the entries {", ".join(system.containers)}.'
        )
    others = [] if entry is None else [str(key) for key in content if key != entry]
    return dict(tensors), others


def wrap(system: System, published: Mapping[str, Tensor], layout: str) -> dict[str, Any]:
    """Put tensors where the published programs look for them.

    Args:
        system: says under which entry.
        published: tensors by published name.
        layout: layout of the kernels. For krsc the version of spconv's modules goes along, without
            which the published loader would permute the kernels once more.

    Returns:
        Plain containers and tensors, for :func:`torch.save`.
    """
    state = OrderedDict(published)
    if layout == 'krsc':
        state._metadata = OrderedDict(
            (name.removesuffix('.weight'), {'version': _SPCONV_VERSION})
            for name, tensor in published.items()
            if tensor.ndim == 5
        )
    return {system.containers[0]: state}


def _is_weight(name: Any, value: Any) -> bool:
    dense = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
    return dense and isinstance(name, str)


def _kind(value: Any) -> str:
    return 'nothing' if isinstance(value, Mapping) else f'a {type(value).__name__}'


def _some(names: Any) -> str:
    listed = [str(name) for name in names]
    return ', '.join(listed[:_LISTED]) + (', ...' if len(listed) > _LISTED else '')
