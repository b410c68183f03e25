"""What can be done to the labels of a scene, each thing a small value.

An edit says what is wanted. :meth:`Edit.change` works out what that means for a labelling, as a
:class:`Change` that can be made and taken back; nothing is altered before it is made.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unison3d.errors import SceneError
from unison3d.viewer.label_state import (
    ORIGINS,
    Change,
    LabelObject,
    LabelState,
    checked_color,
    checked_name,
    point_rows,
)
from unison3d.viewer.palettes import object_colors

__all__ = [
    'Change',
    'Delete',
    'Draw',
    'Edit',
    'LabelObject',
    'LabelState',
    'Merge',
    'Recolor',
    'Redo',
    'Rename',
    'Replace',
    'SetVisible',
    'Split',
    'Undo',
    'point_rows',
]

RULES = ('take', 'keep')


class Edit:
    """Base of all edits."""

    @property
    def title(self) -> str:
        """One line for menus."""
        raise NotImplementedError

    def change(self, state: LabelState) -> Change:
        """What the edit means for a labelling, which stays as it is.

        Raises:
            SceneError: the edit does not fit the labelling.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Rename(Edit):
    """Give an object another name."""

    object: int
    name: str

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return f'rename object {self.object} to "{self.name}"'

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        return _update(state, self.object, name=checked_name(self.name))


@dataclass(frozen=True)
class Recolor(Edit):
    """Give an object another colour: red, green and blue, 0 to 255."""

    object: int
    color: tuple[int, int, int]

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return f'colour object {self.object}'

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        return _update(state, self.object, color=checked_color(self.color))


@dataclass(frozen=True)
class SetVisible(Edit):
    """Show or hide an object."""

    object: int
    visible: bool

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return f'{"show" if self.visible else "hide"} object {self.object}'

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        return _update(state, self.object, visible=bool(self.visible))


@dataclass(frozen=True)
class Merge(Edit):
    """The points of some objects join another one, and those objects go."""

    into: int
    objects: tuple[int, ...]

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return f'merge {", ".join(map(str, self.objects))} into object {self.into}'

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        state.object(self.into)
        numbers = sorted(set(self.objects) - {self.into})
        if not numbers:
            raise SceneError(
                f'merge into object {self.into}: no other object was named. Choose two or more.'
            )
        for number in numbers:
            state.object(number)
        rows = np.flatnonzero(np.isin(state.ids, np.array(numbers, np.int32)))
        return state.change(rows, self.into, dict.fromkeys(numbers))


@dataclass(frozen=True)
class Delete(Edit):
    """An object goes, and its points belong to none."""

    object: int

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return f'delete object {self.object}'

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        state.object(self.object)
        return state.change(np.flatnonzero(state.ids == self.object), 0, {self.object: None})


@dataclass(frozen=True, eq=False)
class Split(Edit):
    """Some points of an object become an object of their own.

    Attributes:
        object: the object.
        points: bool, (N,), or indices, (M,). Those outside the object count for nothing.
        name: of the new object; by default that of the old one.
    """

    object: int
    points: np.ndarray
    name: str | None = None

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return f'split object {self.object}'

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        old = state.object(self.object)
        rows = point_rows(self.points, len(state.ids))
        rows = rows[state.ids[rows] == self.object]
        if not 0 < len(rows) < old.num_points:
            raise SceneError(
                f'split of object {self.object}: {len(rows):,} of its {old.num_points:,} points '
                'were chosen; expected some of them and not all.'
            )
        name = old.name if self.name is None else checked_name(self.name)
        new = _new_object(state, name, old.score, 'user')
        return state.change(rows, new.id, {new.id: new})


@dataclass(frozen=True, eq=False)
class Draw(Edit):
    """Give points to an object.

    Attributes:
        points: bool, (N,), or indices, (M,).
        object: the object; None makes a new one.
        name: of a new object.
        rule: what happens to points that belong to another object: ``'take'`` them, or ``'keep'``
            them where they are.
        replace: let go of points that the object had and that are not drawn.
        score: of a new object.
        origin: of a new object.
    """

    points: np.ndarray
    object: int | None = None
    name: str = 'object'
    rule: Literal['take', 'keep'] = 'take'
    replace: bool = False
    score: float = 1.0
    origin: str = 'user'

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return f'draw "{self.name}"' if self.object is None else f'draw on object {self.object}'

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        if self.rule not in RULES:
            raise SceneError(f'draw: rule is {self.rule!r}, expected {" or ".join(RULES)}.')
        number = state.next_id if self.object is None else state.object(self.object).id
        rows = point_rows(self.points, len(state.ids))
        if self.rule == 'keep':
            owner = state.ids[rows]
            rows = rows[(owner == 0) | (owner == number)]
        if self.object is None:
            if not len(rows):
                raise SceneError(
                    f'draw "{self.name}": no point is left for the new object. Choose points, or '
                    'allow it to take those of other objects.'
                )
            new = _new_object(state, checked_name(self.name), self.score, self.origin)
            return state.change(rows, number, {number: new})
        after = np.full(len(rows), number, np.int32)
        if self.replace:
            dropped = np.setdiff1d(np.flatnonzero(state.ids == number), rows, assume_unique=True)
            rows = np.concatenate([rows, dropped])
            after = np.concatenate([after, np.zeros(len(dropped), np.int32)])
            order = np.argsort(rows)
            rows, after = rows[order], after[order]
        return state.change(rows, after)


@dataclass(frozen=True, eq=False)
class Replace(Edit):
    """A whole new labelling in place of the present one.

    Attributes:
        ids: int, (N,). Object of every point, 0 for none.
        objects: the objects that ``ids`` names. On labels that already gave ids away, all ids move
            up behind those.
        text: the title.
    """

    ids: np.ndarray
    objects: tuple[LabelObject, ...]
    text: str = 'load labels'

    @property
    def title(self) -> str:
        """See :attr:`Edit.title`."""
        return self.text

    def change(self, state: LabelState) -> Change:
        """See :meth:`Edit.change`."""
        ids = np.asarray(self.ids)
        if ids.shape != state.ids.shape or not np.issubdtype(ids.dtype, np.integer):
            raise SceneError(
                f'{self.text}: ids are {ids.dtype} of shape {ids.shape}, expected whole numbers '
                f'of shape {state.ids.shape}, one per point.'
            )
        numbers = [item.id for item in self.objects]
        named, strays = set(numbers), set(np.unique(ids).tolist())
        strays -= named | {0}
        if strays or len(named) != len(numbers) or min(named, default=1) < 1:
            raise SceneError(
                f'{self.text}: the objects are {sorted(numbers)[:20]} and the points also name '
                f'{sorted(strays)[:20]}; expected positive ids, each listed once.'
            )
        shift = state.next_id - 1
        if max(named, default=0) + shift > np.iinfo(np.int32).max:
            raise SceneError(f'{self.text}: ids up to {max(named)} do not fit 32 bits.')
        updates: dict[int, LabelObject | None] = dict.fromkeys(state.table)
        for item in self.objects:
            checked_color(item.color)
            checked_name(item.name)
            updates[item.id + shift] = dataclasses.replace(item, id=item.id + shift)
        after = np.where(ids > 0, ids + shift, 0).astype(np.int32)
        return state.change(np.arange(len(ids)), after, updates)


@dataclass(frozen=True)
class Undo:
    """The last edit was taken back; a journal entry, made by :meth:`SceneLabels.undo`."""


@dataclass(frozen=True)
class Redo:
    """The last undo was taken back; a journal entry, made by :meth:`SceneLabels.redo`."""


def _update(state: LabelState, number: int, **changes: object) -> Change:
    new = dataclasses.replace(state.object(number), **changes)
    return state.change(np.zeros(0, np.int64), 0, {number: new})


def _new_object(state: LabelState, name: str, score: float, origin: str) -> LabelObject:
    if not 0 <= score <= 1 or origin not in ORIGINS:
        raise SceneError(
            f'object "{name}": score {score} and origin {origin!r}; expected 0 to 1 and one of '
            f'{", ".join(ORIGINS)}.'
        )
    red, green, blue = object_colors(np.array([state.next_id]))[0].tolist()
    return LabelObject(state.next_id, name, (red, green, blue), float(score), 0, origin)
