"""Objects that somebody is clicking together, before they become labels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from unison3d.errors import PromptError
from unison3d.viewer.palettes import object_colors
from unison3d.viewer.session import MaskAnswer, SceneSession

__all__ = ['Draft', 'Drafts']

#: Numbers of objects that one tab may use; those of the next tab begin behind them.
NUMBERS_PER_TAB = 1 << 20
#: Actions that can be taken back; the oldest go first.
MAX_ACTIONS = 200


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
        answer: bool, (N,), what the session answered to the last of them.
        level: step from part to whole that is shown, 0 for the answer.
    """

    number: int
    color: np.ndarray
    mask: np.ndarray
    score: float = 0.0
    seed: tuple[float, float, float] | None = None
    name: str = ''
    steps: list[Callable[[], MaskAnswer]] = field(default_factory=list)
    answer: np.ndarray | None = None
    level: int = 0


@dataclass(frozen=True, eq=False)
class _Action:
    """What somebody did, and how it is taken back and made again.

    Attributes:
        drafts: the objects it is about.
        version: of the labels when it was done or taken back, so that it can be compared with the
            edits of these.
        old_level: where it moved the slider from part to whole, what that was before.
    """

    drafts: tuple[Draft, ...]
    undo: Callable[[], None]
    redo: Callable[[], None]
    version: int
    old_level: int | None = None


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
        self._done: deque[_Action] = deque(maxlen=MAX_ACTIONS)
        self._undone: list[_Action] = []

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
        level = draft.level
        self._ask(draft, ask)
        self._did((draft,), lambda: self._take_back(draft, level), lambda: self._ask(draft, ask))
        return draft

    def _ask(self, draft: Draft, ask: Callable[[], MaskAnswer]) -> None:
        self._show(draft, ask())
        draft.steps.append(ask)
        if draft not in self.items:
            self.items.append(draft)
        self.active = draft

    def _take_back(self, draft: Draft, level: int) -> None:
        answer = self._session.undo_click(draft.number)
        draft.steps.pop()
        if answer is None:
            self._remove(draft)
        else:
            self._show(draft, answer)
            self._set_level(draft, level)
            self.active = draft

    def _show(self, draft: Draft, answer: MaskAnswer) -> None:
        draft.mask = draft.answer = answer.mask
        draft.score, draft.level = answer.score, 0

    # ------------------------------------------------------------------ undo

    @property
    def undo_version(self) -> int | None:
        """Version of the labels when that was done which :meth:`undo` takes back; None if nothing
        can be.
        """
        return self._done[-1].version if self._done else None

    @property
    def redo_version(self) -> int | None:
        """Version of the labels when that was undone which :meth:`redo` does again; or None."""
        return self._undone[-1].version if self._undone else None

    def undo(self) -> None:
        """Take back the last action, whichever object it was about."""
        if self._done:
            action = self._done[-1]
            action.undo()
            self._done.pop()
            self._undone.append(self._stamped(action))

    def redo(self) -> None:
        """Do again what was taken back last."""
        if self._undone:
            action = self._undone[-1]
            action.redo()
            self._undone.pop()
            self._done.append(self._stamped(action))

    def _did(
        self,
        drafts: tuple[Draft, ...],
        undo: Callable[[], None],
        redo: Callable[[], None],
        old_level: int | None = None,
    ) -> None:
        self._undone.clear()
        self._done.append(_Action(drafts, undo, redo, self._session.labels.version, old_level))

    def _stamped(self, action: _Action) -> _Action:
        return replace(action, version=self._session.labels.version)

    # ------------------------------------------------------------------ masks

    def levels(self) -> list[np.ndarray]:
        """bool (N,) masks from part to whole around the first click of the active object."""
        return [] if self.active is None else self._levels(self.active)

    def _levels(self, draft: Draft) -> list[np.ndarray]:
        if draft.seed is None:
            return []
        return [self._session.to_points(rows) for rows in self._session.levels(draft.seed)]

    def show_level(self, level: int) -> None:
        """Show step ``level`` of :meth:`levels`, from 1; 0 is the answer to the clicks."""
        draft = self.active
        if draft is None or draft.answer is None or level == draft.level:
            return
        before, last = draft.level, self._done[-1] if self._done else None
        self._set_level(draft, level)
        # However long the slider is pulled about, that is one action.
        if last is not None and last.old_level is not None and last.drafts == (draft,):
            before = self._done.pop().old_level
            if before == level:
                return
        self._did(
            (draft,),
            lambda: self._set_level(draft, before),
            lambda: self._set_level(draft, level),
            old_level=before,
        )

    def _set_level(self, draft: Draft, level: int) -> None:
        levels = self._levels(draft) if level else []
        draft.mask = levels[min(level, len(levels)) - 1] if levels else draft.answer
        draft.level = level

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

    # ------------------------------------------------------------------ the end of objects

    def discard(self, everything: bool = False) -> None:
        """Forget the active object, or all; :meth:`undo` brings them back."""
        drafts = tuple(self.items if everything else self.items and (self.active,))
        if not drafts:
            return

        def remove() -> None:
            for draft in drafts:
                self._remove(draft)
                # Millions of points; the clicks are enough to have them again.
                draft.mask, draft.answer = draft.mask[:0].copy(), None

        def bring_back() -> None:
            try:
                for draft in drafts:
                    level = draft.level
                    for ask in draft.steps:
                        self._show(draft, ask())
                    self._set_level(draft, level)
            except BaseException:
                # Else the next try would give the session their clicks a second time.
                for draft in drafts:
                    self._session.clear_clicks(draft.number)
                raise
            self.items = sorted([*self.items, *drafts], key=lambda draft: draft.number)
            self.active = drafts[-1]

        remove()
        self._did(drafts, bring_back, remove)

    def drop(self, draft: Draft) -> None:
        """Forget an object that has become a label, with all that was done to it."""
        self._done = deque((a for a in self._done if draft not in a.drafts), MAX_ACTIONS)
        self._undone = [action for action in self._undone if draft not in action.drafts]
        self._remove(draft)

    def _remove(self, draft: Draft) -> None:
        self._session.clear_clicks(draft.number)
        if draft in self.items:
            self.items.remove(draft)
        if self.active is draft:
            self.active = self.items[-1] if self.items else None

    def clear(self) -> None:
        """Forget all objects, and all that was done."""
        for draft in list(self.items):
            self._remove(draft)
        self._done.clear()
        self._undone.clear()
