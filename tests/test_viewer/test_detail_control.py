"""A page gets as much detail as it draws in time, and less while its camera moves."""

from __future__ import annotations

import pytest

from unison3d.viewer.detail_control import DetailControl, DrawingPace

COUNTS = (50_000, 200_000, 800_000, 2_000_000)


class Page:
    """A browser that draws a picture in ``fixed + per_point * points`` seconds, and its clock."""

    def __init__(self, per_point: float, fixed: float = 0.02, answers: bool = True) -> None:
        self.now, self.level, self.loaded = 0.0, 0, 0
        self.events: list[tuple[str, int]] = []
        self.per_point, self._fixed, self._answers = per_point, fixed, answers
        self._calls: list[list] = []
        self.control = DetailControl(
            COUNTS,
            draw=self._draw,
            load=self._load,
            nudge=self._nudge,
            opened=lambda: self.events.append(('opened', self.level)),
            clock=lambda: self.now,
            timer=self._call_in,
        )
        self.control.start()
        self._nudge()

    @property
    def seconds(self) -> float:
        return self._fixed + self.per_point * COUNTS[self.level]

    def _draw(self, level):
        assert level <= self.loaded
        self.level = level
        self.events.append(('draw', level))

    def _load(self):
        self.loaded += 1
        self.events.append(('load', self.loaded))

    def _nudge(self):
        if self._answers:
            self._call_in(self.seconds, self.control.moved)
        return True

    def _call_in(self, seconds, call):
        entry = [self.now + seconds, call]
        self._calls.append(entry)
        timer = type('Timer', (), {})()
        timer.cancel = lambda: entry in self._calls and self._calls.remove(entry)
        return timer

    def wait(self, seconds):
        """Let time pass."""
        end = self.now + seconds
        while due := [entry for entry in self._calls if entry[0] <= end]:
            entry = min(due, key=lambda entry: entry[0])
            self._calls.remove(entry)
            self.now = max(self.now, entry[0])
            entry[1]()
        self.now = end

    def drag(self, pictures):
        """Turn the scene; gives the levels that are drawn."""
        levels = []
        for _ in range(pictures):
            self.control.moved()
            levels.append(self.level)
            self.wait(self.seconds)
        return levels


def test_a_graphics_card_gets_everything_at_rest_and_while_moving():
    page = Page(per_point=2e-9, fixed=0.03)
    page.wait(5)
    assert page.events[0] == ('opened', 0)
    assert (page.level, page.loaded) == (3, 3)
    # What was seen at the coarsest level says little, so the first drag climbs.
    assert page.drag(40)[-1] == 3
    page.wait(5)
    # From then on nothing changes.
    del page.events[:]
    assert page.drag(10) == [3] * 10
    assert page.events == []


def test_a_slow_page_gets_what_it_can_draw_and_the_coarsest_while_moving():
    page = Page(per_point=6e-6, fixed=0.1)
    page.wait(20)
    # 0.4 s for 50,000 points: 200,000 in 2 s at most, 800,000 not.
    assert (page.level, page.loaded) == (1, 1)
    levels = page.drag(12)
    assert levels == [0] * 12
    page.wait(0.3)
    assert page.level == 0
    page.wait(5)
    assert (page.level, page.loaded) == (1, 1)


def test_a_page_between_them_moves_with_the_level_that_it_draws_in_time():
    page = Page(per_point=1.2e-7, fixed=0.01)
    page.wait(20)
    assert page.level == 3
    page.drag(40)
    assert page.drag(10) == [2] * 10
    page.wait(5)
    assert page.level == 3


def test_one_who_pauses_is_not_slow():
    page = Page(per_point=2e-9, fixed=0.03)
    page.wait(5)
    page.drag(40)
    for _ in range(6):
        page.wait(1.5)
        page.drag(3)
    assert page.level == 3


def test_a_page_that_never_answers_gets_everything_in_the_end():
    page = Page(per_point=1e-9, answers=False)
    page.wait(6)
    assert page.events == [('opened', 0)]
    page.wait(70)
    assert page.level == 3


def test_a_page_that_turns_slow_is_noticed():
    page = Page(per_point=2e-9, fixed=0.03)
    page.wait(5)
    page.drag(40)
    page.per_point = 3e-6
    assert page.drag(12)[-1] == 0
    page.wait(8)
    assert page.level == 1


def test_a_closed_tab_is_left_alone():
    page = Page(per_point=1e-9)
    page.control.close()
    page.wait(20)
    page.drag(3)
    assert page.events == []


@pytest.mark.parametrize(('seconds', 'finest'), [(0.05, 0), (0.5, 1), (30.0, 3)])
def test_the_finest_level_that_is_drawn_in_time(seconds, finest):
    pace = DrawingPace(COUNTS)
    assert pace.finest(0.0) == 3
    for picture in (0.1, 9.0, 0.1):  # one of them was a pause
        pace.saw(0, picture)
    assert pace.seconds(1) == pytest.approx(0.4)
    assert pace.finest(seconds) == finest
