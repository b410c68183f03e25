"""Which photos belong to an open scene."""

from __future__ import annotations

from unison3d.errors import FileFormatError
from unison3d.io.frames import detect_layout
from unison3d.structures import FrameSet, read_frames
from unison3d.viewer.library import Library
from unison3d.viewer.session import SceneSession

__all__ = ['frames_of']


def frames_of(session: SceneSession, library: Library, key: str) -> FrameSet | None:
    """The frames a scene was fused from, or those in its scan folder, in its own world frame.

    A result has those of the capture it was made of, where that is among the scans here. Only its
    name is known, as a result names no whole path.

    Args:
        session: the scene.
        library: that it was opened from.
        key: of its entry.

    Raises:
        FileFormatError, SceneError: damaged files, or a result that turned the world of its
            capture in a way that is no turn.
    """
    scene = session.scene
    # A scale says that the unit of the scan is another one than that of the poses.
    if scene.frames is not None or session.scale != 1:
        return scene.frames
    if scene.source is not None:
        is_folder = scene.source.is_dir() and detect_layout(scene.source) is not None
        return read_frames(scene.source) if is_folder else None
    if (found := library.capture_of(key)) is None:
        return None
    capture, turn = found
    if turn is None:
        raise FileFormatError(
            f'{library.entry(key).path}: result.json has no scene.T_world_capture, which says how '
            f'the world of {capture.name} was turned upright. An older version wrote it: run '
            'unison3d infer again to see the photos.'
        )
    return read_frames(capture).moved(turn)
