"""A labelling at one moment, and the difference between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import SceneError

__all__ = [
    'ORIGINS',
    'Change',
    'LabelObject',
    'LabelState',
    'checked_color',
    'checked_name',
    'point_rows',
]

ORIGINS = ('model', 'user', 'file')
#: Characters of a name; a whole book is no name.
MAX_NAME = 200


@dataclass(frozen=True)
class LabelObject:
    """One row of the table of objects.

    Attributes:
        id: positive; an id is never given twice in the life of a labelling.
        name: what it is.
        color: red, green and blue, 0 to 255.
        score: 0 to 1, how sure a model is; 1 for what a person drew.
        num_points: points that carry the id; it may be 0.
        origin: ``'model'``, ``'user'`` or ``'file'``.
        visible: whether it is shown.
    """

    id: int
    name: str
    color: tuple[int, int, int]
    score: float = 1.0
    num_points: int = 0
    origin: str = 'user'
    visible: bool = True


@dataclass(frozen=True, eq=False)
class Change:
    """The difference between a labelling and the next one.

    Attributes:
        rows: int64, (M,), sorted. Points that change their object.
        before: int32, (M,). Their objects until then.
        after: int32, (M,). Their objects from then on.
        objects: for every object that comes, goes or changes, its row before and after; None where
            it does not exist.
    """

    rows: np.ndarray
    before: np.ndarray
    after: np.ndarray
    objects: Mapping[int, tuple[LabelObject | None, LabelObject | None]]

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the arrays."""
        return self.rows.nbytes + self.before.nbytes + self.after.nbytes

    def inverse(self) -> Change:
        """The change that takes this one back."""
        swapped = {number: (after, before) for number, (before, after) in self.objects.items()}
        return Change(self.rows, self.after, self.before, swapped)


@dataclass(eq=False)
class LabelState:
    """A labelling at one moment.

    Attributes:
        ids: int32, (N,). Object of every point, 0 for none.
        table: objects by id, ascending.
        next_id: id of the next new object.
    """

    ids: np.ndarray
    table: dict[int, LabelObject] = field(default_factory=dict)
    next_id: int = 1

    def object(self, number: int) -> LabelObject:
        """One object.

        Raises:
            SceneError: there is none of this id.
        """
        if number not in self.table:
            known = ', '.join(map(str, list(self.table)[:20])) or 'none'
            raise SceneError(
                f'there is no object {number!r}; the labels have {known}. It may have been '
                'merged or deleted in another tab: look at the list again.'
            )
        return self.table[number]

    def change(
        self,
        rows: np.ndarray,
        after: np.ndarray | int,
        updates: Mapping[int, LabelObject | None] | None = None,
    ) -> Change:
        """Work out a change.

        Args:
            rows: int64, (M,), sorted points.
            after: int32, (M,) or one number: their new object.
            updates: objects that are new or different, None for those that go. Their numbers of
                points are set here.
        """
        updates = dict(updates or {})
        before = self.ids[rows]
        after = np.broadcast_to(np.asarray(after, np.int32), before.shape)
        moved = before != after
        rows, before, after = rows[moved], before[moved], after[moved].copy()
        growth: dict[int, int] = {}
        for ids, sign in ((before, -1), (after, 1)):
            for number, count in zip(*np.unique(ids, return_counts=True), strict=True):
                growth[int(number)] = growth.get(int(number), 0) + sign * int(count)
        growth.pop(0, None)
        objects = {}
        for number in sorted(growth.keys() | updates.keys()):
            old = self.table.get(number)
            new = updates.get(number, old)
            if new is not None:
                size = (0 if old is None else old.num_points) + growth.get(number, 0)
                new = dataclasses.replace(new, num_points=size)
            objects[number] = old, new
        return Change(rows, before, after, objects)

    def commit(self, change: Change) -> None:
        """Make a change that was worked out for this very state."""
        self.ids[change.rows] = change.after
        for number, (_, new) in change.objects.items():
            if new is None:
                self.table.pop(number, None)
            else:
                self.table[number] = new
        self.table = dict(sorted(self.table.items()))
        self.next_id = max(self.next_id, 1 + max(self.table, default=0))


# ---------------------------------------------------------------------------- checks


def point_rows(points: ArrayLike, num_points: int) -> np.ndarray:
    """int64, (M,), sorted and distinct: points given as a mask, bool (N,), or as indices.

    Raises:
        SceneError: a mask of another length, or an index out of range.
    """
    points = np.asarray(points)
    if points.dtype == bool:
        if points.shape != (num_points,):
            raise SceneError(
                f'a mask of shape {points.shape} was given for {num_points:,} points, expected '
                f'({num_points},). Was it made on another scan?'
            )
        return np.flatnonzero(points)
    if points.size == 0:
        return np.zeros(0, np.int64)
    if points.ndim != 1 or not np.issubdtype(points.dtype, np.integer):
        raise SceneError(
            f'points are {points.dtype} of shape {points.shape}, expected a mask of '
            f'({num_points},) or a list of indices.'
        )
    rows = np.unique(points).astype(np.int64)
    if rows[0] < 0 or rows[-1] >= num_points:
        raise SceneError(
            f'points name rows {rows[0]} to {rows[-1]}, expected 0 to {num_points - 1}. Were they '
            'chosen on another scan?'
        )
    return rows


def checked_name(name: object) -> str:
    """A name without space at its ends.

    Raises:
        SceneError: no text, an empty one, a very long one, or one with control characters.
    """
    text = name.strip() if isinstance(name, str) else ''
    if not text or len(text) > MAX_NAME or not text.isprintable():
        raise SceneError(
            f'{str(name)[:60]!r} is no name; expected 1 to {MAX_NAME} printable characters.'
        )
    return text


def checked_color(color: object) -> tuple[int, int, int]:
    """Red, green and blue.

    Raises:
        SceneError: not three whole numbers from 0 to 255.
    """
    values = np.asarray(color)
    whole = values.shape == (3,) and np.issubdtype(values.dtype, np.integer)
    if not whole or values.min() < 0 or values.max() > 255:
        raise SceneError(f'{color!r} is no colour; expected three whole numbers from 0 to 255.')
    red, green, blue = values.tolist()
    return red, green, blue
