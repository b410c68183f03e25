"""Objects of neighbouring windows become one where both saw them alike.

1. Two masks of overlapping windows are the same object if they have the same class and each is the
   best partner of the other, by IoU over the points of the superpoints that both windows saw, which
   has to pass :data:`SAME_OBJECT`; and if what they share is not a small part of the smaller one.
   So a long object becomes a chain of masks.
2. The owner of an object is the window that most of it belongs to. The mask is that of the owner;
   beyond what the owner saw, it is that of the window to which the superpoint belongs.
3. A mask is dropped where most of it belongs to a window that saw no such object: that window saw
   its surroundings better.
4. The score is that of the owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from unison3d.apis.tiles.windows import MaskRows, WindowAnswer

#: Least IoU over what both windows saw.
SAME_OBJECT = 0.5
#: Least share of the smaller mask that both windows saw.
SHARED_PART = 0.3


@dataclass(eq=False)
class MergedMasks:
    """Objects of a whole scan.

    Attributes:
        rows: their masks; of the panoptic map in the order of the windows, else best first.
        group_of: per window, int64 (K,): the object of each mask of the window, -1 if dropped.
    """

    rows: MaskRows
    group_of: list[np.ndarray]


def merge_masks(
    answers: Sequence[WindowAnswer], task: str, home: np.ndarray, sizes: np.ndarray
) -> MergedMasks:
    """Join the masks of all windows.

    Args:
        answers: of all windows.
        task: which masks.
        home: int, (S,). The window each superpoint belongs to.
        sizes: int, (S,). Points of each superpoint.
    """
    rows = [answer.masks[task] for answer in answers]
    firsts = np.cumsum([0, *(len(part) for part in rows)])
    pairs = [np.zeros((0, 2), np.int64)]
    for a, b in _neighbours(answers):
        pairs.append(_same(answers[a], answers[b], task, sizes) + [firsts[a], firsts[b]])
    joined, total = np.concatenate(pairs), int(firsts[-1])
    links = coo_matrix((np.ones(len(joined), np.int8), joined.T), shape=(total, total))
    group = connected_components(links, directed=False)[1] if total else np.zeros(0, np.int64)
    places = np.argsort(group, kind='stable')
    masks, labels, scores = [], [], []
    number = np.full(int(group.max(initial=-1)) + 1, -1, np.int64)
    for members in np.split(places, np.flatnonzero(np.diff(group[places])) + 1) if total else []:
        windows = np.searchsorted(firsts, members, side='right') - 1
        parts = [
            (answers[w], rows[w].mask(m - firsts[w])) for w, m in zip(windows, members, strict=True)
        ]
        owner, mask = _joint_mask(parts, home, sizes)
        if mask is None:
            continue
        number[group[members[0]]] = len(masks)
        masks.append(mask)
        labels.append(rows[windows[owner]].labels[members[owner] - firsts[windows[owner]]])
        scores.append(rows[windows[owner]].scores[members[owner] - firsts[windows[owner]]])
    order = np.argsort(-np.array(scores, np.float32), kind='stable')
    place = np.append(np.argsort(order), -1)
    found = MaskRows.of(
        [masks[i] for i in order], [labels[i] for i in order], [scores[i] for i in order]
    )
    return MergedMasks(found, np.split(place[number[group]], firsts[1:-1]))


def _neighbours(answers: Sequence[WindowAnswer]) -> list[tuple[int, int]]:
    """Pairs of answers that have superpoints in common."""
    seen = np.concatenate([np.zeros(0, np.int64), *(answer.ids for answer in answers)])
    if not len(seen):
        return []
    counts = [len(answer.ids) for answer in answers]
    table = csr_matrix(
        (np.ones(len(seen), np.int32), (np.repeat(np.arange(len(answers)), counts), seen))
    )
    common = (table @ table.T).tocoo()
    return sorted((int(a), int(b)) for a, b in zip(common.row, common.col, strict=True) if a < b)


def _same(a: WindowAnswer, b: WindowAnswer, task: str, sizes: np.ndarray) -> np.ndarray:
    """int64, (P, 2): masks of two windows that show one object."""
    shared = np.intersect1d(a.ids, b.ids, assume_unique=True)
    (left, whole_left), (right, whole_right) = (
        _table(answer.masks[task], shared, sizes) for answer in (a, b)
    )
    common = (left.multiply(sizes[shared][None, :].astype(np.float64)).tocsr() @ right.T).toarray()
    part_left, part_right = (table @ sizes[shared].astype(np.float64) for table in (left, right))
    union = part_left[:, None] + part_right[None] - common
    overlap = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    overlap[a.masks[task].labels[:, None] != b.masks[task].labels[None]] = 0
    smaller = np.minimum(whole_left[:, None], whole_right[None])
    overlap[common < SHARED_PART * smaller] = 0
    if not overlap.size:
        return np.zeros((0, 2), np.int64)
    best = overlap.argmax(axis=1)
    rows = np.arange(len(overlap))
    mutual = (overlap.argmax(axis=0)[best] == rows) & (overlap[rows, best] > SAME_OBJECT)
    return np.stack([rows[mutual], best[mutual]], axis=1)


def _table(rows: MaskRows, shared: np.ndarray, sizes: np.ndarray) -> tuple[csr_matrix, np.ndarray]:
    """Masks over the shared superpoints, 0 or 1 (K, |shared|), and points of the whole masks."""
    owner = np.repeat(np.arange(len(rows)), np.diff(rows.starts))
    place = np.searchsorted(shared, rows.members)
    place[place == len(shared)] = 0
    inside = shared[place] == rows.members if len(shared) else np.zeros(len(place), bool)
    ones = np.ones(int(inside.sum()))
    table = csr_matrix((ones, (owner[inside], place[inside])), shape=(len(rows), len(shared)))
    return table, np.bincount(owner, sizes[rows.members], len(rows))


def _joint_mask(
    parts: list[tuple[WindowAnswer, np.ndarray]], home: np.ndarray, sizes: np.ndarray
) -> tuple[int, np.ndarray | None]:
    """The owner among the parts of an object and its mask; None where it is dropped."""
    own = [sizes[mask[home[mask] == answer.window]].sum() for answer, mask in parts]
    owner = int(np.argmax(own))
    seen, mask = parts[owner]
    for answer, other in parts:
        beyond = other[(home[other] == answer.window) & ~np.isin(other, seen.ids)]
        mask = np.union1d(mask, beyond)
    known = np.isin(home[mask], [answer.window for answer, _ in parts])
    if 2 * sizes[mask[known]].sum() < sizes[mask].sum():
        return owner, None
    return owner, mask


def merge_maps(answers: Sequence[WindowAnswer], name: str, home: np.ndarray) -> np.ndarray:
    """int64, (S,): class of every superpoint, as its own window says."""
    merged = np.zeros(len(home), np.int64)
    for answer in answers:
        own = home[answer.ids] == answer.window
        merged[answer.ids[own]] = answer.maps[name][own]
    return merged


def merge_panoptic(
    answers: Sequence[WindowAnswer],
    home: np.ndarray,
    sizes: np.ndarray,
    stuff: Sequence[int],
    min_points: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The panoptic map of all windows.

    A superpoint that several objects claim goes to the one its own window names, else to the
    largest; one whose window named an object that was dropped becomes stuff.

    Args:
        answers: of all windows.
        home: int, (S,).
        sizes: int, (S,).
        stuff: classes without objects, ids 0, 1, ... of the segments.
        min_points: objects need more points than this.

    Returns:
        Class and segment of every superpoint, int64 (S,) each; objects follow the stuff.
    """
    objects = merge_masks(answers, 'panoptic', home, sizes)
    rows = objects.rows
    named = np.full(len(home), -1, np.int64)
    for answer, group_of in zip(answers, objects.group_of, strict=True):
        masks = answer.masks['panoptic']
        owner = np.repeat(group_of, np.diff(masks.starts))
        own = home[masks.members] == answer.window
        named[masks.members[own]] = owner[own]
    claimed = np.full(len(home), -1, np.int64)
    weight = np.array([sizes[rows.mask(k)].sum() for k in range(len(rows))])
    for k in np.argsort(weight, kind='stable').tolist():
        claimed[rows.mask(k)] = k
    for k in range(len(rows)):
        mask = rows.mask(k)
        claimed[mask[named[mask] == k]] = k
    claimed = np.where(claimed >= 0, claimed, named)
    points = np.bincount(claimed[claimed >= 0], sizes[claimed >= 0], len(rows))
    kept = points > min_points
    claimed[(claimed >= 0) & ~np.append(kept, False)[claimed]] = -1
    number = np.append(np.cumsum(kept) - 1 + len(stuff), -1)
    semantic = merge_maps(answers, 'panoptic_semantic', home)
    semantic[~np.isin(semantic, stuff)] = stuff[0]
    things = claimed >= 0
    segment = np.where(things, number[claimed], semantic)
    semantic[things] = rows.labels[claimed[things]]
    return semantic, segment
