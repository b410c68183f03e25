"""Tabs that come and go leave nothing behind, and long work leaves the page free.

The browser is a plain websocket here, which says what a page says when it opens: through the gate
and the connecting of viser it makes a whole tab of ours, at a fraction of the cost of a browser.
"""

from __future__ import annotations

import gc
import threading
import time
import weakref
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from tests.viewer_messages import CAMERA
from unison3d.structures import PointScene
from unison3d.viewer.library import Library
from unison3d.viewer.shared_model import SharedModel

viser = pytest.importorskip('viser')
msgspec = pytest.importorskip('msgspec')
client = pytest.importorskip('websockets.sync.client')
zstandard = pytest.importorskip('zstandard')

PATIENCE = 60.0  # seconds; machines of tests are slow
NUM_POINTS = 90_000


@pytest.fixture
def app(tmp_path):
    from unison3d.viewer.app import ViewerApp

    rng = np.random.default_rng(0)
    points = (rng.random((NUM_POINTS, 3)) * [6, 5, 2]).astype(np.float32)
    colors = rng.random((NUM_POINTS, 3)).astype(np.float32)
    PointScene(points, colors=colors).save(tmp_path / 'room.ply')
    with ViewerApp(Library([tmp_path / 'room.ply']), SharedModel()) as app:
        yield app


def until(condition, what):
    """Wait until a condition holds; gives its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f'waited in vain for {what}')


def connect(app):
    """A page that has just opened."""
    page = client.connect(
        app.url.replace('http', 'ws'),
        subprotocols=[f'viser-v{viser.__version__}'],
        max_size=None,
        max_queue=None,
    )
    page.send(msgspec.msgpack.encode(CAMERA))
    return page


def messages(page):
    """What the server says next; the arrays that follow are left out."""
    data = page.recv(timeout=PATIENCE)
    size = int.from_bytes(data[8:16], 'little')
    return msgspec.msgpack.decode(zstandard.decompress(data[16 : 16 + size]))['messages']


def read_until(page, wanted):
    """The next message that is wanted."""
    return next(found for _ in range(1000) for found in messages(page) if wanted(found))


def press(page, button):
    """Press a button, as the page does."""
    update = {'type': 'GuiUpdateMessage', 'uuid': button['uuid'], 'updates': {'value': True}}
    page.send(msgspec.msgpack.encode(update))


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='no /proc here')
def test_fifty_tabs_leave_no_memory(app, monkeypatch):
    # A late step of opening a tab; here it stands for the model, which would take memory too.
    opened = threading.Event()
    monkeypatch.setattr('unison3d.viewer.session.SceneSession.start', lambda self: opened.set())
    app.start(port=0)
    seen = []

    def come_and_go():
        opened.clear()
        with connect(app) as page:
            # The page has read all its points before it goes. It answers as one that draws.
            received = 0
            while received < NUM_POINTS * 15:
                received += len(page.recv(timeout=PATIENCE))
                page.send(msgspec.msgpack.encode(CAMERA))
            assert opened.wait(PATIENCE)
            (tab,) = app.tabs.values()
        until(lambda: not app.tabs, 'the tab to go')
        seen.append(weakref.ref(tab))

    # Each thread of viser's pool keeps a heap of its own once it has served a tab.
    for _ in range(20):
        come_and_go()
    gc.collect()
    before = resident()
    for _ in range(50):
        come_and_go()
    until(lambda: not gc.collect() and all(tab() is None for tab in seen), 'the last tab to end')
    assert resident() < 1.1 * before


class SlowModel(SharedModel):
    """A model whose weights take as long to load as a test wants."""

    def __init__(self):
        super().__init__()
        self.begun, self.may_end = threading.Event(), threading.Event()

    def segmenter(self):
        self.begun.set()
        assert self.may_end.wait(PATIENCE)
        return MagicMock()


def test_buttons_work_while_the_model_is_at_it(app):
    model = app.workspace.model = SlowModel()
    app.start(port=0)
    with connect(app) as page:
        buttons = {}
        while not {'Stop', 'Keep as object'} <= buttons.keys():
            # As a page that draws.
            page.send(msgspec.msgpack.encode(CAMERA))
            buttons |= {
                found['props']['label']: found
                for found in messages(page)
                if found['type'] == 'GuiButtonMessage'
            }
        assert model.begun.wait(PATIENCE)
        (tab,) = app.tabs.values()
        press(page, buttons['Keep as object'])
        read_until(page, lambda found: 'Click an object first' in str(found))
        assert tab.session.progress.state == 'working'
        # It stops where it next says how far it is.
        press(page, buttons['Stop'])
        read_until(page, lambda found: 'stops after this step' in str(found))
        model.may_end.set()
        read_until(page, lambda found: 'The model was stopped' in str(found))
        assert tab.session.progress.state == 'cancelled'
