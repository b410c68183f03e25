"""Work on a thread of its own ends in a state that can be shown, however it ends."""

from __future__ import annotations

import threading

import pytest

from unison3d.errors import SceneError
from unison3d.viewer.background import BackgroundWork


def test_progress_and_the_end():
    seen = []
    work = BackgroundWork(lambda: [work.report(i / 4, f'step {i}') for i in range(4)])
    assert work.progress.state == 'idle'
    assert not work.wait()
    stop = work.subscribe(seen.append)
    work.start()
    assert work.wait(30)
    assert [p.fraction for p in seen[:4]] == [0, 0.25, 0.5, 0.75]
    stop()
    work.start()
    assert work.progress.state == 'ready'


def test_cancel_and_start_again():
    reached, go_on = threading.Event(), threading.Event()

    def wait_for_cancel():
        work.report(0.5, 'half')
        reached.set()
        go_on.wait(30)
        work.report(0.6, 'more')

    work = BackgroundWork(wait_for_cancel)
    work.start()
    reached.wait(30)
    assert not work.wait(0.01)
    work.cancel()
    go_on.set()
    assert not work.wait(30)
    assert work.progress.state == 'cancelled'
    work.start()
    assert work.wait(30)


@pytest.mark.parametrize(
    ('error', 'says'),
    [
        (SceneError('no points'), 'SceneError: no points'),
        (MemoryError(), 'MemoryError'),
        (AttributeError('a mistake of ours'), 'internal error'),
    ],
)
def test_a_failure_is_kept_for_display(error, says, monkeypatch):
    # The thread still ends with a mistake of ours, for the terminal.
    monkeypatch.setattr(threading, 'excepthook', lambda arguments: None)

    def fail():
        raise error

    work = BackgroundWork(fail)
    work.start()
    assert not work.wait(30)
    assert work.progress.state == 'failed'
    assert says in work.progress.text
