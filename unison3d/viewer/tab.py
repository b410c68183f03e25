"""One tab of the page: what it shows of which scene, and what it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from unison3d.errors import Unison3DError
from unison3d.viewer.background import Progress
from unison3d.viewer.detail_control import DetailControl
from unison3d.viewer.drafts import Drafts
from unison3d.viewer.labels import LabelEvent
from unison3d.viewer.layers import Layer, class_layer, color_layer, object_layer
from unison3d.viewer.library import LibraryEntry
from unison3d.viewer.scene_view import PointsOnPage
from unison3d.viewer.session import SceneSession, SentenceAnswer, VocabularyAnswer
from unison3d.viewer.tab_detail import control_detail
from unison3d.viewer.view_camera import Eye, look_at_box
from unison3d.viewer.workspace import Workspace

__all__ = ['OWN_CLASSES', 'OWN_OBJECTS', 'Tab']

#: Layers of the vocabulary of this tab, besides those of the session.
OWN_CLASSES, OWN_OBJECTS = 'own classes', 'own objects'
_FLIGHT = 8, 0.03  # steps, seconds per step


class Tab:
    """State of one tab. Its panels draw the controls and call it; it draws the points.

    Methods are called from threads of viser's pool, of the encoding and of other tabs, never from
    the event loop, so that they may take their time.

    Args:
        client: handle of viser.
        workspace: the open scenes.
        number: of the tab, from 1.
    """

    def __init__(self, client: Any, workspace: Workspace, number: int) -> None:
        self.client, self.workspace, self.number = client, workspace, number
        self.source = f'tab {number}'
        self.key: str | None = None
        self.session: SceneSession | None = None
        self.drafts: Drafts | None = None
        self.layer_name, self.strength = 'color', 0.8
        self.hidden: dict[str, set[int]] = {}
        self.dark = False
        self.cut: float | None = None
        self.answer: SentenceAnswer | None = None
        # None shows the answer of the model itself.
        self.threshold: float | None = None
        self.own: VocabularyAnswer | None = None
        self.selected: int | None = None
        self.layer: Layer | None = None
        self.visible: np.ndarray | None = None
        self._colors = np.zeros((0, 3), np.uint8)
        self.points: PointsOnPage | None = None
        self._detail: DetailControl | None = None
        #: Set when the page has drawn its first picture, or does not say so.
        self.drawn = threading.Event()
        client.camera.on_update(lambda _: self._detail and self._detail.moved())
        self.point_size = 0.02
        self._listeners: dict[str, list[Callable[..., None]]] = {}
        self._unsubscribe: list[Callable[[], None]] = []
        #: Held while the scene changes, and by those who need that it stays.
        self.lock = threading.RLock()
        self._drawing, self._stale = threading.Lock(), threading.Event()
        self._highlight: list[Any] = []
        self._look: tuple[Any, ...] = ()
        self._drawn: Any = None
        self.closed = False

    # ------------------------------------------------------------------ panels

    def on(self, what: str, callback: Callable[..., None]) -> None:
        """Be told: ``'scene'``, ``'progress'``, ``'parts'``, ``'labels'``, ``'layer'``,
        ``'drafts'``, ``'answer'``, ``'selected'`` or ``'camera'``.
        """
        self._listeners.setdefault(what, []).append(callback)

    def tell(self, what: str, *values: Any) -> None:
        """Call those who listen, as long as the tab is there."""
        for callback in self._listeners.get(what, ()):
            if not self.closed:
                callback(*values)

    def guarded(self, function: Callable[..., None]) -> Callable[..., None]:
        """A callback whose errors are shown on the page."""

        def call(*values: Any) -> None:
            expected = False
            try:
                function(*values)
                expected = True
            except (Unison3DError, OSError, MemoryError) as error:
                expected = True
                self.say('That did not work', str(error), 'red')
            finally:
                # The rest goes on to the terminal, where nobody may be looking.
                if not expected:
                    self.say('An internal error', 'The terminal shows it.', 'red')

        return call

    def say(self, title: str, text: str = '', color: str | None = None) -> None:
        """Show a short message on the page."""
        if not self.closed:
            self.client.add_notification(title, text, auto_close_seconds=8.0, color=color)

    # ------------------------------------------------------------------ scenes

    @property
    def entry(self) -> LibraryEntry:
        """What is open."""
        return self.workspace.library.entry(self.key)

    def open(self, key: str) -> None:
        """Show a scene. The model looks at it once somebody starts the session.

        Raises:
            SceneError, FileFormatError, ConfigError: see :meth:`Workspace.acquire`.
        """
        session = self.workspace.acquire(key)
        try:
            outline = session.outline
        except BaseException:
            self.workspace.release(key)
            raise
        with self.lock:
            if self.closed:
                # It was closed while the scan was read, so nobody else would release it.
                self.workspace.release(key)
                return
            self._leave()
            self.key, self.session = key, session
            self.drafts = Drafts(session, self.number)
            self.answer = self.own = self.selected = None
            self.hidden = {}
            self.cut, self.point_size = outline.cut, outline.spacing
            self.points = PointsOnPage(self.client, outline, self.point_size)
            self.layer_name = 'instance' if session.labels.objects else 'color'
            if session.scene.colors is None and self.layer_name == 'color':
                self.layer_name = 'height'
            self._unsubscribe = [
                session.labels.subscribe(self._labels_changed),
                session.on_progress(self._progressed),
                session.parts.subscribe(lambda progress: self.tell('parts', progress)),
            ]
        self.redraw()
        before, eye = self.client.camera.position, self.first_eye()
        self.fly(eye, steps=1)
        self._detail = control_detail(self, eye, before)
        self.tell('scene')
        self.tell('progress', session.progress)

    def close(self) -> None:
        """The tab was closed."""
        self.closed = True
        self.drawn.set()
        with self.lock:
            self._leave()

    def _leave(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        if self._detail is not None:
            self._detail.close()
        if self.drafts is not None:
            self.drafts.clear()
        if not self.closed:
            self._clear_highlight()
            if self.points is not None:
                self.points.remove()
        if self.key is not None:
            self.workspace.release(self.key)
            self.key = None

    def _progressed(self, progress: Progress) -> None:
        self.tell('progress', progress)
        if progress.state == 'ready':
            self.tell('layer')

    def _labels_changed(self, event: LabelEvent) -> None:
        if self.selected in event.objects:
            self.select(self.selected)
        if self.layer_name == 'instance':
            self.redraw()
        self.tell('labels', event)

    # ------------------------------------------------------------------ drawing

    def layers(self) -> tuple[str, ...]:
        """Layers that can be shown now."""
        known = [
            name
            for name in self.session.available_layers()
            if name != 'heat' or self.answer is not None
        ]
        return (*known, OWN_CLASSES, OWN_OBJECTS) if self.own is not None else tuple(known)

    def show_layer(self, name: str) -> None:
        """Show another layer."""
        self.layer_name = name
        self.redraw()

    def toggle(self, key: int) -> None:
        """Switch a class or object of the layer on or off, for this tab."""
        off = self.hidden.setdefault(self.layer_name, set())
        off.symmetric_difference_update({key})
        self.redraw()

    def redraw(self) -> None:
        """Draw the layer with the clicked objects on top.

        Whoever calls while another thread draws leaves the work to that thread, which begins again.
        """
        self._stale.set()
        while self._stale.is_set() and self._drawing.acquire(blocking=False):
            try:
                self._stale.clear()
                self._draw()
            finally:
                self._drawing.release()

    def _draw(self) -> None:
        with self.lock:
            session, points = self.session, self.points
            if session is None or points is None or self.closed:
                return
            self.layer, colors, self.visible = self._under_drafts(session)
            self._colors = self.drafts.paint(colors)
            points.show(self._colors, self.visible)
            self.client.flush()
        self.tell('layer')

    def _under_drafts(self, session: SceneSession) -> tuple[Layer, np.ndarray, np.ndarray | None]:
        """The layer, its colours on those of the scan, and the points that are shown.

        Kept, since a click changes none of it, and of millions of points it takes a while.
        """
        name = self.layer_name if self.layer_name in self.layers() else 'color'
        self.layer_name = name
        hidden = tuple(sorted(self.hidden.get(name, ())))
        version = session.labels.version if name == 'instance' else 0
        look = session, name, hidden, version, self.dark, self.strength, self.cut
        look += self.answer, self.threshold, self.own
        if look == self._look:
            return self._drawn
        layer = self._current_layer(session)
        colors, visible = layer.colors, layer.visible
        # The answer to a sentence stands on grey, where it is the only colour.
        if self.strength < 1 and name not in ('color', 'heat'):
            under = color_layer(session.scene, dark=self.dark).colors
            mixed = under + (colors.astype(np.float32) - under) * np.float32(self.strength)
            colors = np.rint(mixed).astype(np.uint8)
        if self.cut is not None:
            below = session.scene.points[:, 2] < self.cut
            visible = below if visible is None else below & visible
        # The version was read before the labels were, so an edit in between is drawn anew.
        self._look, self._drawn = look, (layer, colors, visible)
        return self._drawn

    def _current_layer(self, session: SceneSession) -> Layer:
        name = self.layer_name
        options = {'hidden': self.hidden.get(name, ()), 'dark': self.dark}
        if name == OWN_CLASSES:
            return class_layer(self.own.semantic, self.own.names, **options)
        if name == OWN_OBJECTS:
            return object_layer(self.own.ids, self.own.objects, **options)
        if name == 'instance':
            # Where nothing is labelled yet, the scan in grey shows what is left to do.
            _, ids, objects = session.labels.snapshot()
            under = color_layer(session.scene, dark=self.dark).colors.mean(axis=1, keepdims=True)
            grey = np.broadcast_to((70 + 0.6 * under).astype(np.uint8), (len(ids), 3))
            return object_layer(ids, objects, background=grey, **options)
        if name == 'heat':
            heat, threshold = self.answer.heat, self.threshold
            if threshold is None:
                meant = np.zeros(len(heat), bool)
                meant[self.answer.superpoints] = self.answer.mask
                heat, threshold = np.where(meant, heat, np.float32(-1)), 0.0
            return session.layer(name, heat=heat, threshold=threshold, dark=self.dark)
        return session.layer(name, **options)

    def colors(self) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, 3) as drawn now, and bool (N,) points that are shown."""
        with self.lock:
            count = len(self.session.scene)
            visible = np.ones(count, bool) if self.visible is None else self.visible
            return self._colors, visible

    # ------------------------------------------------------------------ looking

    def eye(self) -> Eye:
        """Where the camera of the page is."""
        camera = self.client.camera
        return Eye(np.array(camera.position), np.array(camera.look_at))

    def first_eye(self) -> Eye:
        """A view of the whole scene."""
        return self.session.outline.home.eye(self._narrow_fov())

    def _narrow_fov(self) -> float:
        """Field of view across the shorter side of the picture, radians."""
        camera = self.client.camera
        return 2 * float(np.arctan(np.tan(camera.fov / 2) * min(camera.aspect, 1.0)))

    def fly(self, eye: Eye, steps: int = _FLIGHT[0]) -> None:
        """Move the camera of the page."""
        start = self.eye() if steps > 1 else eye
        for step in range(1, steps + 1):
            share = step / steps
            share = share * share * (3 - 2 * share)
            with self.client.atomic():
                camera = self.client.camera
                camera.position = start.position + share * (eye.position - start.position)
                camera.look_at = start.target + share * (eye.target - start.target)
            if step < steps:
                self.client.flush()
                time.sleep(_FLIGHT[1])

    def pick(self, origin: np.ndarray, direction: np.ndarray) -> int | None:
        """Row of the point under the cursor."""
        # Here, since the first picture does not need compiled loops, nor wait for them.
        from unison3d.viewer.picking import PointPicker

        hit = PointPicker(self.session.scene.points).pick(
            origin,
            direction,
            radius=0.5 * self.point_size,
            spread=0.002,
            visible=self.visible,
        )
        return None if hit is None else hit.row

    # ------------------------------------------------------------------ selection

    def select(self, number: int | None, fly: bool = False) -> None:
        """Choose an object of the labels, with a frame around it."""
        info = next((o for o in self.session.objects() if o.label.id == number), None)
        self.selected = None if info is None else number
        self._clear_highlight()
        if info is not None and info.box is not None:
            low, high = info.box.astype(np.float64)
            self._highlight.append(
                self.client.scene.add_line_segments(
                    '/selected/box',
                    _edges(low, high),
                    colors=info.label.color,
                    thickness=3.0,
                    thickness_units='screen',
                )
            )
            self._highlight.append(
                self.client.scene.add_label(
                    '/selected/name',
                    info.label.name,
                    position=(*((low + high) / 2)[:2], high[2] + 0.1),
                )
            )
            if fly:
                self.fly(look_at_box(info.box, self.eye(), self._narrow_fov()))
        self.tell('selected')

    def _clear_highlight(self) -> None:
        for handle in self._highlight:
            handle.remove()
        self._highlight = []


def _edges(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """float64, (12, 2, 3): edges of a box."""
    corners = np.array([low, high])
    ends = []
    for axis in range(3):
        for a in (0, 1):
            for b in (0, 1):
                pair = np.empty((2, 3))
                pair[:, axis] = corners[:, axis]
                pair[:, (axis + 1) % 3] = corners[a, (axis + 1) % 3]
                pair[:, (axis + 2) % 3] = corners[b, (axis + 2) % 3]
                ends.append(pair)
    return np.array(ends)
