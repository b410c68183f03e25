"""Cameras of every layout as `RawFrames`; `unison3d.structures.read_frames` decides about them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from unison3d.errors import ConfigError, FileFormatError

from .arkitscenes import is_arkitscenes, read_arkitscenes
from .colmap import is_colmap, read_colmap
from .frame_files import is_frame_files, is_shelf, read_frame_files, read_shelf
from .llff import is_llff, read_llff
from .nerfstudio import is_nerfstudio, read_nerfstudio
from .raw_frames import RawFrame, RawFrames, RawLens
from .replica import is_replica, read_replica
from .scannet import is_scannet, read_scannet_frames
from .sens import read_sens
from .tum import is_tum, read_tum

__all__ = ['LAYOUTS', 'RawFrame', 'RawFrames', 'RawLens', 'detect_layout', 'read_raw_frames']


def _is_sens(path: Path) -> bool:
    return len(list(path.glob('*.sens'))) == 1 if path.is_dir() else path.suffix == '.sens'


def _read_sens(path: Path) -> RawFrames:
    if not path.is_dir():
        return read_sens(path)
    found = sorted(path.glob('*.sens'))
    if len(found) != 1:
        raise FileFormatError(f'{path}: holds {len(found)} .sens files, expected one. Name it.')
    return read_sens(found[0])


#: Name of each layout, how it is recognised and how it is read. The first that fits is taken:
#: layouts with depth come first, and a COLMAP model is often only where another was made from.
_LAYOUTS: dict[str, tuple[Callable[[Path], bool], Callable[[Path], RawFrames]]] = {
    'scannet': (is_scannet, read_scannet_frames),
    'tum': (is_tum, read_tum),
    'replica': (is_replica, read_replica),
    'arkitscenes': (is_arkitscenes, read_arkitscenes),
    'shelf': (is_shelf, read_shelf),
    'frame_files': (is_frame_files, read_frame_files),
    'sens': (_is_sens, _read_sens),
    'nerfstudio': (is_nerfstudio, read_nerfstudio),
    'llff': (is_llff, read_llff),
    'colmap': (is_colmap, read_colmap),
}
LAYOUTS = tuple(_LAYOUTS)


def detect_layout(path: str | os.PathLike[str]) -> str | None:
    """The layout of a folder or ``.sens`` file, or None where there are no cameras."""
    path = Path(path)
    if path.suffix == '.sens' and path.is_file():
        return 'sens'
    if not path.is_dir():
        return None
    return next((name for name, (fits, _) in _LAYOUTS.items() if fits(path)), None)


def read_raw_frames(path: str | os.PathLike[str], layout: str = 'auto') -> RawFrames:
    """Read the cameras of a folder or ``.sens`` file; no image is decoded.

    Args:
        path: folder or file.
        layout: a name out of `LAYOUTS`, or ``'auto'``.

    Raises:
        ConfigError: an unknown layout.
        FileFormatError: nothing there, no known layout, or damaged files.
    """
    path = Path(path)
    if layout != 'auto' and layout not in _LAYOUTS:
        raise ConfigError(f'layout is {layout!r}, expected auto or one of {", ".join(LAYOUTS)}.')
    if not path.exists():
        raise FileFormatError(f'{path}: not found. Check the spelling.')
    if layout == 'auto':
        layout = detect_layout(path) or ''
        if not layout:
            raise FileFormatError(
                f'{path}: no cameras found in it. Read are the layouts {", ".join(LAYOUTS)}; see '
                'docs/cameras.md for the files of each.'
            )
    elif path.is_file() and layout != 'sens':
        raise FileFormatError(f'{path}: is a file, expected a folder of the layout {layout}.')
    raw = _LAYOUTS[layout][1](path)
    names = [frame.name for frame in raw.frames]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileFormatError(f'{path}: two frames have the name {twice}. Remove one of them.')
    return raw
