"""Labelled scenes as compact files, so that an expensive scene is made once."""

from __future__ import annotations

import json
import os

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io import atomic_write, read_npz_arrays

#: Part of every cache key. Raise it when the arrays below change their meaning.
RECORD_VERSION = 1

_NEEDED = {
    *('low', 'step', 'points', 'normals', 'superpoints', 'semantic', 'instances'),
    *('instance_semantic', 'text'),
}
_STEPS = 65535  # of the 16-bit grid that holds the coordinates; 0.2 mm in a room of 13 m


def to_record(results: dict) -> dict[str, np.ndarray]:
    """Squeeze a sample into small arrays: about 17 bytes per point.

    Coordinates are rounded to 1/65535 of the extent, colours to 8 bits, normals to 7 bits and
    sign.

    Args:
        results: a sample as described in :mod:`unison3d.datasets.scene_dataset`.
    """
    points = results['points']
    low = points.min(0) if len(points) else np.zeros(3, np.float32)
    extent = float((points.max(0) - low).max()) if len(points) else 0.0
    step = np.float32(max(extent, 1e-6) / _STEPS)
    record = {
        'low': low.astype(np.float32),
        'step': step,
        'points': np.rint((points - low) / step).clip(0, _STEPS).astype(np.uint16),
        'normals': np.rint(results['normals'] * 127).astype(np.int8),
        'superpoints': _smallest(results['superpoints']),
        'semantic': results['semantic'].astype(np.uint8),
        'instances': results['instances'].astype(np.int32),
        'instance_semantic': results['instance_semantic'].astype(np.uint8),
    }
    if results.get('colors') is not None:
        record['colors'] = np.rint(results['colors'] * 255).astype(np.uint8)
    text = {
        'name': results['name'],
        'instance_names': list(results['instance_names']),
        'sentences': [
            {'text': s['text'], 'targets': [int(t) for t in s['targets']], 'kind': s['kind']}
            for s in results['sentences']
        ],
    }
    record['text'] = np.frombuffer(json.dumps(text).encode(), np.uint8)
    return record


def from_record(record: dict[str, np.ndarray]) -> dict:
    """Restore the sample of :func:`to_record`."""
    text = json.loads(bytes(record['text']))
    normals = record['normals'].astype(np.float32)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    colors = record.get('colors')
    return {
        'points': record['points'] * record['step'] + record['low'],
        'colors': None if colors is None else colors * np.float32(1 / 255),
        'normals': normals,
        'superpoints': record['superpoints'].astype(np.int64),
        'semantic': record['semantic'].astype(np.int64),
        'instances': record['instances'].astype(np.int64),
        'instance_semantic': record['instance_semantic'].astype(np.int64),
        **text,
    }


def write_record(path: str | os.PathLike[str], record: dict[str, np.ndarray]) -> None:
    """Write a record as ``.npz``, complete or not at all."""
    with atomic_write(path) as file:
        np.savez(file, **record)


def read_record(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read a record.

    Raises:
        FileFormatError: the file is missing, truncated, damaged or something else.
    """
    try:
        record = read_npz_arrays(path)
    except FileFormatError as error:
        raise FileFormatError(
            f'{path}: is not a readable scene record ({error}). Delete it to have it made again.'
        ) from error
    missing = _NEEDED - record.keys()
    if missing:
        raise FileFormatError(
            f'{path}: is not a scene record, {", ".join(sorted(missing))} are missing. Delete it '
            'to have it made again.'
        )
    return record


def _smallest(ids: np.ndarray) -> np.ndarray:
    small = len(ids) == 0 or ids.max() < 2**16
    return ids.astype(np.uint16 if small else np.int32)
