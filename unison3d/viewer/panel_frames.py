"""Controls: the photos of a capture, where they were taken, and the labels on them."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

from unison3d.errors import Unison3DError
from unison3d.structures import Frame, FrameSet
from unison3d.viewer.photo_overlay import PhotoOverlay
from unison3d.viewer.scene_frames import frames_of
from unison3d.viewer.session import SceneSession
from unison3d.viewer.tab import Tab
from unison3d.viewer.view_camera import Eye

__all__ = ['FramesPanel']

#: In the list of photos: none is chosen.
NONE = '-'
#: Frustums on the page and names in the list at most; more hide the scene.
MAX_FRAMES = 60


class _Opened(NamedTuple):
    """What belongs together; handlers on several threads take it at once."""

    session: SceneSession
    key: str
    frames: FrameSet | None

    @property
    def listed(self) -> range:
        """Frames that are in the list and stand in the scene, spread evenly."""
        count = 0 if self.frames is None else len(self.frames)
        return range(0, count, max(-(-count // MAX_FRAMES), 1))


class _Shown(NamedTuple):
    session: SceneSession
    frame: Frame
    overlay: PhotoOverlay


class FramesPanel:
    """Shown only for scenes that have frames.

    Poses are read when a scene is opened, and the images of one frame when it is looked at.
    """

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._opened: _Opened | None = None
        #: Which photo is chosen, from 1; 0 for none.
        self._number = 0
        self._look_lock = threading.Lock()
        #: What is on the picture. Labels of another scene, just opened, do not fit it.
        self._shown: _Shown | None = None
        self._handles: list[Any] = []
        with gui.add_folder('Photos', visible=False) as self._folder:
            self._note = gui.add_markdown('')
            self._show = gui.add_checkbox('Show cameras', False)
            self._show.on_update(tab.guarded(lambda _: self._draw()))
            self._name = gui.add_dropdown('Photo', (NONE,))
            self._name.on_update(tab.guarded(self._choose_name))
            self._slider = gui.add_slider('Number', 0, 1, 1, 0, hint='All photos; 0 is none')
            self._slider.on_update(tab.guarded(self._choose_number))
            step = gui.add_button_group('Next to it', ('Back', 'Next'))
            step.on_click(
                tab.guarded(
                    lambda e: self.choose(self._number + (1 if e.target.value == 'Next' else -1))
                )
            )
            fly = gui.add_button('Stand where it was taken', icon='camera')
            fly.on_click(tab.guarded(lambda _: self._fly()))
            self._picture = gui.add_image(np.zeros((2, 2, 3), np.uint8), visible=False)
        tab.on('scene', self._new_scene)
        tab.on('labels', lambda _: self._paint())

    def _new_scene(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._shown, self._number = [], None, 0
        session, key = self._tab.session, self._tab.key
        self._opened = _Opened(session, key, None)
        self._folder.visible = self._picture.visible = self._show.value = False
        try:
            with self._reading(key):
                frames = frames_of(session, self._tab.workspace.library, key)
        except (Unison3DError, OSError) as error:
            self._tab.say('The photos cannot be read', str(error), 'red')
            return
        if frames is None:
            return
        self._opened = _Opened(session, key, frames)
        self._note.content = _how_many(len(self._opened.listed), frames)
        self._slider.max = len(frames)
        # The page tells of a choice only where it changes something, so no photo is chosen yet.
        self._show_choice()
        self._slider.value = 0
        self._folder.visible = True

    def _draw(self) -> None:
        opened = self._opened
        if self._show.value and not self._handles and opened is not None:
            for number in opened.listed:
                frame = opened.frames[number]
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
                handle.on_click(self._tab.guarded(lambda _, n=number + 1: self._clicked(n)))
                self._handles.append(handle)
        for handle in self._handles:
            handle.visible = self._show.value

    def _reading(self, key: str) -> AbstractContextManager[None]:
        return self._tab.workspace.library.reading(key)

    def _chosen(self) -> tuple[_Opened, Frame] | None:
        """The scene and its chosen photo; None where none is chosen, or is of another scene."""
        opened, number = self._opened, self._number
        frames = () if opened is None else opened.frames or ()
        return (opened, frames[number - 1]) if 0 < number <= len(frames) else None

    def choose(self, number: int) -> None:
        """Show a photo by its number, from 1; 0 puts it away. Beyond the ends, the nearest."""
        self._number = min(max(number, 0), int(self._slider.max))
        self._slider.value = self._number
        self._show_choice()
        self._look()

    def _choose_name(self, event: Any) -> None:
        if event.client is not None and self._opened is not None:
            names = [frame.name for frame in self._opened.frames or ()]
            name = self._name.value
            self.choose(names.index(name) + 1 if name in names else 0)

    def _choose_number(self, event: Any) -> None:
        if event.client is not None:
            # The slider is left alone, since it may be on its way.
            self._number = int(self._slider.value)
            self._show_choice()
            self._look()

    def _show_choice(self) -> None:
        """The list with the chosen photo, which may be one that is not in it by itself."""
        if (opened := self._opened) is None or opened.frames is None:
            return
        rows = sorted({*opened.listed, self._number - 1} - {-1})
        names = (NONE, *(opened.frames[row].name for row in rows))
        if tuple(self._name.options) != names:
            self._name.options = names
        self._name.value = opened.frames[self._number - 1].name if self._number else NONE

    def _clicked(self, number: int) -> None:
        self.choose(number)
        self._fly()

    def _fly(self) -> None:
        if (chosen := self._chosen()) is None:
            self._tab.say('Choose a photo first', 'In the list "Photo", or click a camera.')
            return
        opened, frame = chosen
        place = _place(frame, opened.session)
        self._tab.fly(Eye(place, place + 2.0 * frame.camera.T_world_camera[:3, 2]))

    def _look(self) -> None:
        """Show the chosen photo; where it cannot be read, no photo rather than the one before."""
        # A slider that is pulled asks for many, of which only the last is read.
        with self._look_lock:
            chosen = self._chosen()
            if chosen is not None and self._shown is not None and self._shown.frame is chosen[1]:
                return
            self._shown = None
            try:
                if chosen is not None:
                    self._read(*chosen)
            finally:
                if self._shown is None:
                    self._picture.visible = False

    def _read(self, opened: _Opened, frame: Frame) -> None:
        with self._reading(opened.key):
            overlay = PhotoOverlay(frame, opened.session.scene)
        # Reading takes a moment, in which another one may have been chosen.
        chosen = self._chosen()
        if chosen is not None and chosen[1] is frame:
            self._shown = _Shown(opened.session, frame, overlay)
            self._paint()

    def _paint(self) -> None:
        if (shown := self._shown) is None:
            return
        _, ids, objects = shown.session.labels.snapshot()
        self._picture.image = shown.overlay.paint(ids, objects)
        self._picture.visible = True


def _place(frame: Frame, session: SceneSession) -> np.ndarray:
    return frame.camera.center - session.scene.origin


def _how_many(shown: int, frames: FrameSet) -> str:
    text = ''
    if shown < len(frames):
        text = f'{shown} of {len(frames):,} photos are listed, evenly spread; *Number* has all.'
    if frames.skipped:
        reasons = ', '.join(sorted(set(frames.skipped.values()))[:3])
        text += f' {len(frames.skipped):,} more cannot be used: {reasons}.'
    return text.strip()


def _quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """Unit quaternion, real part first, of a (3, 3) rotation."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return w, x, y, z
