"""Controls: the photos of a capture, where they were taken, and the labels on them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

from unison3d.errors import Unison3DError
from unison3d.io.frames import detect_layout
from unison3d.structures import Frame, FrameSet, read_frames
from unison3d.viewer.photo_overlay import PhotoOverlay
from unison3d.viewer.session import SceneSession
from unison3d.viewer.tab import Tab
from unison3d.viewer.view_camera import Eye

__all__ = ['FramesPanel']

#: In the list of photos: none is chosen.
NONE = '-'
#: Frustums on the page at most; more hide the scene.
MAX_FRAMES = 60


class _Opened(NamedTuple):
    """What belongs together; handlers on several threads take it at once."""

    session: SceneSession
    key: str
    frames: FrameSet | None


class FramesPanel:
    """Shown only for scenes that have frames.

    Poses are read when a scene is opened, and the images of one frame when it is looked at.
    """

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._opened: _Opened | None = None
        #: What is on the picture. Labels of another scene, just opened, do not fit it.
        self._shown: tuple[SceneSession, PhotoOverlay] | None = None
        self._handles: list[Any] = []
        with gui.add_folder('Photos', visible=False) as self._folder:
            self._note = gui.add_markdown('')
            self._show = gui.add_checkbox('Show cameras', False)
            self._show.on_update(tab.guarded(lambda _: self._draw()))
            self._name = gui.add_dropdown('Photo', (NONE,))
            self._name.on_update(tab.guarded(self._choose))
            fly = gui.add_button('Stand where it was taken', icon='camera')
            fly.on_click(tab.guarded(lambda _: self._fly()))
            self._picture = gui.add_image(np.zeros((2, 2, 3), np.uint8), visible=False)
        tab.on('scene', self._new_scene)
        tab.on('labels', lambda _: self._paint())

    def _new_scene(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._shown = [], None
        session, key = self._tab.session, self._tab.key
        self._opened = _Opened(session, key, None)
        self._folder.visible = self._picture.visible = self._show.value = False
        try:
            with self._reading(key):
                frames = _frames_of(session)
        except (Unison3DError, OSError) as error:
            self._tab.say('The photos cannot be read', str(error), 'red')
            return
        if frames is None:
            return
        shown = frames.every(-(-len(frames) // MAX_FRAMES))
        self._opened = _Opened(session, key, shown)
        self._note.content = _how_many(len(shown), frames)
        # The page tells of a choice only where it changes something, so no photo is chosen yet.
        self._name.options = (NONE, *(frame.name for frame in shown))
        self._name.value = NONE
        self._folder.visible = True

    def _draw(self) -> None:
        opened = self._opened
        if self._show.value and not self._handles and opened is not None:
            for number, frame in enumerate(opened.frames or ()):
                camera = frame.camera
                handle = self._tab.client.scene.add_camera_frustum(
                    f'/frames/{number}',
                    fov=float(2 * np.arctan(camera.height / 2 / camera.K[1, 1])),
                    aspect=camera.width / camera.height,
                    scale=0.12,
                    # Beams of metres would hide the view from inside; these frame it.
                    thickness=2.0,
                    thickness_units='screen',
                    color=(0, 114, 178),
                    wxyz=_quaternion(camera.T_world_camera[:3, :3]),
                    position=tuple(_place(frame, opened.session)),
                )
                handle.on_click(self._tab.guarded(lambda _, name=frame.name: self._clicked(name)))
                self._handles.append(handle)
        for handle in self._handles:
            handle.visible = self._show.value

    def _reading(self, key: str) -> AbstractContextManager[None]:
        return self._tab.workspace.library.reading(key)

    def _chosen(self) -> tuple[_Opened, Frame] | None:
        """The scene and its chosen photo; None where none is chosen, or is of another scene."""
        opened, name = self._opened, self._name.value
        frames = () if opened is None else opened.frames or ()
        return next(((opened, frame) for frame in frames if frame.name == name), None)

    def _clicked(self, name: str) -> None:
        self._name.value = name
        self._fly()

    def _choose(self, event: Any) -> None:
        if event.client is not None:
            self._look()

    def _fly(self) -> None:
        if (chosen := self._chosen()) is None:
            self._tab.say('Choose a photo first', 'In the list "Photo", or click a camera.')
            return
        opened, frame = chosen
        place = _place(frame, opened.session)
        self._tab.fly(Eye(place, place + 2.0 * frame.camera.T_world_camera[:3, 2]))
        self._look()

    def _look(self) -> None:
        """Show the chosen photo; where it cannot be read, no photo rather than the one before."""
        self._shown, self._picture.visible = None, False
        if (chosen := self._chosen()) is None:
            return
        opened, frame = chosen
        with self._reading(opened.key):
            overlay = PhotoOverlay(frame, opened.session.scene)
        # Reading takes a moment, in which another one may have been chosen.
        if opened is self._opened and frame.name == self._name.value:
            self._shown = opened.session, overlay
            self._paint()

    def _paint(self) -> None:
        if (shown := self._shown) is None:
            return
        session, overlay = shown
        _, ids, objects = session.labels.snapshot()
        self._picture.image = overlay.paint(ids, objects)
        self._picture.visible = True


def _place(frame: Frame, session: SceneSession) -> np.ndarray:
    return frame.camera.center - session.scene.origin


def _frames_of(session: SceneSession) -> FrameSet | None:
    """The frames a scene was fused from, or those in its scan folder, in its own world frame."""
    scene = session.scene
    # A scale says that the unit of the scan is another one than that of the poses.
    if scene.frames is not None or scene.source is None or session.scale != 1:
        return scene.frames
    is_folder = scene.source.is_dir() and detect_layout(scene.source) is not None
    return read_frames(scene.source) if is_folder else None


def _how_many(shown: int, frames: FrameSet) -> str:
    text = f'{shown} of {len(frames):,} photos, evenly spread.' if shown < len(frames) else ''
    if frames.skipped:
        reasons = ', '.join(sorted(set(frames.skipped.values()))[:3])
        text += f' {len(frames.skipped):,} more cannot be used: {reasons}.'
    return text.strip()


def _quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """Unit quaternion, real part first, of a (3, 3) rotation."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return w, x, y, z
