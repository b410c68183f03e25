"""Weights in and out: tensors only, complete or absent, and a clear answer when they do not fit.

Two kinds of files:

- ``.safetensors``: the weights that ship, with text metadata. Nothing in it can run.
- ``.pth``: training state. Read with ``weights_only=True``: tensors and plain containers.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from unison3d.errors import CheckpointError
from unison3d.io.atomic import atomic_path

_LISTED = 8
_FLOAT16_MAX = 65504.0
_DICTIONARIES = ('collections.defaultdict',)
# What torch.load raises on bytes that are no checkpoint: whatever the wrong byte happens to mean.
_DAMAGED = (
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
    zipfile.BadZipFile,
)


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
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={**(metadata or {}), 'format': 'pt'})


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read weights from ``.safetensors`` or from a training checkpoint.

    Args:
        path: a file written by :func:`save_weights`, a checkpoint of the runner, or a ``.pth`` file
            that holds tensors by name, on their own or under ``state_dict``.

    Returns:
        Tensors by name on the CPU, and the text metadata (empty for ``.pth`` without any).

    Raises:
        CheckpointError: missing, damaged, or with content that is not tensors.
    """
    path = _existing(path)
    if path.suffix == '.safetensors':
        try:
            with safe_open(path, framework='pt', device='cpu') as file:
                metadata = dict(file.metadata() or {})
                return {name: file.get_tensor(name) for name in file.keys()}, metadata
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(
                f'{path}: not a complete safetensors file ({error}). Copy or download it again.'
            ) from error
    checkpoint = read_checkpoint(path)
    weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise CheckpointError(
            f'{path}: holds {sorted(map(str, checkpoint))[:_LISTED]}, expected tensors by name or '
            'an entry "state_dict" with them.'
        )
    meta = checkpoint.get('meta', {})
    texts = {k: v for k, v in meta.items() if isinstance(v, str)} if isinstance(meta, dict) else {}
    return dict(weights), texts


def write_checkpoint(path: str | Path, checkpoint: Mapping[str, Any]) -> None:
    """Write training state atomically.

    Args:
        path: the ``.pth`` file.
        checkpoint: tensors and plain containers only, see :func:`unison3d.engine.plain.to_plain`.
    """
    with atomic_path(path) as temporary:
        torch.save(dict(checkpoint), temporary)


class SkippedObject:
    """Stands where a file has a Python object: takes what the object was made of, runs nothing."""

    def __new__(cls, *args: object) -> SkippedObject:
        return super().__new__(cls)

    def __init__(self, *args: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def read_checkpoint(
    path: str | Path, map_location: Any = 'cpu', *, skip_objects: bool = False
) -> dict[str, Any]:
    """Read training state; code in the file is never run.

    Args:
        path: the ``.pth`` file.
        map_location: as for :func:`torch.load`.
        skip_objects: put a :class:`SkippedObject` where the file has a Python object (counters,
            histories and configs of training frameworks) instead of refusing it. Tensors next to
            it are read as always.

    Raises:
        CheckpointError: missing, damaged, or with content other than tensors and plain containers.
    """
    path = _existing(path)
    try:
        with safe_globals(_skipped_globals(path) if skip_objects else []):
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f'{path}: damaged, or holds Python objects besides tensors, which could run code '
            f'({reason}). Save its tensors alone: '
            "torch.save({'state_dict': model.state_dict()}, path)"
        ) from error
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f'{path}: not a complete checkpoint ({reason}). '
            'Copy it again, or resume from an earlier one.'
        ) from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path}: holds a {type(checkpoint).__name__}, expected a dictionary of tensors.'
        )
    return checkpoint


def _skipped_globals(path: Path) -> list[tuple[type, str]]:
    """What the file would import, each to be replaced by a :class:`SkippedObject`.

    Empty for the format of before PyTorch 1.6, whose imports cannot be listed.
    """
    if not zipfile.is_zipfile(path):
        return []
    names = get_unsafe_globals_in_checkpoint(path)
    return [(_empty_dict if name in _DICTIONARIES else SkippedObject, name) for name in names]


def _empty_dict(*args: object) -> dict:
    """A plain dictionary in place of one with a default; its entries follow in the file."""
    return {}


def _fits(value: Tensor, dtype: torch.dtype) -> bool:
    if dtype != torch.float16 or value.numel() == 0:
        return True
    return bool(value.abs().max() <= _FLOAT16_MAX)


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise CheckpointError(f'{path}: {what}, expected a weight file (.safetensors or .pth).')
    return path
