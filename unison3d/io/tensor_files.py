"""Weight files read safely: tensors only, no code of the file ever runs.

Not imported by ``unison3d.io`` itself: it brings torch along, which readers of scenes do without.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from unison3d.errors import CheckpointError, UnreadableCheckpointError
from unison3d.io.checkpoint_sizes import check_checkpoint_sizes
from unison3d.io.trusted import load_trusted

__all__ = ['SkippedObject', 'read_checkpoint', 'read_tensor', 'read_weights']

_LISTED = 8
_DICTIONARIES = ('collections.defaultdict',)
# What torch.load raises on bytes that are no checkpoint: whatever the wrong byte happens to mean.
_DAMAGED = (
    AssertionError,
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


def read_weights(
    path: str | Path, *, skip_objects: bool = False, trust: bool = False
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read weights from ``.safetensors`` or from a training checkpoint.

    Args:
        path: a file written by :func:`~unison3d.engine.save_weights`, a checkpoint of the runner,
            or a ``.pth`` file that holds tensors by name, on their own or under ``state_dict``.
        skip_objects: as for :func:`read_checkpoint`.
        trust: as for :func:`read_checkpoint`.

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
            raise UnreadableCheckpointError(
                f'{path}: not a complete safetensors file ({error}). Copy or download it again.'
            ) from error
    checkpoint = read_checkpoint(path, skip_objects=skip_objects, trust=trust)
    weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise CheckpointError(
            f'{path}: holds {sorted(map(str, checkpoint))[:_LISTED]}, expected tensors by name or '
            'an entry "state_dict" with them.'
        )
    meta = checkpoint.get('meta', {})
    texts = {k: v for k, v in meta.items() if isinstance(v, str)} if isinstance(meta, dict) else {}
    return dict(weights), texts


class SkippedObject:
    """Stands where a file has a Python object: takes what the object was made of, runs nothing."""

    def __new__(cls, *args: object) -> SkippedObject:
        return super().__new__(cls)

    def __init__(self, *args: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def read_checkpoint(
    path: str | Path,
    map_location: Any = 'cpu',
    *,
    skip_objects: bool = False,
    trust: bool = False,
) -> dict[str, Any]:
    """Read training state; code in the file is not run unless it is trusted.

    Args:
        path: the ``.pth`` file.
        map_location: as for :func:`torch.load`.
        skip_objects: put a :class:`SkippedObject` where the file has a Python object (counters,
            histories and configs of training frameworks) instead of refusing it. Tensors next to
            it are read as always.
        trust: read a file of somebody you trust with Python objects, whose code is run; a warning
            says so. For files that tensors alone cannot be read from.

    Raises:
        CheckpointError: missing, damaged, or with content other than tensors and plain containers.
    """
    path = _existing(path)
    if trust:
        checkpoint = load_trusted(path, map_location)
    else:
        checkpoint = _load(path, map_location, skip_objects)
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path}: holds a {type(checkpoint).__name__}, expected a dictionary of tensors.'
        )
    return checkpoint


def read_tensor(path: str | Path) -> Tensor:
    """Read a ``.pth`` file that holds one tensor and nothing else.

    Returns:
        The tensor on the CPU.

    Raises:
        CheckpointError: missing, damaged, or it holds something else.
    """
    content = _load(_existing(path), 'cpu', False)
    if not isinstance(content, Tensor) or content.layout != torch.strided:
        raise CheckpointError(
            f'{path}: holds a {type(content).__name__}, expected one dense tensor.'
        )
    return content


def _load(path: Path, map_location: Any, skip_objects: bool) -> Any:
    try:
        if skip_objects:
            check_checkpoint_sizes(path, lambda: _skipped_names(path))
        else:
            check_checkpoint_sizes(path)
        if zipfile.is_zipfile(path):
            _check_sums(path)
        with safe_globals(_skipped_globals(path) if skip_objects else []):
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise UnreadableCheckpointError(
            f'{path}: damaged, or holds Python objects besides tensors, which could run code '
            f'({reason}). Save its tensors alone: '
            "torch.save({'state_dict': model.state_dict()}, path). If you trust whoever made it, "
            'train and test read it with --trust.'
        ) from error
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnreadableCheckpointError(
            f'{path}: not a complete checkpoint ({reason}). '
            'Copy it again, or resume from an earlier one.'
        ) from error


def _check_sums(path: Path) -> None:
    """Refuse a file with a wrong byte: PyTorch reads such tensors without a word."""
    with zipfile.ZipFile(path) as archive:
        wrong = archive.testzip()
    if wrong is not None:
        raise zipfile.BadZipFile(f'the checksum of {wrong} does not fit')


def _skipped_globals(path: Path) -> list[tuple[type, str]]:
    """What the file would import, each to be replaced by a :class:`SkippedObject`."""
    names = _skipped_names(path)
    return [(_empty_dict if name in _DICTIONARIES else SkippedObject, name) for name in names]


def _skipped_names(path: Path) -> list[str]:
    """Empty for the format of before PyTorch 1.6, whose imports cannot be listed."""
    return get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []


def _empty_dict(*args: object) -> dict:
    """A plain dictionary in place of one with a default; its entries follow in the file."""
    return {}


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise UnreadableCheckpointError(
            f'{path}: {what}, expected a weight file (.safetensors or .pth).'
        )
    return path
