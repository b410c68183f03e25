"""Edits as JSON: point sets are runs, compressed, in base64."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.viewer.label_edits import (
    Delete,
    Draw,
    Edit,
    LabelObject,
    Merge,
    Recolor,
    Redo,
    Rename,
    Replace,
    SetVisible,
    Split,
    Undo,
)

__all__ = [
    'decode_entry',
    'decode_ids',
    'decode_objects',
    'decode_rows',
    'encode_entry',
    'encode_ids',
    'encode_objects',
    'encode_rows',
]

_KINDS = {
    'rename': Rename,
    'recolor': Recolor,
    'show': SetVisible,
    'merge': Merge,
    'delete': Delete,
    'split': Split,
    'draw': Draw,
    'replace': Replace,
    'undo': Undo,
    'redo': Redo,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode_entry(entry: Edit | Undo | Redo) -> dict[str, Any]:
    """An edit, an undo or a redo, ready for JSON."""
    fields = dict(vars(entry))
    if 'points' in fields:
        points = np.asarray(fields['points'])
        rows = np.flatnonzero(points) if points.dtype == bool else np.unique(points)
        fields['points'] = encode_rows(rows)
    if 'ids' in fields:
        fields['ids'] = encode_ids(np.asarray(fields['ids']))
        fields['objects'] = encode_objects(fields['objects'])
    return {'kind': _NAMES[type(entry)], **{k: _plain(v) for k, v in fields.items()}}


def decode_entry(content: dict[str, Any], num_points: int) -> Edit | Undo | Redo:
    """What :func:`encode_entry` wrote.

    Raises:
        FileFormatError: something else.
    """
    try:
        fields = dict(content)
        kind = _KINDS[fields.pop('kind')]
        if kind is Replace:
            fields['ids'] = decode_ids(fields['ids'], num_points)
            fields['objects'] = decode_objects(fields['objects'])
        elif 'points' in fields:
            fields['points'] = decode_rows(fields['points'], num_points)
        elif kind is Merge:
            fields['objects'] = tuple(fields['objects'])
        return kind(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f'not an edit of labels ({type(error).__name__}: {str(error)[:80]}). It was written '
            'by another version, or by another program.'
        ) from error


def encode_rows(rows: np.ndarray) -> str:
    """Sorted distinct rows, int (M,), as text: start and length of every run."""
    rows = np.asarray(rows, np.int64)
    first = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    lengths = np.diff(first, append=len(rows))
    return _pack(np.stack([rows[first], lengths]))


def decode_rows(text: Any, num_points: int) -> np.ndarray:
    """int64, (M,): the rows of :func:`encode_rows`.

    Raises:
        FileFormatError: damaged, or rows outside ``0..num_points - 1``.
    """
    starts, lengths = _unpack(text, num_points)
    ends = starts + lengths
    fits = (lengths > 0).all() and (starts[1:] > ends[:-1]).all()
    if len(starts) and not (fits and starts[0] >= 0 and ends[-1] <= num_points):
        raise FileFormatError(f'a set of points is out of order or leaves 0..{num_points - 1}.')
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)


def encode_ids(ids: np.ndarray) -> str:
    """Ids, int (N,), as text: value and length of every run."""
    ids = np.asarray(ids, np.int64)
    first = np.flatnonzero(np.diff(ids, prepend=np.iinfo(np.int64).min) != 0)
    return _pack(np.stack([ids[first], np.diff(first, append=len(ids))]))


def decode_ids(text: Any, num_points: int) -> np.ndarray:
    """int32, (N,): the ids of :func:`encode_ids`.

    Raises:
        FileFormatError: damaged, or for another number of points.
    """
    values, lengths = _unpack(text, num_points)
    bounds = np.iinfo(np.int32)
    if (lengths < 1).any() or lengths.sum() != num_points:
        raise FileFormatError(f'ids are of {lengths.sum():,} points, expected {num_points:,}.')
    if ((values < bounds.min) | (values > bounds.max)).any():
        raise FileFormatError('ids do not fit 32 bits.')
    return np.repeat(values.astype(np.int32), lengths)


def encode_objects(objects: tuple[LabelObject, ...]) -> list[dict[str, Any]]:
    """Rows of the table of objects, ready for JSON."""
    return [{key: _plain(value) for key, value in vars(item).items()} for item in objects]


def decode_objects(content: Any) -> tuple[LabelObject, ...]:
    """The rows of :func:`encode_objects`; ValueError or TypeError for anything else."""
    objects = tuple(LabelObject(**{**row, 'color': tuple(row['color'])}) for row in content)
    for item in objects:
        if type(item.id) is not int or not isinstance(item.name, str):
            raise ValueError(f'object {item.id!r} has the name {item.name!r}')
    return objects


def _plain(value: Any) -> Any:
    """NumPy numbers as Python's, tuples as lists."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _pack(runs: np.ndarray) -> str:
    # Differences are small numbers, which compress to a fraction.
    steps = np.diff(runs, axis=1, prepend=0).astype('<i8')
    return base64.b64encode(zlib.compress(steps.tobytes(), 1)).decode('ascii')


def _unpack(text: Any, num_points: int) -> np.ndarray:
    """int64, (2, R)."""
    # No more runs than points: what a damaged text can make us allocate has an end.
    limit = 16 * max(num_points, 1)
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(text, validate=True), limit)
        if unpacker.unconsumed_tail or not unpacker.eof or len(raw) % 16:
            raise ValueError(f'more than {limit:,} bytes, or cut off')
    except (binascii.Error, zlib.error, ValueError, TypeError) as error:
        raise FileFormatError(f'a set of points is damaged ({str(error)[:80]}).') from error
    return np.cumsum(np.frombuffer(raw, '<i8').reshape(2, -1).astype(np.int64), axis=1)
