"""What transforms share: random numbers, and leaving out points, instances or sentences."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from unison3d.superpoints import dense_ids

#: Keys of a sample with one row per point.
POINT_KEYS = (
    'points',
    'colors',
    'normals',
    'superpoints',
    'semantic',
    'instances',
    'ignore',
    'elastic_points',
)


def sample_rng(results: dict) -> np.random.Generator:
    """The random numbers of this sample, the same generator for all its transforms.

    A test data set puts a generator seeded by the index into ``results['rng']``. In training it
    is seeded from Python's global state, which mmengine seeds per worker.
    """
    if results.get('rng') is None:
        results['rng'] = np.random.default_rng(random.getrandbits(63))
    return results['rng']


def bounds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each column of (N, D), N > 0.

    Column by column, which is several times faster than ``min(0)`` for few columns.
    """
    columns = [points[:, axis] for axis in range(points.shape[1])]
    return np.array([c.min() for c in columns]), np.array([c.max() for c in columns])


def rows_by_id(ids: np.ndarray, num_ids: int) -> list[np.ndarray]:
    """The rows that carry each id, ascending.

    Args:
        ids: int, (N,), 0..num_ids-1; negative for none.
        num_ids: length of the result.
    """
    # NumPy sorts numbers of 16 bits many times faster than others.
    small = ids.astype(np.int16) if num_ids < 2**15 else ids
    order = np.argsort(small, kind='stable')
    counts = np.bincount(ids[ids >= 0], minlength=num_ids)
    ends = len(ids) - counts.sum() + np.cumsum(counts)
    return [order[end - count : end] for end, count in zip(ends, counts, strict=True)]


def keep_points(results: dict, index: np.ndarray) -> dict:
    """Keep some points; superpoint ids are made dense again, instances stay as they are.

    Args:
        results: the sample, changed in place.
        index: bool (N,) or int (K,).
    """
    for key in POINT_KEYS:
        if results.get(key) is not None:
            results[key] = results[key][index]
    if results.get('superpoints') is not None:
        results['superpoints'] = dense_ids(results['superpoints'])
    return results


def keep_instances(results: dict, keep: np.ndarray) -> dict:
    """Keep some instances, renumbered in their order; points of the others get -1.

    Sentences stay true: one that lost a target goes, and so does one that mentions a lost object
    it cannot be understood without (see :func:`_needs`).

    Args:
        results: the sample, changed in place.
        keep: bool, (M,).
    """
    keep = np.asarray(keep, bool)
    if keep.all():
        return results
    table = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1)  # the last entry serves id -1
    results['instances'] = table[results['instances']]
    names = results['instance_names']
    lost = {name for name, kept in zip(names, keep, strict=True) if not kept}
    results['instance_names'] = [name for name, kept in zip(names, keep, strict=True) if kept]
    results['instance_semantic'] = results['instance_semantic'][keep]
    sentences = results.get('sentences') or []
    stays = [
        all(keep[target] for target in sentence['targets'])
        and not any(_needs(sentence, name, names) for name in lost)
        for sentence in sentences
    ]
    keep_sentences(results, stays)
    for position, sentence in enumerate(results.get('sentences') or []):
        targets = [int(table[target]) for target in sentence['targets']]
        results['sentences'][position] = {**sentence, 'targets': targets}
    return results


def keep_sentences(results: dict, keep: Iterable[bool]) -> dict:
    """Keep some sentences and their embeddings.

    Args:
        results: the sample, changed in place.
        keep: T booleans.
    """
    rows = [row for row, kept in enumerate(keep) if kept]
    results['sentences'] = [results['sentences'][row] for row in rows]
    if results.get('sentence_embeddings') is not None:
        results['sentence_embeddings'] = results['sentence_embeddings'][rows]
    return results


def mentions(text: str, words: Iterable[str]) -> bool:
    """Whether a text has one of the words or phrases, singular or plural, upper case or not."""
    return any(_pattern(word).search(text) for word in words)


@lru_cache(maxsize=4096)
def _pattern(word: str) -> re.Pattern:
    return re.compile(rf'\b{re.escape(word)}(?:s|es)?\b', re.IGNORECASE)


def _needs(sentence: dict, name: str, names: list[str]) -> bool:
    """Whether a sentence stops being true or clear when an object called ``name`` vanishes.

    The name of the target itself is no harm in plain sentences: 'the red chair' stays clear with
    fewer chairs. Where objects are counted or compared it is.
    """
    if not mentions(sentence['text'], [name]):
        return False
    own = {names[target] for target in sentence['targets']}
    return name not in own or sentence.get('kind') not in _PLAIN_KINDS


#: Kinds of sentences that describe the target alone.
_PLAIN_KINDS = frozenset({'class', 'name', 'color', 'colour', 'unique'})
