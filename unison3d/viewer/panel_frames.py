"""Controls: the photos of a capture, where they were taken, and the labels on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from unison3d.errors import Unison3DError
from unison3d.structures import Frame, FrameSet, read_frames
from unison3d.viewer.photo_overlay import overlay_labels
from unison3d.viewer.tab import Tab
from unison3d.viewer.view_camera import Eye

__all__ = ['FramesPanel']

#: Frustums on the page at most; more hide the scene.
MAX_FRAMES = 60


class FramesPanel:
    """Shown only for scenes that have frames."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._frames: FrameSet | None = None
        self._handles: list[Any] = []
        with gui.add_folder('Photos', visible=False) as self._folder:
            self._show = gui.add_checkbox('Show cameras', False)
            self._show.on_update(tab.guarded(lambda _: self._draw()))
            self._name = gui.add_dropdown('Photo', ('-',))
            self._name.on_update(tab.guarded(self._choose))
            fly = gui.add_button('Stand where it was taken', icon='camera')
            fly.on_click(tab.guarded(lambda _: self._fly()))
            self._picture = gui.add_image(np.zeros((2, 2, 3), np.uint8), visible=False)
        tab.on('scene', self._new_scene)
        tab.on('labels', lambda _: self._overlay() if self._picture.visible else None)

    def _new_scene(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._frames = [], None
        self._folder.visible = self._picture.visible = self._show.value = False
        entry = self._tab.entry
        if entry.kind != 'capture':
            return
        try:
            frames = read_frames(entry.path)
        except (Unison3DError, OSError) as error:
            self._tab.say('The photos cannot be read', str(error), 'red')
            return
        self._frames = frames.every(-(-len(frames) // MAX_FRAMES))
        self._name.options = tuple(frame.name for frame in self._frames)
        self._folder.visible = True

    def _draw(self) -> None:
        if self._show.value and not self._handles and self._frames is not None:
            for number, frame in enumerate(self._frames):
                camera = frame.camera
                handle = self._tab.client.scene.add_camera_frustum(
                    f'/frames/{number}',
                    fov=float(2 * np.arctan(camera.height / 2 / camera.K[1, 1])),
                    aspect=camera.width / camera.height,
                    scale=0.12,
                    color=(0, 114, 178),
                    wxyz=_quaternion(camera.T_world_camera[:3, :3]),
                    position=tuple(self._place(frame)),
                )
                handle.on_click(self._tab.guarded(lambda _, name=frame.name: self._clicked(name)))
                self._handles.append(handle)
        for handle in self._handles:
            handle.visible = self._show.value

    def _place(self, frame: Frame) -> np.ndarray:
        return frame.camera.T_world_camera[:3, 3] - self._tab.session.scene.origin

    def _frame(self) -> Frame:
        return next(frame for frame in self._frames if frame.name == self._name.value)

    def _clicked(self, name: str) -> None:
        self._name.value = name
        self._overlay()
        self._fly()

    def _choose(self, event: Any) -> None:
        if event.client is not None:
            self._overlay()

    def _fly(self) -> None:
        frame = self._frame()
        place = self._place(frame)
        self._tab.fly(Eye(place, place + 2.0 * frame.camera.T_world_camera[:3, 2]))
        self._overlay()

    def _overlay(self) -> None:
        tab = self._tab
        _, ids, objects = tab.session.labels.snapshot()
        self._picture.image = overlay_labels(self._frame(), tab.session.scene, ids, objects)
        self._picture.visible = True


def _quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """Unit quaternion, real part first, of a (3, 3) rotation."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return w, x, y, z
