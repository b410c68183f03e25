"""Animations, and pages that open without a server."""

from __future__ import annotations

import base64
import html
import importlib.resources
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import ConfigError, MissingDependencyError, SceneError
from unison3d.io import atomic_path, atomic_write
from unison3d.viewer.detail import detail_order
from unison3d.viewer.view_camera import Eye, orbit

__all__ = ['film_encoder', 'turntable', 'write_animation', 'write_page']

#: Points of a page at most; 9 bytes each, as text.
MAX_PAGE_POINTS = 600_000
_SECONDS_PER_PICTURE = 1 / 12


def turntable(eye: Eye, count: int) -> list[Eye]:
    """Places around the target of an eye, a whole turn beginning with the eye itself."""
    return [orbit(eye, 2 * np.pi * number / count) for number in range(count)]


def write_animation(path: str | os.PathLike[str], images: Sequence[np.ndarray]) -> Path:
    """Write pictures as ``.gif`` or ``.mp4``, atomically.

    Args:
        path: the file.
        images: uint8, (H, W, 3), all of one size.

    Raises:
        ConfigError: another ending.
        SceneError: no pictures.
        MissingDependencyError: MP4 needs the package ``imageio-ffmpeg``.
    """
    from PIL import Image

    path = Path(path)
    if not images:
        raise SceneError(f'{path}: no pictures to write.')
    if path.suffix.lower() == '.gif':
        # One palette of the whole turn: one per picture flickers.
        sheet = np.concatenate([image[::4, ::4] for image in images], axis=1)
        palette = Image.fromarray(sheet).quantize(128, dither=Image.Dither.NONE)
        frames = [
            Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE)
            for image in images
        ]
        with atomic_write(path) as file:
            frames[0].save(
                file,
                format='GIF',
                save_all=True,
                append_images=frames[1:],
                duration=round(1000 * _SECONDS_PER_PICTURE),
                loop=0,
                optimize=True,
            )
        return path
    if path.suffix.lower() == '.mp4':
        return _write_film(path, images)
    raise ConfigError(f'{path}: animations end in .gif or .mp4.')


def film_encoder() -> Any:
    """The module ``imageio_ffmpeg``, with an encoder that is there.

    Raises:
        MissingDependencyError: it is not installed, or came without an encoder.
    """
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError(
            f'The package "imageio-ffmpeg" is needed for MP4 and cannot be used ({error}). Install '
            'it with: pip install imageio-ffmpeg, or take a GIF.'
        ) from error
    return imageio_ffmpeg


def _write_film(path: Path, images: Sequence[np.ndarray]) -> Path:
    imageio_ffmpeg = film_encoder()
    height, width = images[0].shape[:2]
    with atomic_path(path) as part:
        writer = imageio_ffmpeg.write_frames(
            str(part), (width, height), fps=1 / _SECONDS_PER_PICTURE, macro_block_size=2
        )
        writer.send(None)
        for image in images:
            writer.send(np.ascontiguousarray(image))
        writer.close()
    return path


def write_page(
    path: str | os.PathLike[str],
    points: np.ndarray,
    colors: np.ndarray,
    *,
    eye: Eye,
    fov: float = 0.9,
    point_size: float = 0.02,
    title: str = 'scan',
    legend: Sequence[tuple[str, tuple[int, int, int]]] = (),
    dark: bool = False,
) -> Path:
    """Write a page that shows points and can be turned; it needs no server and no network.

    Args:
        path: the file, ``.html``.
        points: float, (N, 3), metres.
        colors: uint8, (N, 3).
        eye: where to look from at first.
        fov: vertical field of view, radians.
        point_size: metres across one dot.
        title: of the page.
        legend: names and colours of what is shown.
        dark: whether the page is dark.

    Raises:
        SceneError: not one colour per point.
    """
    path = Path(path)
    if points.shape != colors.shape or points.ndim != 2 or points.shape[1] != 3:
        raise SceneError(
            f'{path}: points have shape {points.shape} and colours {colors.shape}; expected both '
            '(N, 3).'
        )
    rows = detail_order(points)[:MAX_PAGE_POINTS]
    points, colors = points[rows].astype(np.float64), colors[rows]
    low = points.min(axis=0) if len(points) else np.zeros(3)
    extent = float((points.max(axis=0) - low).max()) if len(points) else 1.0
    # Steps of a 65,535th of the scene: 0.2 mm in a house.
    step = max(extent, 1e-3) / 65535
    data = {
        'positions': _text(np.rint((points - low) / step).astype('<u2')),
        'colors': _text(np.ascontiguousarray(colors, np.uint8)),
        'count': len(points),
        'low': low.tolist(),
        'step': step,
        'eye': eye.position.tolist(),
        'target': eye.target.tolist(),
        'fov': float(fov),
        'size': float(point_size),
        'legend': [[name, list(map(int, color))] for name, color in legend][:60],
        'dark': bool(dark),
    }
    template = importlib.resources.files('unison3d').joinpath('assets', 'viewer', 'page.html')
    page = template.read_text(encoding='utf-8')
    # "</script>" in a name must not end the script.
    text = json.dumps(data).replace('<', '\\u003c')
    page = page.replace('@TITLE@', html.escape(title)).replace('"@DATA@"', text)
    with atomic_write(path) as file:
        file.write(page.encode('utf-8'))
    return path


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode('ascii')
