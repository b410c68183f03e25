"""The level of detail of one scene in one tab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unison3d.viewer.detail_control import DetailControl
from unison3d.viewer.view_camera import Eye

if TYPE_CHECKING:
    from unison3d.viewer.tab import Tab

__all__ = ['control_detail']

#: Share of the distance that the camera is moved by, to see whether the page answers.
_NUDGE = 2e-4


def control_detail(tab: Tab, eye: Eye, before: np.ndarray) -> DetailControl:
    """Begin to choose the detail of the scene that a tab has just opened.

    Args:
        tab: the tab; its ``drawn`` is set when its first picture is there.
        eye: where its camera was put.
        before: where it was; float64, (3,).
    """
    session, points, client = tab.session, tab.points, tab.client
    step = _NUDGE * max(np.abs(eye.position).max(), np.linalg.norm(eye.position - eye.target))
    is_nudged = False

    def draw(level: int) -> None:
        with tab.lock:
            if tab.points is points and not tab.closed:
                points.set_level(level)
                client.flush()

    def load() -> None:
        # Found before the lock is taken, since that may take seconds.
        session.outline.blocks(points.num_loaded)
        with tab.lock:
            if tab.points is points and not tab.closed:
                points.load()

    def nudge() -> bool:
        nonlocal is_nudged
        here = np.asarray(client.camera.position)
        away = min(np.abs(here - place).max() for place in (eye.position, before))
        # Whoever moves the scene already is not disturbed.
        if away > 5 * step or tab.closed:
            return False
        is_nudged = not is_nudged
        offset = np.array([0, 0, step * is_nudged])
        with client.atomic():
            client.camera.position = eye.position + offset
            client.camera.look_at = eye.target + offset
        client.flush()
        return True

    control = DetailControl(
        session.outline.counts,
        draw=draw,
        load=load,
        nudge=nudge,
        opened=tab.drawn.set,
    )
    control.start()
    return control
