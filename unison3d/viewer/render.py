"""Pictures of point clouds without a graphics card.

    >>> image = render_points(scene.points, scene.colors)
    >>> save_png('scan.png', image)

Several colourings of one scene share the expensive half:

    >>> renderer = PointRenderer(scene.points)
    >>> sheet = contact_sheet([renderer.render(c) for c in colorings], ['scan', 'semantic'])
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import ConfigError, SceneError
from unison3d.io import atomic_write, colors_to_float
from unison3d.viewer._camera import Camera, choose_azimuth, cut_away, rotation_to_z_up
from unison3d.viewer._splat import EMPTY, close_gaps, rasterise, shade, splat_sizes

__all__ = ['PointRenderer', 'contact_sheet', 'render_points', 'save_png']

#: Pixels are drawn this many times finer per side and averaged, for smooth edges.
_SUPERSAMPLING = 2
_MAX_PIXELS = 64_000_000
View = Literal['auto'] | tuple[float, float]


class PointRenderer:
    """One view of one set of points, ready to be drawn in any colours.

    Points are round splats in a z-buffer; depth differences between neighbouring pixels darken
    edges (eye-dome lighting), so that shape is readable in flat colours.

    Args:
        points: float, (N, 3), metres. Rows that are not finite are left out.
        width: pixels.
        height: pixels.
        view: ``(azimuth, elevation)`` in degrees of the camera as seen from the middle of the
            scene (azimuth from +x towards +y), or ``'auto'``, which looks from above at the side
            where most of the furniture is visible.
        point_size: metres across one splat; None takes it from the spacing around each point.
        background: grey level of empty pixels, 0 to 1.
        up: direction of up in the coordinates of the points.
        crop_ceiling: look into rooms: leave out what is higher than a person and the walls
            between camera and room. Scenes that are no rooms are not touched.

    Raises:
        ConfigError: a size or angle out of range.
        SceneError: points of another shape.
    """

    def __init__(
        self,
        points: ArrayLike,
        *,
        width: int = 960,
        height: int = 720,
        view: View = 'auto',
        point_size: float | None = None,
        background: float = 1.0,
        up: Sequence[float] = (0.0, 0.0, 1.0),
        crop_ceiling: bool = True,
    ) -> None:
        array = np.asarray(points)
        if array.ndim != 2 or array.shape[1] != 3:
            raise SceneError(f'render: points have shape {array.shape}, expected (N, 3).')
        if not (width > 0 and height > 0 and width * height <= _MAX_PIXELS):
            raise ConfigError(
                f'render: image of {width} x {height} pixels; expected positive numbers with a '
                f'product of at most {_MAX_PIXELS:,}.'
            )
        if point_size is not None and not point_size > 0:
            raise ConfigError(f'render: point_size is {point_size}, expected metres above 0.')
        self.width, self.height, self.background = width, height, float(background)
        self._count = len(array)
        shape = (height * _SUPERSAMPLING, width * _SUPERSAMPLING)

        rows = np.flatnonzero(np.isfinite(array).all(axis=1))
        local = array[rows].astype(np.float64) @ rotation_to_z_up(up).T
        # Small numbers from here on: single precision has to hold them.
        middle = np.median(local, axis=0) if len(local) else np.zeros(3)
        local = (local - middle).astype(np.float32)
        azimuth, elevation = self._view(view, local, crop_ceiling)
        self.view = (azimuth, elevation)
        if point_size is None:
            sizes = splat_sizes(local)
        else:
            sizes = np.full(len(local), point_size, dtype=np.float32)
        if crop_ceiling:
            # After the sizes: points along a cut have lost neighbours and would grow.
            kept = cut_away(local, azimuth)
            rows, local, sizes = rows[kept], local[kept], sizes[kept]
        camera = Camera.fit(local, azimuth, elevation, aspect=width / height)
        place, depth = rasterise(local, camera, shape, sizes)
        place, depth = close_gaps(place, depth)
        self._filled = place != EMPTY
        self._index = rows[place[self._filled]]
        self._light = shade(depth)[self._filled]
        self._heights = local[place[self._filled], 2]

    @staticmethod
    def _view(view: View, local: np.ndarray, crop_ceiling: bool) -> tuple[float, float]:
        if isinstance(view, str):
            if view != 'auto':
                raise ConfigError(f'render: view is "{view}", expected "auto" or two angles.')
            return choose_azimuth(local, 50.0, crop_ceiling), 50.0
        azimuth, elevation = (float(v) for v in view)
        if not (np.isfinite(azimuth) and -90 <= elevation <= 90):
            raise ConfigError(
                f'render: view is ({azimuth}, {elevation}), expected degrees with the elevation '
                'in -90..90.'
            )
        return azimuth, elevation

    def render(self, colors: ArrayLike | None = None) -> np.ndarray:
        """Draw the points.

        Args:
            colors: (N, 3) in any range :func:`unison3d.io.colors_to_float` knows; None shades
                grey by height.

        Returns:
            uint8, (height, width, 3).

        Raises:
            SceneError: not one colour per point.
        """
        fine = np.full((*self._filled.shape, 3), self.background, dtype=np.float32)
        if colors is None:
            drawn = self._grey()
        else:
            table = colors_to_float(colors, where='render, colors')
            if len(table) != self._count:
                raise SceneError(
                    f'render: {len(table)} colours for {self._count} points. Give one per point.'
                )
            drawn = np.nan_to_num(table[self._index], nan=0.5)
        fine[self._filled] = drawn * self._light[:, None]
        s = _SUPERSAMPLING
        image = fine.reshape(self.height, s, self.width, s, 3).mean(axis=(1, 3))
        return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)

    def _grey(self) -> np.ndarray:
        if not len(self._heights):
            return np.zeros((0, 3), dtype=np.float32)
        low, high = np.percentile(self._heights, [1, 99])
        t = np.clip((self._heights - low) / max(float(high - low), 1e-6), 0, 1)[:, None]
        cool, warm = np.array([0.50, 0.56, 0.64]), np.array([0.90, 0.88, 0.84])
        return (cool + (warm - cool) * t).astype(np.float32)


def render_points(
    points: ArrayLike,
    colors: ArrayLike | None = None,
    *,
    width: int = 960,
    height: int = 720,
    view: View = 'auto',
    point_size: float | None = None,
    background: float = 1.0,
    up: Sequence[float] = (0.0, 0.0, 1.0),
    crop_ceiling: bool = True,
) -> np.ndarray:
    """Draw points once; see :class:`PointRenderer` for the arguments.

    Returns:
        uint8, (height, width, 3). Without points, the background.
    """
    return PointRenderer(
        points,
        width=width,
        height=height,
        view=view,
        point_size=point_size,
        background=background,
        up=up,
        crop_ceiling=crop_ceiling,
    ).render(colors)


def save_png(path: str | os.PathLike[str], image: np.ndarray) -> Path:
    """Write a uint8 image, (H, W, 3) or (H, W), as PNG, atomically."""
    # Drawing is optional; reading scans must not need an image library.
    from PIL import Image

    path = Path(path)
    with atomic_write(path) as file:
        Image.fromarray(np.ascontiguousarray(image)).save(file, format='PNG', optimize=True)
    return path


def contact_sheet(
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    *,
    columns: int | None = None,
    gap: int = 12,
    background: float = 1.0,
) -> np.ndarray:
    """Images in a grid, each with its title above.

    Args:
        images: uint8, (H, W, 3), of any sizes; each is centred in its cell.
        titles: one line per image; the empty string for none.
        columns: images per row; about square by default.
        gap: pixels between images.
        background: grey level, 0 to 1.

    Returns:
        uint8, (H', W', 3). Without images, one background pixel.

    Raises:
        ConfigError: not one title per image.
    """
    from PIL import Image, ImageDraw, ImageFont

    if len(images) != len(titles):
        raise ConfigError(f'contact_sheet: {len(titles)} titles for {len(images)} images.')
    level = round(255 * background)
    if not images:
        return np.full((1, 1, 3), level, dtype=np.uint8)
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    cell_h, cell_w = (max(image.shape[axis] for image in images) for axis in (0, 1))
    text = max(14, round(cell_h / 22))
    font = ImageFont.load_default(size=text)
    line = round(text * 1.7)
    sheet = Image.new(
        'RGB',
        (columns * (cell_w + gap) + gap, rows * (cell_h + line + gap) + gap),
        (level, level, level),
    )
    draw = ImageDraw.Draw(sheet)
    ink = (30, 30, 34) if level > 127 else (235, 235, 238)
    for number, (image, title) in enumerate(zip(images, titles, strict=True)):
        left = gap + (number % columns) * (cell_w + gap)
        top = gap + (number // columns) * (cell_h + line + gap)
        draw.text((left + cell_w / 2, top + line / 2), title, fill=ink, font=font, anchor='mm')
        inside = ((cell_w - image.shape[1]) // 2, (cell_h - image.shape[0]) // 2)
        sheet.paste(Image.fromarray(image), (left + inside[0], top + line + inside[1]))
    return np.asarray(sheet)
