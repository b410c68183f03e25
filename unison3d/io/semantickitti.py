"""Point labels in the form of SemanticKITTI (``.label``).

One little-endian uint32 per point, in the order of the points and without a header: the semantic
id in the low 16 bits (0 = unlabelled), the instance in the high 16 bits (0 = none).

Source: semantic-kitti.org, "Data format".
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write
from unison3d.io.files import read_bytes

__all__ = ['read_semantickitti_labels', 'write_semantickitti_labels']


def read_semantickitti_labels(
    path: str | os.PathLike[str], num_points: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Semantic ids and instances, int64 (N,) each.

    Args:
        path: the file.
        num_points: points of the scan; None where it is not known.

    Raises:
        FileFormatError: missing, or a size that is no multiple of 4 or belongs to another scan.
    """
    path = Path(path)
    data = read_bytes(path)
    if len(data) % 4:
        raise FileFormatError(
            f'{path}: {len(data):,} bytes are not a multiple of 4 (one uint32 per point). It is '
            'truncated or no label file.'
        )
    if num_points is not None and len(data) != 4 * num_points:
        raise FileFormatError(
            f'{path}: {len(data) // 4:,} labels for {num_points:,} points. Take both files from '
            'the same scan.'
        )
    words = np.frombuffer(data, '<u4').astype(np.int64)
    return words & 0xFFFF, words >> 16


def write_semantickitti_labels(
    path: str | os.PathLike[str], semantic_ids: np.ndarray, instance_ids: np.ndarray
) -> Path:
    """Write labels, atomically.

    Args:
        path: the file.
        semantic_ids: integers, (N,), 0 .. 65535; 0 is unlabelled.
        instance_ids: integers, (N,), 0 .. 65535; 0 is none.

    Raises:
        FileFormatError: different lengths, or ids that do not fit in 16 bits.
    """
    path = Path(path)
    semantic, instance = np.asarray(semantic_ids), np.asarray(instance_ids)
    if semantic.shape != instance.shape or semantic.ndim != 1:
        raise FileFormatError(
            f'{path}: semantic ids of shape {semantic.shape} and instances of shape '
            f'{instance.shape}, expected (N,) twice.'
        )
    for name, ids in (('semantic ids', semantic), ('instances', instance)):
        if ids.size and (ids.min() < 0 or ids.max() > 0xFFFF):
            raise FileFormatError(
                f'{path}: {name} from {ids.min()} to {ids.max()}, expected 0 to 65535 (16 bits).'
            )
    words = semantic.astype(np.uint32) | (instance.astype(np.uint32) << np.uint32(16))
    with atomic_write(path) as file:
        file.write(words.astype('<u4').tobytes())
    return path
