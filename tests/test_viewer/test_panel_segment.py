"""Controls of clicks without a page: the slider from part to whole, undo."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from tests.test_viewer.test_drafts import Session
from unison3d.viewer.background import BackgroundWork, Progress
from unison3d.viewer.drafts import Drafts
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.panel_look import ScenePanel
from unison3d.viewer.panel_segment import SegmentPanel
from unison3d.viewer.tab import Tab

BY_HAND = SimpleNamespace(client=1)


@pytest.fixture
def desk():
    """Panels of a tab on a scene whose search for parts waits between two steps."""
    session = Session()
    session.go_on = threading.Event()

    def search():
        session.parts.report(0.4, 'joining')
        session.go_on.wait(10)
        session.parts.report(0.8, 'joining')

    session.parts = BackgroundWork(search)
    session.progress = Progress('ready', 1.0, 'ready')
    session.objects = lambda: []
    tab = Tab(MagicMock(), MagicMock(), 1)
    tab.session, tab.drafts, tab.redraw = session, Drafts(session), MagicMock()
    session.parts.subscribe(lambda progress: tab.tell('parts', progress))
    gui = MagicMock()
    top = ScenePanel(tab, gui)
    panel = SegmentPanel(tab, MagicMock())
    tab.drafts.click((0, 0, 0), 'new')
    yield SimpleNamespace(tab=tab, session=session, panel=panel, top=top, level=panel._level)
    session.go_on.set()


def test_parts_are_found_behind_the_page_with_a_sign_and_a_way_out(desk):
    draft, top, parts = desk.tab.drafts.active, desk.top, desk.session.parts
    started = threading.Event()
    parts.subscribe(lambda _: started.set())
    desk.level.value = 2
    desk.panel._to_level(BY_HAND)
    assert started.wait(10)
    assert 'Finding parts' in top._state.content
    assert top._bar.visible and top._bar.value == pytest.approx(40)
    assert top._stop.visible and top._stop.label == 'Stop'
    assert draft.level == 0
    top._start_or_stop(None)
    desk.session.go_on.set()
    assert not parts.wait(10)
    assert parts.progress.state == 'cancelled'
    desk.panel._parts_progressed(parts.progress)
    assert desk.level.value == 0 and draft.level == 0
    top._parts_progressed(parts.progress)
    assert 'Ready' in top._state.content and not top._bar.visible
    # Again, to the end; what the slider shows by then is what is shown.
    desk.level.value = 2
    desk.panel._to_level(BY_HAND)
    desk.level.value = 3
    assert parts.wait(10)
    desk.panel._parts_progressed(parts.progress)
    assert draft.level == 3 and draft.mask.sum() == 9


def test_undo_takes_back_what_was_done_last(desk):
    tab, panel = desk.tab, desk.panel
    drafts, labels = tab.drafts, desk.session.labels
    labels.apply(Draw(np.arange(3)), tab.source)
    drafts.click((1, 0, 0), 'new')
    labels.apply(Draw(np.arange(4)), tab.source)
    labels.apply(Draw(np.arange(5)), 'another tab')

    def state():
        return len(drafts.items), len(labels.objects)

    seen = [state()]
    # Of another tab only the edits that are left over when this one has nothing more to take back.
    for _ in range(5):
        panel.undo()
        seen.append(state())
    assert seen == [(2, 3), (1, 3), (0, 3), (0, 2), (0, 1), (0, 0)]
    for expected in seen[-2::-1]:
        panel.redo()
        assert state() == expected
    panel.discard(everything=True)
    assert state() == (0, 3)
    panel.undo()
    assert state() == (2, 3)
    panel.keep()
    assert state()[0] == 0 and len(labels.objects) > 3
    panel.undo()
    assert state()[0] == 0


def test_own_clicks_and_edits_are_taken_back_in_turn(desk):
    tab, panel = desk.tab, desk.panel
    drafts, labels = tab.drafts, desk.session.labels
    labels.apply(Draw(np.arange(3)), tab.source)
    drafts.click((1, 0, 0), 'new')
    labels.apply(Draw(np.arange(4)), tab.source)
    seen = []
    for _ in range(4):
        panel.undo()
        seen.append((len(drafts.items), len(labels.objects)))
    assert seen == [(2, 1), (1, 1), (1, 0), (0, 0)]
    for expected in [*seen[-2::-1], (2, 2)]:
        panel.redo()
        assert (len(drafts.items), len(labels.objects)) == expected
