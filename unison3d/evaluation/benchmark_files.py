"""The text files in which ScanNet benchmark results are exchanged, in and out.

=============================  =====================================================================
file                           content
=============================  =====================================================================
``<scan>.txt``, semantic task  one label id per line and vertex
``<scan>.txt``, instance task  ``predicted_masks/<scan>_000.txt label score`` per predicted instance
``predicted_masks/*.txt``      0 or 1 per line and vertex
=============================  =====================================================================

Source: the documentation of the ScanNet benchmark (kaldir.vc.in.tum.de/scannet_benchmark).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write

__all__ = [
    'read_benchmark_ids',
    'read_benchmark_predictions',
    'write_benchmark_ids',
    'write_benchmark_predictions',
]


def read_benchmark_ids(path: str | Path) -> NDArray[np.int64]:
    """One integer per line: ``1000 * label + instance`` codes, semantic labels or 0/1 masks.

    Raises:
        FileFormatError: the file is missing or holds something else.
    """
    try:
        words = Path(path).read_text(encoding='utf-8').split()
        return np.array(words, dtype=np.int64)
    except FileNotFoundError as error:
        raise FileFormatError(f'{path}: there is no such file.') from error
    except (ValueError, OverflowError) as error:
        raise FileFormatError(f'{path}: expected one integer per line ({error}).') from error


def read_benchmark_predictions(
    path: str | Path,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    """Instance predictions of one scan.

    Each line is ``mask_file label score``; the mask file holds 0 or 1 per vertex and must lie below
    the folder of the list, because lists come from other people.

    Args:
        path: the list, ``<scan>.txt``.

    Returns:
        Masks bool (Q, N), label ids int64 (Q,), scores float64 (Q,). N is 0 without predictions.

    Raises:
        FileFormatError: a line cannot be read, a mask is outside the folder, or sizes differ.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except FileNotFoundError as error:
        raise FileFormatError(f'{path}: there is no such file.') from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f'{path}: not a text file ({error.reason}).') from error
    masks, labels, scores = [], [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = line.split()
        try:
            name, label, score = fields[0], int(fields[1]), float(fields[2])
        except (ValueError, IndexError) as error:
            raise FileFormatError(
                f'{path}, line {number}: "{line[:80]}". Expected "mask_file label score".'
            ) from error
        if '\0' in name:
            raise FileFormatError(f'{path}, line {number}: "{name[:80]!r}" is no name of a file.')
        mask_path = (path.parent / name).resolve()
        if not mask_path.is_relative_to(path.parent.resolve()):
            raise FileFormatError(
                f'{path}, line {number}: the mask {name} lies outside {path.parent}. '
                'Mask files have to be below the folder of the list.'
            )
        mask = read_benchmark_ids(mask_path) != 0
        if masks and len(mask) != len(masks[0]):
            raise FileFormatError(
                f'{mask_path}: {len(mask)} vertices, other masks of this scan have {len(masks[0])}.'
            )
        masks.append(mask)
        labels.append(label)
        scores.append(score)
    stacked = np.stack(masks) if masks else np.zeros((0, 0), dtype=np.bool_)
    return stacked, np.array(labels, dtype=np.int64), np.array(scores, dtype=np.float64)


def write_benchmark_ids(path: str | Path, ids: NDArray[np.integer]) -> Path:
    """Write one integer per line, atomically.

    Args:
        path: ``<scan>.txt``.
        ids: (N,), such as the label id of each vertex.
    """
    path = Path(path)
    with atomic_write(path) as file:
        file.write(''.join(f'{value}\n' for value in np.asarray(ids).tolist()).encode('ascii'))
    return path


def write_benchmark_predictions(
    path: str | Path, predictions: Iterable[tuple[NDArray[np.bool_], int, float]]
) -> Path:
    """Write the instance predictions of one scan.

    The list is written last, so where it is there all its masks are.

    Args:
        path: the list, ``<scan>.txt``; masks go to ``predicted_masks`` beside it.
        predictions: mask bool (N,), label id and score of each instance.

    Raises:
        FileFormatError: blanks in the name of the scan, which the list could not hold.
    """
    path = Path(path)
    if path.stem.split() != [path.stem]:
        raise FileFormatError(f'{path}: the name of a scan in a benchmark list has no blanks.')
    lines = []
    for number, (mask, label, score) in enumerate(predictions):
        name = f'predicted_masks/{path.stem}_{number:03d}.txt'
        rows = np.full((len(mask), 2), ord('\n'), np.uint8)
        rows[:, 0] = np.where(mask, ord('1'), ord('0'))
        with atomic_write(path.parent / name) as file:
            file.write(rows.tobytes())
        lines.append(f'{name} {int(label)} {float(score):.6f}\n')
    with atomic_write(path, 'w') as file:
        file.write(''.join(lines))
    return path
