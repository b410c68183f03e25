"""Instance masks as COCO results: run-length encoded, one JSON file per scene.

A mask over N points is stored as the mask of a picture of N rows and one column, ``size`` [N, 1].
COCO walks pictures column by column, so the runs simply follow the order of the points in the file.
They alternate between points outside and inside, beginning outside, and are packed into text as
COCO's "compressed counts": the difference to the run two places earlier (from the fourth on), in
groups of five bits, low ones first, each as one character from ``0`` to ``o``.

Source: the format of pycocotools (BSD-2), written anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.json_files import read_json, write_json

__all__ = ['CocoMask', 'decode_rle', 'encode_rle', 'read_coco_masks', 'write_coco_masks']

_FIRST, _LAST = 48, 111


@dataclass
class CocoMask:
    """One annotation.

    Args:
        mask: bool, (N,).
        category: id of its class.
        score: higher is more confident.
        name: free text.
        box: float, (2, 3): lowest and highest corner in the coordinates of the scan, or None.
    """

    mask: np.ndarray
    category: int
    score: float = 1.0
    name: str = ''
    box: np.ndarray | None = field(default=None, compare=False)


# ---------------------------------------------------------------------------- run lengths


def _pack(counts, text):
    """Characters of the runs; gives how many there are."""
    done = 0
    for i in range(counts.size):
        value = counts[i] - (counts[i - 2] if i > 2 else 0)
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != -1 if bits & 16 else value != 0
            text[done] = bits + (32 if more else 0) + 48
            done += 1
    return done


def _unpack(text, counts):
    """Runs of the characters; gives how many there are, or -1 where the text makes no sense."""
    done, at = 0, 0
    while at < text.size:
        value, shift, more = np.int64(0), 0, True
        while more:
            # Five bits each; more than this and the number no longer fits.
            if at >= text.size or shift > 55:
                return -1
            bits = np.int64(text[at]) - 48
            at += 1
            if bits < 0 or bits > 63:
                return -1
            value |= (bits & 31) << shift
            shift += 5
            more = bits & 32 != 0
            if not more and bits & 16:
                value |= np.int64(-1) << shift
        if done > 2:
            value += counts[done - 2]
        if value < 0:
            return -1
        counts[done] = value
        done += 1
    return done


@cache
def _compiled(loop: Callable) -> Callable:
    # Imported late: it brings torch along, which the readers do without.
    from unison3d.native import kernel

    return kernel(loop)


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """``{'size': [N, 1], 'counts': text}`` of a mask, bool (N,)."""
    mask = np.asarray(mask, np.bool_).reshape(-1)
    changes = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    # The first run is one of points outside, even if it is empty.
    first = [0, 0] if len(mask) and mask[0] else [0]
    counts = np.diff(np.concatenate([first, changes, [len(mask)]]).astype(np.int64))
    # Thirteen characters hold any 64-bit number.
    text = np.empty(13 * len(counts), np.uint8)
    used = _compiled(_pack)(counts, text)
    return {'size': [len(mask), 1], 'counts': text[:used].tobytes().decode('ascii')}


def decode_rle(rle: Any, num_points: int, where: str = 'mask') -> np.ndarray:
    """bool, (N,): the mask of compressed counts.

    Args:
        rle: as :func:`encode_rle` gives it.
        num_points: N of the scan. A mask cannot tell it: one short run may claim any number.
        where: begins the error messages.

    Raises:
        FileFormatError: another size, or counts that are damaged or do not sum up to it.
    """
    size = rle.get('size') if isinstance(rle, dict) else None
    counts_text = rle.get('counts') if isinstance(rle, dict) else None
    if not isinstance(counts_text, str) or not counts_text.isascii():
        raise FileFormatError(f'{where}: expected {{"size": [N, 1], "counts": "text"}}.')
    if size != [num_points, 1]:
        raise FileFormatError(
            f'{where}: size is {str(size)[:60]}, expected [{num_points}, 1] for a scan of '
            f'{num_points:,} points. It belongs to another scan.'
        )
    text = np.frombuffer(counts_text.encode('ascii'), np.uint8)
    counts = np.empty(len(text), np.int64)
    used = _compiled(_unpack)(text, counts)
    counts = counts[: max(used, 0)]
    # Before the sum, which could wrap around: no run is longer than the scan.
    if used < 0 or (counts > num_points).any() or counts.sum() != num_points:
        raise FileFormatError(
            f'{where}: its counts are damaged or do not sum up to {num_points:,} points.'
        )
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts)


# ---------------------------------------------------------------------------- files


def write_coco_masks(
    path: str | os.PathLike[str],
    masks: Iterable[CocoMask],
    *,
    num_points: int,
    categories: Mapping[int, str],
    scene: str = 'scene',
) -> Path:
    """Write the masks of one scene, atomically.

    The file is a COCO data set of one "image" of N rows and one column, whose annotations carry a
    ``score``, so that it serves as a ground truth and, by its annotations, as a result list.
    ``bbox`` is the range of rows, as COCO has it; ``bbox_3d`` is the box in the scan.

    Raises:
        FileFormatError: a mask of another length.
    """
    path = Path(path)
    annotations = []
    for number, item in enumerate(masks, start=1):
        if np.shape(item.mask) != (num_points,):
            raise FileFormatError(
                f'{path}: mask {number} has shape {np.shape(item.mask)}, expected ({num_points},).'
            )
        rows = np.flatnonzero(item.mask)
        span = [0, int(rows[0]), 1, int(rows[-1] - rows[0]) + 1] if len(rows) else [0, 0, 0, 0]
        annotations.append(
            {
                'id': number,
                'image_id': 1,
                'category_id': int(item.category),
                'segmentation': encode_rle(item.mask),
                'area': len(rows),
                'bbox': span,
                'bbox_3d': item.box,
                'iscrowd': 0,
                'score': float(item.score),
                'name': item.name,
            }
        )
    content = {
        'images': [{'id': 1, 'file_name': scene, 'height': num_points, 'width': 1}],
        'categories': [{'id': int(i), 'name': name} for i, name in categories.items()],
        'annotations': annotations,
    }
    return write_json(path, content)


def read_coco_masks(
    path: str | os.PathLike[str], num_points: int
) -> tuple[list[CocoMask], dict[int, str]]:
    """Masks and category names of a file that :func:`write_coco_masks` wrote.

    Args:
        path: the file.
        num_points: points of the scan that the masks belong to.

    Raises:
        FileFormatError: missing, damaged, or made for another scan.
    """
    path = Path(path)
    content = read_json(path)
    masks = []
    try:
        categories = {int(c['id']): str(c['name']) for c in content['categories']}
        for number, entry in enumerate(content['annotations'], start=1):
            mask = decode_rle(entry['segmentation'], num_points, f'{path}, annotation {number}')
            category = int(entry['category_id'])
            if category not in categories:
                raise FileFormatError(
                    f'{path}, annotation {number}: category {category} is not among those listed '
                    f'({", ".join(map(str, categories))[:100]}).'
                )
            box = entry.get('bbox_3d')
            box = None if box is None else np.array(box, np.float64).reshape(2, 3)
            score, name = float(entry.get('score', 1.0)), str(entry.get('name', ''))
            masks.append(CocoMask(mask, category, score, name, box))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FileFormatError(
            f'{path}: not a COCO file of masks ({type(error).__name__}: {str(error)[:100]}). '
            'It is damaged, or of another kind.'
        ) from error
    return masks, categories
