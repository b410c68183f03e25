"""The browser application: ``unison3d view scan.ply``.

>>> app = ViewerApp(Library(['scans/']), SharedModel())
>>> app.start(port=8080)
>>> print(app.url)
>>> app.stop()
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
from typing import Any

from unison3d.viewer.gate import Gate
from unison3d.viewer.inner_server import start_inner_server
from unison3d.viewer.library import Library
from unison3d.viewer.session import SceneSession
from unison3d.viewer.shared_model import SharedModel
from unison3d.viewer.tab import Tab
from unison3d.viewer.workspace import Workspace

__all__ = ['ViewerApp']

TITLE = 'Unison3D'
#: Seconds that the controls wait for the first picture.
_PICTURE_PATIENCE = 3.0


class ViewerApp:
    """One server, any number of tabs.

    The server of viser listens on 127.0.0.1, at a port the system chooses, and answers only to
    :class:`Gate`, to which people connect and which refuses all others.

    Args:
        library: what can be opened.
        model: the weights; they are loaded in the background.
        scale: metres per unit of the scans.
        recover: go on with what is left of damaged journals.
    """

    def __init__(
        self,
        library: Library,
        model: SharedModel,
        *,
        scale: float = 1.0,
        recover: bool = False,
    ) -> None:
        self.workspace = Workspace(library, model, scale=scale, recover=recover)
        self.tabs: dict[int, Tab] = {}
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._count = 0
        self._server: Any = None
        self._gate: Any = None

    def start(self, host: str = '127.0.0.1', port: int = 8080, *, token: bool = False) -> None:
        """Open the door.

        Args:
            host: address to listen on. Another one than this machine's own gets a token.
            port: 0 takes a free one.
            token: ask for a token on this machine's own address as well.

        Raises:
            MissingDependencyError: viser is missing, or a version of it that cannot be locked.
            ConfigError: the address cannot be listened on.
        """
        # Read before the first tab asks; what cannot be read is said in the terminal.
        key = self.workspace.last_key
        session = self.workspace.acquire(key)
        self.workspace.release(key)
        try:
            secret = secrets.token_urlsafe(24)
            server = start_inner_server(TITLE, secret)
            try:
                self._gate = Gate(server.get_port(), secret, host=host, port=port, token=token)
                self._gate.start()
            except BaseException:
                server.stop()
                raise
        except BaseException:
            self.workspace.close()
            raise
        self._server = server
        server.scene.world_axes.visible = False
        server.on_client_connect(self._connected)
        server.on_client_disconnect(self._disconnected)
        # While the browser loads the page; the first tab waits for the rest of it.
        threading.Thread(target=_prepare, args=(session,), daemon=True).start()

    @property
    def url(self) -> str:
        """Address of the page on this machine, with the token where there is one."""
        return self.urls[0]

    @property
    def urls(self) -> tuple[str, ...]:
        """The same, then the addresses for others where it listens for them."""
        return self._gate.urls

    def wait(self) -> None:
        """Wait for :meth:`stop` on another thread, or for SIGTERM, which ends the program well."""
        with contextlib.suppress(ValueError):  # signals are for the main thread
            signal.signal(signal.SIGTERM, lambda *_: self._ended.set())
        self._ended.wait()

    def stop(self) -> None:
        """Close the page and all journals."""
        self._ended.set()
        if self._gate is not None:
            self._gate.stop()
        if self._server is not None:
            self._server.stop()
        for tab in list(self.tabs.values()):
            tab.close()
        self.workspace.close()

    def __enter__(self) -> ViewerApp:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------------ tabs

    def _connected(self, client: Any) -> None:
        with self._lock:
            self._count += 1
            tab = Tab(client, self.workspace, self._count)
            self.tabs[client.client_id] = tab
        client.gui.configure_theme(show_logo=False, show_share_button=False)
        # The picture first: controls are many small messages, which keep the page busy.
        tab.guarded(tab.open)(self.workspace.last_key)
        if tab.session is not None:
            tab.drawn.wait(_PICTURE_PATIENCE)
        if tab.closed:
            return
        _add_panels(tab)
        if tab.session is not None:
            tab.tell('scene')
            # Last, since loading the weights would share the processor with the picture.
            tab.session.start()
            tab.tell('progress', tab.session.progress)

    def _disconnected(self, client: Any) -> None:
        with self._lock:
            tab = self.tabs.pop(client.client_id, None)
        if tab is not None:
            tab.close()


def _prepare(session: SceneSession) -> None:
    outline = session.outline
    outline.blocks(len(outline.counts) - 1)


def _add_panels(tab: Tab) -> None:
    # Here, since the picture comes first, and what panels import takes as long as reading a scan.
    from unison3d.viewer.panel_ask import AskPanel
    from unison3d.viewer.panel_frames import FramesPanel
    from unison3d.viewer.panel_look import LookPanel, ScenePanel
    from unison3d.viewer.panel_objects import ObjectsPanel
    from unison3d.viewer.panel_save import SavePanel
    from unison3d.viewer.panel_segment import TOOLS, SegmentPanel
    from unison3d.viewer.panel_share import SharePanel

    gui = tab.client.gui
    ScenePanel(tab, gui)
    group = gui.add_tab_group()
    with group.add_tab('Look'):
        look = LookPanel(tab, gui)
    with group.add_tab('Click'):
        segment = SegmentPanel(tab, gui)
    with group.add_tab('Objects'):
        objects = ObjectsPanel(tab, gui)
    with group.add_tab('Ask'):
        AskPanel(tab, gui)
    with group.add_tab('Save'):
        SavePanel(tab, gui)
        FramesPanel(tab, gui)
        with gui.add_folder('Show to others'):
            SharePanel(tab, gui)
    commands = [
        ('Next layer', 'L', look.next_layer),
        ('Whole scene', 'H', look.go_home),
        ('Keep the clicked objects', 'K', segment.keep),
        ('Discard the clicked object', 'X', segment.discard),
        ('Undo', 'U', segment.undo),
        ('Redo', 'R', segment.redo),
        ('Delete the selected object', 'delete', objects.delete),
    ]
    for place, tool in enumerate(TOOLS):
        commands.append(
            (f'Click: {tool}', str(place + 1), lambda tool=tool: segment.choose_tool(tool))
        )
    for label, key, action in commands:
        command = gui.add_command(label, hotkey=key)
        command.on_trigger(tab.guarded(lambda _, action=action: action()))
