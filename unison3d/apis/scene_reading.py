"""What can be handed in as a scene, and which options go with which kind of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Real
from typing import Any

from unison3d.errors import ConfigError, SceneError
from unison3d.fusion import fuse_capture, is_capture
from unison3d.structures import PointScene

__all__ = ['read_scene']


def read_scene(
    scene: str | os.PathLike[str] | PointScene,
    on_bad: str,
    scale: float,
    num_features: int,
    capture: Mapping[str, Any],
) -> PointScene:
    """The scene of a file or of a capture; one that is a scene already is given back.

    Arguments and errors are those of :meth:`unison3d.apis.Segmenter.set_scene`.
    """
    if isinstance(scene, PointScene):
        if on_bad != 'raise' or scale != 1 or num_features != 6 or capture:
            raise ConfigError(
                'on_bad, scale, num_features and capture are for files, and this is a scene: '
                'give them to PointScene.from_file or PointScene.from_arrays instead'
            )
        return scene
    if not isinstance(scene, (str, os.PathLike)):
        raise SceneError(
            f'set_scene got a {type(scene).__name__}, expected the path of a scan or a PointScene. '
            'Make one of arrays: PointScene.from_arrays(points, colors).'
        )
    if not isinstance(scale, Real) or isinstance(scale, bool):
        raise ConfigError(f'scale is {scale!r}, expected a positive number, 0.001 for millimetres')
    if is_capture(scene):
        if scale != 1:
            raise ConfigError(
                f'scale is {scale} and {scene} is a capture of depth images, whose poses are in '
                'metres. The unit of the depth images is depth_scale.'
            )
        return fuse_capture(scene, **capture)
    if capture:
        raise ConfigError(
            f'{", ".join(capture)} are for captures of posed depth images, and {scene} is none. '
            'Leave them out.'
        )
    return PointScene.from_file(scene, on_bad=on_bad, scale=float(scale), num_features=num_features)
