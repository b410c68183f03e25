"""Weights in and out: tensors only, complete or absent, and a clear answer when they do not fit.

Two kinds of files:

- ``.safetensors``: the weights that ship, with text metadata. Nothing in it can run.
- ``.pth``: training state. Read with ``weights_only=True``: tensors and plain containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from unison3d.errors import CheckpointError
from unison3d.io.atomic import atomic_path, atomic_write, writing
from unison3d.io.tensor_files import SkippedObject, read_checkpoint, read_weights

__all__ = [
    'LoadReport',
    'SkippedObject',
    'load_state',
    'read_checkpoint',
    'read_weights',
    'save_weights',
    'write_checkpoint',
]

_LISTED = 8
_FLOAT16_MAX = 65504.0


@dataclass(frozen=True)
class LoadReport:
    """What happened to every name when weights met a model.

    Args:
        loaded: names that were copied.
        missing: names of the model that the file does not have.
        unexpected: names of the file that the model does not have.
        mismatched: names on both sides with different shapes: (name, file shape, model shape).
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    @property
    def complete(self) -> bool:
        """Whether every name fitted."""
        return not (self.missing or self.unexpected or self.mismatched)

    def describe(self) -> str:
        """The names that did not fit, a few of each kind, one per line."""
        shapes = [f'{name}: file {a}, model {b}' for name, a, b in self.mismatched]
        lines = []
        for title, names in (
            ('missing in the file', self.missing),
            ('not in the model', self.unexpected),
            ('of another shape', shapes),
        ):
            if names:
                lines.append(f'{len(names)} {title}:')
                lines += [f'  {name}' for name in names[:_LISTED]]
                if len(names) > _LISTED:
                    lines.append(f'  ... and {len(names) - _LISTED} more')
        return '\n'.join(lines)


def load_state(
    model: nn.Module, state_dict: Mapping[str, Tensor], *, strict: bool = True, source: str = ''
) -> LoadReport:
    """Copy weights into a model, all or nothing when strict.

    Args:
        model: the model. It keeps its own dtype and device.
        state_dict: tensors by parameter name. A leading ``module.``, which data-parallel training
            adds, is dropped.
        strict: raise when a name does not fit. Otherwise only what fits is copied.
        source: where the weights come from, for the message.

    Returns:
        The report.

    Raises:
        CheckpointError: ``strict``, and a name is missing, unexpected or of another shape. The
            model is left as it was.
    """
    own = model.state_dict()
    given = {name.removeprefix('module.'): value for name, value in state_dict.items()}
    mismatched = tuple(
        (name, tuple(given[name].shape), tuple(own[name].shape))
        for name in own
        if name in given and given[name].shape != own[name].shape
    )
    wrong_shape = {name for name, _, _ in mismatched}
    report = LoadReport(
        loaded=tuple(name for name in own if name in given and name not in wrong_shape),
        missing=tuple(name for name in own if name not in given),
        unexpected=tuple(name for name in given if name not in own),
        mismatched=mismatched,
    )
    if strict and not report.complete:
        raise CheckpointError(
            f'{source or "Weights"}: made for another architecture than {type(model).__name__} '
            f'({len(report.loaded)} of {len(own)} names fit).\n{report.describe()}\n'
            'Use the config these weights were trained with.'
        )
    # strict=False: names were compared above, and modules with their own loading rules still run.
    model.load_state_dict({name: given[name] for name in report.loaded}, strict=False)
    return report


def save_weights(
    path: str | Path,
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write weights as safetensors, atomically.

    Args:
        path: ends with ``.safetensors``.
        state_dict: tensors by name, on any device.
        metadata: text that travels with the weights, such as the config and the label space.
        dtype: ``torch.float16`` halves the file. Floating tensors whose values float16 cannot hold
            stay float32; integers stay as they are. None keeps every dtype.

    Raises:
        CheckpointError: the name has another ending, or a weight is not finite.
    """
    path = Path(path)
    if path.suffix != '.safetensors':
        raise CheckpointError(f'{path}: weights are written as .safetensors. Change the ending.')
    tensors = {}
    for name, value in state_dict.items():
        value = value.detach().cpu()
        if value.is_floating_point():
            if not torch.isfinite(value).all():
                raise CheckpointError(
                    f'{path}: {name} holds values that are not finite, so nothing was written. '
                    'The training has diverged; resume from an earlier checkpoint.'
                )
            if dtype is not None and _fits(value, dtype):
                value = value.to(dtype)
        # Its own memory for each: safetensors refuses tensors that share storage.
        tensors[name] = value.clone(memory_format=torch.contiguous_format)
    with atomic_path(path) as temporary, writing(path, SafetensorError):
        save_file(tensors, temporary, metadata={**(metadata or {}), 'format': 'pt'})


def write_checkpoint(path: str | Path, checkpoint: Mapping[str, Any]) -> None:
    """Write training state atomically.

    Args:
        path: the ``.pth`` file.
        checkpoint: tensors and plain containers only, see :func:`unison3d.engine.plain.to_plain`.
    """
    # In the file object that Python opened: torch's own hides what the system says.
    with atomic_write(path) as file:
        torch.save(dict(checkpoint), file)


def _fits(value: Tensor, dtype: torch.dtype) -> bool:
    if dtype != torch.float16 or value.numel() == 0:
        return True
    return bool(value.abs().max() <= _FLOAT16_MAX)
