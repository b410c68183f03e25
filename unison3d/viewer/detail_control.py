"""How much detail a page gets: as much as it draws in time, and less while the camera moves.

A page says where its camera is after every picture it draws, so the time between two such messages
is the time of a picture. A scene begins with its coarsest level. Then the camera is moved by less
than can be seen, a few times, each as soon as the page has answered; a finer level follows as long
as it can be drawn in :data:`REST_SECONDS`.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ['MOVING_SECONDS', 'REST_SECONDS', 'DetailControl', 'DrawingPace']

#: Seconds that a picture may take while the camera moves.
MOVING_SECONDS = 0.15
#: Seconds that a picture may take when it rests.
REST_SECONDS = 2.0
#: Seconds without a word of the camera after which it rests, on a page that draws fast.
_REST_AFTER = 0.4
#: The same on one that draws slowly, at most.
_LONGEST_REST = 4.0
#: Seconds without a word that cannot be a single picture.
_SILENCE = 10.0
#: Seconds after which a page that has not answered is asked again, and how often it is.
_NO_ANSWER, _ATTEMPTS = 5.0, 12
#: Answers that are waited for at the coarsest level, while the page still builds up, and at others.
_FIRST_ANSWERS, _ANSWERS = 4, 2


class DrawingPace:
    """How many points a page draws in some time, as its pictures have shown.

    Args:
        counts: points up to each level of detail, ascending.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts = tuple(counts)
        #: Seconds per point of the last pictures.
        self._recent: deque[float] = deque(maxlen=3)

    def saw(self, level: int, seconds: float) -> None:
        """A picture of this level took so long."""
        self._recent.append(seconds / max(self._counts[level], 1))

    def seconds(self, level: int) -> float:
        """How long a picture of a level takes; 0 before one was seen.

        More than it will where a coarser one was seen.
        """
        return statistics.median(self._recent) * self._counts[level] if self._recent else 0.0

    def finest(self, seconds: float) -> int:
        """The finest level that is drawn in this time; 0 where none is."""
        levels = range(len(self._counts))
        return max((level for level in levels if self.seconds(level) <= seconds), default=0)


class DetailControl:
    """Chooses the level of detail for one scene in one tab.

    Args:
        counts: points up to each level.
        draw: draw this level.
        load: send one more level to the page.
        nudge: move the camera by less than can be seen; gives whether it was possible.
        opened: called once, when the page has drawn the coarsest level or does not answer.
        clock: seconds; tests have their own.
        timer: starts a call in some seconds, and has ``cancel``; tests have their own.
    """

    def __init__(
        self,
        counts: Sequence[int],
        *,
        draw: Callable[[int], None],
        load: Callable[[], None],
        nudge: Callable[[], bool],
        opened: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[[float, Callable[[], None]], Any] | None = None,
    ) -> None:
        self._finest = len(counts) - 1
        self._pace = DrawingPace(counts)
        self._draw, self._load, self._nudge, self._opened = draw, load, nudge, opened
        self._clock, self._timer = clock, timer or _start_timer
        self._level = self._num_loaded = 0
        # The finest level of the pictures since the last message.
        self._seen = 0
        # With one level there is nothing to be found out but whether it was drawn.
        self._awaited = _FIRST_ANSWERS if self._finest else _ANSWERS
        self._attempts = _ATTEMPTS
        self._last: float | None = None
        self._waiting: Any = None
        self._lock = threading.RLock()
        self._is_opened = self._is_closed = False

    def start(self) -> None:
        """The coarsest level and the camera were sent."""
        with self._lock:
            self._wait(_NO_ANSWER)

    def moved(self) -> None:
        """The page said where its camera is."""
        # These messages come many times a second, and must not fill the threads of viser while a
        # level is found, which takes longer.
        if not self._lock.acquire(timeout=0.1):
            return
        try:
            if not self._is_closed:
                self._moved(self._clock())
        finally:
            self._lock.release()

    def _moved(self, now: float) -> None:
        seconds = None if self._last is None else now - self._last
        self._last = now
        if self._awaited:
            self._answered(seconds)
        elif self._finest:
            if seconds is not None and seconds < _SILENCE:
                self._pace.saw(self._seen, seconds)
            # The picture that is drawn now is of the level until now.
            self._seen = self._level
            self._set(min(self._pace.finest(MOVING_SECONDS), self._num_loaded))
            if self._waiting is None:
                self._wait(self._rest_after())

    def close(self) -> None:
        """The tab looks elsewhere."""
        # Without the lock: whoever holds it may wait for the tab, which calls this.
        self._is_closed = True
        if (waiting := self._waiting) is not None:
            waiting.cancel()

    # ------------------------------------------------------------------ at the opening

    def _answered(self, seconds: float | None) -> None:
        self._awaited -= 1
        # The first may have been under way before the points were sent.
        if self._awaited <= _FIRST_ANSWERS - _ANSWERS:
            self._tell_opened()
        # The page builds up, or takes in new points, before the others.
        if seconds is not None and self._awaited < 2 and self._finest:
            self._pace.saw(self._level, seconds)
        if not self._awaited and self._level < self._finest_at_rest():
            self._load_next()
            self._awaited = _ANSWERS
        if self._awaited and self._nudge():
            self._wait(_NO_ANSWER)
        else:
            self._end_opening()

    def _no_answer(self) -> None:
        # It draws slowly, or nobody looks at it.
        self._tell_opened()
        self._attempts -= 1
        if self._finest and self._attempts and self._nudge():
            self._wait(_NO_ANSWER)
        else:
            self._end_opening()

    def _tell_opened(self) -> None:
        if not self._is_opened:
            self._is_opened = True
            self._opened()

    def _end_opening(self) -> None:
        self._awaited, self._last = 0, None
        self._tell_opened()
        if self._finest:
            self._wait(0.0)

    # ------------------------------------------------------------------ at rest

    def _finest_at_rest(self) -> int:
        return self._pace.finest(REST_SECONDS)

    def _rest_after(self) -> float:
        # A page that draws slowly is silent while it draws.
        picture = self._pace.seconds(self._finest_at_rest())
        return min(max(_REST_AFTER, 1.5 * picture), _LONGEST_REST)

    def _wait(self, seconds: float) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self._timer(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        with self._lock:
            self._waiting = None
            if self._is_closed:
                return
            if self._awaited:
                self._no_answer()
                return
            left = 0.0 if self._last is None else self._last + self._rest_after() - self._clock()
            if left > 0:
                self._wait(left)
            elif self._num_loaded < self._finest_at_rest():
                self._load_next()
                # One level after the other, so that clicks come through in between.
                self._wait(_REST_AFTER / 4)
            else:
                self._set(self._finest_at_rest())

    def _load_next(self) -> None:
        self._num_loaded += 1
        self._load()
        self._set(self._num_loaded)

    def _set(self, level: int) -> None:
        self._seen = max(self._seen, level)
        if level != self._level:
            self._level = level
            self._draw(level)


def _start_timer(seconds: float, call: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer
