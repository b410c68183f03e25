"""`SceneLabels`: who owns which point of a scene, with edits, undo and listeners.

>>> labels = SceneLabels(len(scene))
>>> labels.apply(from_result(result, 'panoptic'))
>>> event = labels.apply(Draw(mask, name='chair'), source='tab 1')
>>> labels.undo()
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from unison3d.errors import SceneError
from unison3d.viewer.label_edits import (
    Change,
    Edit,
    LabelObject,
    LabelState,
    Redo,
    Replace,
    Undo,
)

__all__ = ['LabelEvent', 'Recorder', 'SceneLabels']

#: Edits that can be taken back, and bytes of their arrays; the oldest go first.
UNDO_LIMITS = (200, 1 << 28)

Recorder = Callable[[Edit | Undo | Redo], None]


@dataclass(frozen=True, eq=False)
class LabelEvent:
    """What an edit did.

    Attributes:
        version: of the labels after it.
        title: one line, such as ``'delete object 3'`` or ``'undo: delete object 3'``.
        rows: int64, (M,), sorted. Points that changed their object.
        objects: ids of objects that came, went or changed, ascending.
        created: ids among them that are new.
        source: who made it, as given to :meth:`SceneLabels.apply`; tabs know their own edits by it.
    """

    version: int
    title: str
    rows: np.ndarray
    objects: tuple[int, ...]
    created: tuple[int, ...]
    source: str = ''


class _Step(NamedTuple):
    """An edit that can be taken back, or made again."""

    title: str
    change: Change
    version: int  # of the labels after it was made, or taken back
    source: str  # who did that


class SceneLabels:
    """Object of every point of one scene, and the table of the objects.

    Safe to use from any thread. An edit is made as a whole or not at all.

    Args:
        num_points: N.
        undo_limits: edits that can be taken back, and bytes of their arrays.
    """

    def __init__(self, num_points: int, *, undo_limits: tuple[int, int] = UNDO_LIMITS) -> None:
        self.num_points = num_points
        #: A journal sets those it was written with: its undos need the edits they took back.
        self.undo_limits = undo_limits
        self._lock = threading.RLock()
        self._state = LabelState(np.zeros(num_points, np.int32))
        self._version = 0
        self._undo: deque[_Step] = deque()
        self._redo: list[_Step] = []
        self._recorder: Recorder | None = None
        self._callbacks: dict[object, Callable[[LabelEvent], None]] = {}
        self._events: deque[LabelEvent] = deque()
        self._telling = False

    # ------------------------------------------------------------------ looking

    @property
    def version(self) -> int:
        """0, and one more with every edit, undo and redo."""
        return self._version

    @property
    def ids(self) -> np.ndarray:
        """int32, (N,): object of every point, 0 for none; a copy."""
        return self.snapshot()[1]

    @property
    def objects(self) -> tuple[LabelObject, ...]:
        """The table, in ascending order of the ids."""
        with self._lock:
            return tuple(self._state.table.values())

    @property
    def next_id(self) -> int:
        """Id of the next new object."""
        return self._state.next_id

    @property
    def undo_title(self) -> str | None:
        """What :meth:`undo` would take back, None for nothing."""
        with self._lock:
            return self._undo[-1].title if self._undo else None

    @property
    def redo_title(self) -> str | None:
        """What :meth:`redo` would make again, None for nothing."""
        with self._lock:
            return self._redo[-1].title if self._redo else None

    def undo_version(self, source: str) -> int:
        """Version that the edit made which :meth:`undo` would take back; 0 if others made it."""
        with self._lock:
            return _version(self._undo, source)

    def redo_version(self, source: str) -> int:
        """Version at which that was undone which :meth:`redo` would make again; 0 if by others."""
        with self._lock:
            return _version(self._redo, source)

    def __getitem__(self, object: int) -> LabelObject:
        """One object.

        Raises:
            SceneError: there is none of this id.
        """
        with self._lock:
            return self._state.object(object)

    def mask(self, object: int) -> np.ndarray:
        """bool, (N,): points of an object.

        Raises:
            SceneError: there is none of this id.
        """
        with self._lock:
            self._state.object(object)
            return self._state.ids == object

    def at(self, point: int) -> LabelObject | None:
        """The object that a point belongs to."""
        with self._lock:
            return self._state.table.get(int(self._state.ids[point]))

    def snapshot(self) -> tuple[int, np.ndarray, tuple[LabelObject, ...]]:
        """Version, ids (a copy, int32 (N,)) and objects that belong together."""
        with self._lock:
            return self._version, self._state.ids.copy(), tuple(self._state.table.values())

    # ------------------------------------------------------------------ editing

    def apply(self, edit: Edit, source: str = '') -> LabelEvent:
        """Make an edit.

        Args:
            edit: one of :mod:`unison3d.viewer.label_edits`.
            source: who makes it, handed on to the listeners.

        Raises:
            SceneError: the edit does not fit the labels. Nothing was done.
            FileFormatError, OSError: the journal could not be written. Nothing was done.
        """
        with self._lock:
            change = edit.change(self._state)
            self._record(edit)
            self._redo.clear()
            event = self._commit(change, edit.title, source)
            self._undo.append(_Step(edit.title, change, event.version, source))
            self._forget_oldest()
        self._tell()
        return event

    def undo(self, source: str = '') -> LabelEvent | None:
        """Take the last edit back; None when there is none."""
        with self._lock:
            if not self._undo:
                return None
            self._record(Undo())
            title, change, *_ = self._undo.pop()
            event = self._commit(change.inverse(), f'undo: {title}', source)
            self._redo.append(_Step(title, change, event.version, source))
        self._tell()
        return event

    def redo(self, source: str = '') -> LabelEvent | None:
        """Make the edit again that was taken back last; None when there is none."""
        with self._lock:
            if not self._redo:
                return None
            self._record(Redo())
            title, change, *_ = self._redo.pop()
            event = self._commit(change, f'redo: {title}', source)
            self._undo.append(_Step(title, change, event.version, source))
        self._tell()
        return event

    def _record(self, entry: Edit | Undo | Redo) -> None:
        # Before anything is altered: what cannot be written down is not made.
        if self._recorder is not None:
            self._recorder(entry)

    def _commit(self, change: Change, title: str, source: str) -> LabelEvent:
        self._state.commit(change)
        self._version += 1
        created = tuple(n for n, (old, new) in change.objects.items() if old is None and new)
        event = LabelEvent(
            self._version, title, change.rows, tuple(change.objects), created, source
        )
        self._events.append(event)
        return event

    def _forget_oldest(self) -> None:
        most, most_bytes = self.undo_limits
        held = sum(step.change.nbytes for step in self._undo)
        while self._undo and (len(self._undo) > most or held > most_bytes):
            held -= self._undo.popleft().change.nbytes

    # ------------------------------------------------------------------ listeners

    def subscribe(self, callback: Callable[[LabelEvent], None]) -> Callable[[], None]:
        """Be told of every edit, in their order.

        Callbacks run one at a time, without the lock of the labels, on the thread of some editor,
        and may edit. A callback should not raise: the error reaches the editor, although the edit
        was made and everybody else was told.

        Returns:
            A function that ends it.
        """
        key = object()
        with self._lock:
            self._callbacks[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return unsubscribe

    def _tell(self) -> None:
        # Whoever finds another thread at it leaves the event to that thread: nobody waits here
        # with a lock of the interface in hand, and the order stays.
        while True:
            with self._lock:
                if self._telling or not self._events:
                    return
                self._telling = True
                event = self._events.popleft()
                callbacks = list(self._callbacks.values())
            try:
                with ExitStack() as stack:
                    for callback in reversed(callbacks):
                        stack.callback(callback, event)
            finally:
                with self._lock:
                    self._telling = False

    # ------------------------------------------------------------------ for the journal

    def attach(self, recorder: Recorder | None) -> None:
        """Have every entry written down by ``recorder`` before it counts; None ends that.

        Raises:
            SceneError: the labels have a recorder already.
        """
        with self._lock:
            if recorder is not None and self._recorder is not None:
                raise SceneError('these labels have a journal already; close it first.')
            self._recorder = recorder

    def locked(self) -> threading.RLock:
        """The lock: ``with labels.locked():`` keeps edits out."""
        return self._lock

    def restore(
        self, ids: np.ndarray, objects: tuple[LabelObject, ...], next_id: int, version: int
    ) -> None:
        """Take over a saved labelling; what can be undone ends here.

        Raises:
            SceneError: ids and objects do not fit each other or the scene.
        """
        empty = LabelState(np.zeros(self.num_points, np.int32))
        empty.commit(Replace(ids, objects, 'saved labels').change(empty))
        empty.next_id = max(empty.next_id, next_id)
        with self._lock:
            self._state, self._version = empty, version
            self.forget_undo()

    def reserve_ids(self, next_id: int) -> None:
        """Give no id below ``next_id`` to new objects."""
        with self._lock:
            self._state.next_id = max(self._state.next_id, next_id)

    def forget_undo(self) -> None:
        """Let go of everything that could be undone or redone."""
        with self._lock:
            self._undo.clear()
            self._redo.clear()


def _version(steps: Sequence[_Step], source: str) -> int:
    return steps[-1].version if steps and steps[-1].source == source else 0
