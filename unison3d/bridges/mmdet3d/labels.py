"""Class numbers of MMDetection3D's datasets and of our label spaces, matched by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError, VocabularyError
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['ClassTable']

# Names of MMDetection3D that no label space of ours knows.
_NAMES = {'garbagebin': 'otherfurniture'}


class ClassTable:
    """Two numberings of classes and the way between them.

    Theirs is the order of a list of names, and the number after the last is a point without a
    class. Ours is that of a label space.

    Args:
        label_space: ours.
        classes: names in their order, as in ``dataset.metainfo['classes']``. None: as ours.
        ignore_index: their number of a point without a class. None: after the last.
        strict: every name of one side must be there on the other. False maps names that are only
            there on one side to "without a class".

    Raises:
        VocabularyError: names that differ, under ``strict``; two names that mean one class.
    """

    def __init__(
        self,
        label_space: str | LabelSpace,
        classes: Sequence[str] | None = None,
        *,
        ignore_index: int | None = None,
        strict: bool = True,
    ) -> None:
        self.space = get_label_space(label_space)
        self.classes = tuple(self.space.classes if classes is None else classes)
        self.ignore_index = len(self.classes) if ignore_index is None else ignore_index
        self._to_ours = np.array([self._find(name) for name in self.classes], dtype=np.int64)
        known = self._to_ours[self._to_ours < self.space.num_classes]
        if len(np.unique(known)) != len(known):
            raise VocabularyError(
                f'Two of the classes {self.classes} are one class of the label space '
                f'{self.space.name}. Leave one out, or merge them in the dataset.'
            )
        self._to_theirs = np.full(self.space.num_classes, self.ignore_index, dtype=np.int64)
        rows = np.flatnonzero(self._to_ours < self.space.num_classes)
        self._to_theirs[self._to_ours[rows]] = rows
        if strict:
            self._check_same()

    def _find(self, name: str) -> int:
        name = _NAMES.get(name, name) if self.space.name == 'scannet20' else name
        try:
            return self.space.index(name)
        except VocabularyError:
            return self.space.ignore_index

    def _check_same(self) -> None:
        unknown = [
            name for name, i in zip(self.classes, self._to_ours) if i == self.space.ignore_index
        ]
        absent = [
            name for name, i in zip(self.space.classes, self._to_theirs) if i == self.ignore_index
        ]
        if unknown or absent:
            raise VocabularyError(
                f'The classes do not fit the label space {self.space.name}: it lacks {unknown}, '
                f'and the dataset lacks {absent}. Choose the label space of the dataset, or set '
                'strict=False to treat those as points without a class.'
            )

    def to_ours(self, semantic: ArrayLike) -> NDArray[np.int64]:
        """Our semantic ids of theirs, any shape.

        Raises:
            SceneError: a number that is neither a class nor ``ignore_index``; the raw ids of a
                dataset pass through their ``PointSegClassMapping`` first.
        """
        ids = np.asarray(semantic).astype(np.int64)
        inside = (ids >= 0) & (ids < len(self.classes))
        strange = ids[~inside & (ids != self.ignore_index)]
        if strange.size:
            raise SceneError(
                f'semantic ids from {strange.min()} to {strange.max()} are not among 0 .. '
                f'{len(self.classes) - 1} and {self.ignore_index} (no class). Map raw ids with '
                'PointSegClassMapping first, or set ignore_index.'
            )
        table = np.append(self._to_ours, self.space.ignore_index)
        return table[np.where(inside, ids, len(self.classes))]

    def to_theirs(self, semantic: ArrayLike) -> NDArray[np.int64]:
        """Their semantic ids of ours, any shape."""
        ids = np.asarray(semantic).astype(np.int64)
        inside = (ids >= 0) & (ids < self.space.num_classes)
        table = np.append(self._to_theirs, self.ignore_index)
        return table[np.where(inside, ids, self.space.num_classes)]

    def instance_labels(self, labels: ArrayLike, to: Literal['ours', 'theirs']) -> NDArray:
        """Labels of predicted instances: ours count things alone, theirs index ``classes``.

        -1 stays -1 on our side and is ``ignore_index`` on theirs.
        """
        labels = np.asarray(labels).astype(np.int64)
        num_stuff = len(self.space.stuff)
        if to == 'theirs':
            return self.to_theirs(np.where(labels < 0, self.space.ignore_index, labels + num_stuff))
        semantic = self.to_ours(labels)
        is_thing = (semantic >= num_stuff) & (semantic < self.space.num_classes)
        return np.where(is_thing, semantic - num_stuff, -1)
