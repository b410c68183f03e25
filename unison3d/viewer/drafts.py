"""Objects that somebody is clicking together, before they become labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from unison3d.errors import PromptError
from unison3d.viewer.palettes import object_colors
from unison3d.viewer.session import MaskAnswer, SceneSession

__all__ = ['Draft', 'Drafts']

#: Numbers of objects that one tab may use; those of the next tab begin behind them.
NUMBERS_PER_TAB = 1 << 20


@dataclass(eq=False)
class Draft:
    """One clicked object.

    Attributes:
        number: of the object in the session.
        color: red, green and blue, 0 to 255.
        mask: bool, (N,), as shown.
        score: 0 to 1.
        seed: x, y, z of the first click on it; None where it began with a box.
        name: the name it will get.
        steps: clicks and boxes, as functions that ask the session again.
    """

    number: int
    color: np.ndarray
    mask: np.ndarray
    score: float = 0.0
    seed: tuple[float, float, float] | None = None
    name: str = ''
    steps: list[Callable[[], MaskAnswer]] = field(default_factory=list)
    answer: np.ndarray | None = None


class Drafts:
    """The clicked objects of one tab, the active one last touched.

    Args:
        session: answers the clicks.
        tab: number of the tab, so that tabs on one scene do not share clicks.
    """

    def __init__(self, session: SceneSession, tab: int = 0) -> None:
        self._session = session
        self._next = tab * NUMBERS_PER_TAB
        self.items: list[Draft] = []
        self.active: Draft | None = None
        self._redo: list[tuple[Draft, Callable[[], MaskAnswer]]] = []

    # ------------------------------------------------------------------ clicks

    def click(self, point: Sequence[float], kind: str) -> Draft:
        """A click on the screen that met a point of the scan.

        Args:
            point: x, y, z.
            kind: ``'new'`` begins an object, ``'add'`` and ``'remove'`` correct the active one;
                adding without an active object begins one.

        Raises:
            PromptError: there is nothing to remove from.
            NotReadyError: the scene is not encoded.
        """
        place = tuple(float(value) for value in point)
        if kind == 'remove' and self.active is None:
            raise PromptError('click an object first; then remove parts from it.')
        draft = self.active if kind != 'new' and self.active is not None else self._begin(place)
        number = draft.number
        return self._step(
            draft, lambda: self._session.click(place, positive=kind != 'remove', object=number)
        )

    def box(self, center: Sequence[float], size: Sequence[float]) -> Draft:
        """A new object from a box along the axes: centre and size in metres."""
        draft = self._begin(None)
        number = draft.number
        return self._step(draft, lambda: self._session.box(center, size, object=number))

    def _begin(self, seed: tuple[float, float, float] | None) -> Draft:
        self._next += 1
        color = object_colors(np.array([len(self.items) + 1]))[0]
        return Draft(self._next, color, np.zeros(len(self._session.scene), bool), seed=seed)

    def _step(self, draft: Draft, ask: Callable[[], MaskAnswer]) -> Draft:
        self._show(draft, ask())
        draft.steps.append(ask)
        self._redo.clear()
        return self._activate(draft)

    def _show(self, draft: Draft, answer: MaskAnswer) -> None:
        draft.mask = draft.answer = answer.mask
        draft.score = answer.score

    def _activate(self, draft: Draft) -> Draft:
        if draft not in self.items:
            self.items.append(draft)
        self.active = draft
        return draft

    # ------------------------------------------------------------------ undo

    @property
    def can_undo(self) -> bool:
        """Whether the active object has a click to take back."""
        return self.active is not None

    @property
    def can_redo(self) -> bool:
        """Whether a click was taken back."""
        return bool(self._redo)

    def undo(self) -> None:
        """Take back the last click of the active object."""
        draft = self.active
        if draft is None:
            return
        answer = self._session.undo_click(draft.number)
        self._redo.append((draft, draft.steps.pop()))
        if answer is None:
            self._remove(draft)
        else:
            self._show(draft, answer)

    def redo(self) -> None:
        """Make the click again that was taken back last."""
        if self._redo:
            draft, ask = self._redo.pop()
            self._show(draft, ask())
            draft.steps.append(ask)
            self._activate(draft)

    # ------------------------------------------------------------------ masks

    def levels(self) -> list[np.ndarray]:
        """bool (N,) masks from part to whole around the first click of the active object."""
        if self.active is None or self.active.seed is None:
            return []
        return [self._session.to_points(rows) for rows in self._session.levels(self.active.seed)]

    def show_level(self, level: int) -> None:
        """Show step ``level`` of :meth:`levels`, from 1; 0 is the answer to the clicks."""
        draft = self.active
        if draft is None or draft.answer is None:
            return
        levels = self.levels() if level else []
        draft.mask = levels[min(level, len(levels)) - 1] if levels else draft.answer

    def paint(self, colors: np.ndarray) -> np.ndarray:
        """uint8, (N, 3): the colours with all clicked objects on top."""
        if not self.items:
            return colors
        painted = colors.copy()
        for draft in self.items:
            strength = 0.75 if draft is self.active else 0.5
            under = painted[draft.mask].astype(np.float32)
            mixed = under * (1 - strength) + draft.color.astype(np.float32) * strength
            painted[draft.mask] = np.rint(mixed).astype(np.uint8)
        return painted

    def drop(self, draft: Draft) -> None:
        """Forget an object; its clicks cannot be made again."""
        self._redo = [item for item in self._redo if item[0] is not draft]
        self._remove(draft)

    def _remove(self, draft: Draft) -> None:
        self._session.clear_clicks(draft.number)
        if draft in self.items:
            self.items.remove(draft)
        if self.active is draft:
            self.active = self.items[-1] if self.items else None

    def clear(self) -> None:
        """Forget all objects."""
        for draft in list(self.items):
            self.drop(draft)
        self._redo.clear()
