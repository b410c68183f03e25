"""Colours that people with any colour vision tell apart, on light and on dark."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ['GREY', 'OKABE_ITO', 'class_colors', 'object_colors', 'scalar_colors', 'stuff_colors']

#: uint8, (7, 3). Hues that stay apart under all common colour deficiencies.
#: Source: Okabe and Ito, Color Universal Design, 2008 (without their black).
OKABE_ITO = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (213, 94, 0),
        (0, 114, 178),
        (240, 228, 66),
        (204, 121, 167),
    ],
    np.uint8,
)
#: What belongs to nothing, on a light and on a dark page.
GREY = {False: (176, 176, 176), True: (88, 88, 88)}

# Walls, floors and the like: warm and cool greys that leave the colours to the objects. Eight, as
# many as S3DIS has.
_STUFF = np.array(
    [
        (216, 208, 190),
        (140, 148, 160),
        (190, 200, 205),
        (165, 152, 132),
        (110, 116, 124),
        (184, 176, 166),
        (128, 118, 106),
        (158, 172, 176),
    ],
    np.uint8,
)
# Seven hues are not enough for a room, so they come back lighter and darker. By these shares no
# two of the 21 are close, as the lighter blue and the sky blue would be by smaller ones.
_SHADES = ((0.0, 0.0), (0.60, 1.0), (0.40, 0.0))
# Ends of the scalar map in OKLab. A straight line there is a row of even steps for the eye, its
# lightness tells the order without colour, and blue against yellow survives red-green deficiency.
_LOW, _HIGH = np.array([0.28, -0.005, -0.11]), np.array([0.93, -0.03, 0.155])


def _object_table() -> np.ndarray:
    rows = []
    for share, towards in _SHADES:
        rows.append(OKABE_ITO * (1 - share) + 255 * towards * share)
    return np.rint(np.concatenate(rows)).astype(np.uint8)


def _scalar_table() -> np.ndarray:
    lab = _LOW + np.linspace(0, 1, 256)[:, None] * (_HIGH - _LOW)
    # OKLab to linear sRGB. Source: Ottosson, A perceptual color space for image processing, 2020.
    to_cone = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = ((lab @ to_cone.T) ** 3 @ to_linear.T).clip(0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * gamma).astype(np.uint8)


_OBJECTS, _SCALARS = _object_table(), _scalar_table()


def object_colors(ids: ArrayLike, *, dark: bool = False) -> np.ndarray:
    """Colour of each object: 21 in turn.

    Args:
        ids: int, (N,); 0 and below is grey.
        dark: on a dark page.

    Returns:
        uint8, (N, 3).
    """
    ids = np.asarray(ids)
    table = np.concatenate([_OBJECTS, np.array([GREY[dark]], np.uint8)])
    return table[np.where(ids > 0, (ids - 1) % len(_OBJECTS), len(_OBJECTS))]


def stuff_colors(count: int) -> np.ndarray:
    """uint8, (count, 3): quiet colours of classes without instances, eight in turn."""
    return _STUFF[np.arange(count) % len(_STUFF)]


def class_colors(num_classes: int, num_stuff: int = 0) -> np.ndarray:
    """uint8, (K, 3): colours of classes of which the first are stuff."""
    things = object_colors(np.arange(1, num_classes - num_stuff + 1))
    return np.concatenate([stuff_colors(num_stuff), things])


def scalar_colors(
    values: ArrayLike,
    low: float | None = None,
    high: float | None = None,
    *,
    dark: bool = False,
) -> np.ndarray:
    """Colour of each number, dark blue for low to yellow for high.

    Args:
        values: float, (N,); what is not finite is grey.
        low: value of the first colour, by default the smallest.
        high: value of the last colour, by default the largest.
        dark: on a dark page.

    Returns:
        uint8, (N, 3).
    """
    values = np.asarray(values, np.float32)
    finite = np.isfinite(values)
    low, high = scalar_span(values, low, high)
    table = np.concatenate([_SCALARS, np.array([GREY[dark]], np.uint8)])
    share = (np.where(finite, values, low) - np.float32(low)) / np.float32(max(high - low, 1e-12))
    place = np.rint(share.clip(0, 1) * 255).astype(np.int64)
    return table[np.where(finite, place, 256)]


def scalar_span(
    values: np.ndarray, low: float | None = None, high: float | None = None
) -> tuple[float, float]:
    """The numbers of the first and the last colour of :func:`scalar_colors`."""
    finite = values[np.isfinite(values)]
    if low is None:
        low = float(finite.min()) if len(finite) else 0.0
    if high is None:
        high = float(finite.max()) if len(finite) else 1.0
    return low, high
