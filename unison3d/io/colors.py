"""Colours of any common type to float in [0, 1], and back to uint8 at the file boundary."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import SceneError

__all__ = ['colors_to_float', 'colors_to_uint8']

# Float colours may pass 1 by rounding (1.0000001); that is not a 0..255 range.
_FLOAT_SLACK = 1e-3


def colors_to_float(colors: ArrayLike, *, where: str = 'colors') -> np.ndarray:
    """Bring colours to float32 in [0, 1]; the range is told from type and largest value.

    ========================  ==========================================
    input                     taken as
    ========================  ==========================================
    uint8, bool               0..255; bool as 0 and 1
    other integers            0..255 when nothing is larger, else 0..65535
    float, largest <= 1       0..1
    float, largest <= 255     0..255
    float, larger             0..65535
    ========================  ==========================================

    16-bit files that store 8-bit numbers are common (LAS exports), hence the look at the maximum.

    Args:
        colors: (N,) grey, (N, 1) grey, (N, 3) or (N, 4); a fourth column (alpha) is ignored.
            Values that are not finite are kept for the caller to decide.
        where: begins the error messages.

    Returns:
        float32, (N, 3), new memory.

    Raises:
        SceneError: wrong shape or type, negative values, or values above 65535.
    """
    try:
        array = np.asarray(colors)
    except (ValueError, TypeError, OverflowError) as error:
        raise SceneError(
            f'{where}: cannot be made an array ({error}). Give red, green, blue per point.'
        ) from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] not in (1, 3, 4):
        raise SceneError(
            f'{where}: shape {array.shape}, expected (N, 3). Give red, green, blue per point.'
        )
    if array.dtype.kind not in 'buif':
        raise SceneError(f'{where}: type {array.dtype}, expected integers or floats.')
    array = array[:, :3]
    if array.dtype == np.uint8:
        result = array.astype(np.float32)
        result /= np.float32(255.0)
    else:
        result = _scaled(array, where)
    if result.shape[1] == 1:
        result = np.repeat(result, 3, axis=1)
    return np.ascontiguousarray(result)


def _scaled(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind == 'b':
        return array.astype(np.float32)
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low < -_FLOAT_SLACK or high > 65535:
        raise SceneError(
            f'{where}: values from {low:g} to {high:g}, expected 0..1, 0..255 or 0..65535. '
            'Rescale the colours, or leave them out.'
        )
    if array.dtype.kind == 'f' and high <= 1 + _FLOAT_SLACK:
        top = 1.0
    else:
        top = 255.0 if high <= 255 else 65535.0
    # NaN stays NaN through the clip, so that the caller still sees the bad rows; infinities too.
    result = (array.astype(np.float64) / top).astype(np.float32)
    usable = np.isfinite(result)
    return np.clip(result, 0.0, 1.0, out=result, where=usable)


def colors_to_uint8(colors: ArrayLike) -> np.ndarray:
    """uint8, same shape, of colours in [0, 1]; uint8 input is handed back as it is.

    A uint8 colour that went through :func:`colors_to_float` comes back unchanged.
    """
    array = np.asarray(colors)
    if array.dtype == np.uint8:
        return array
    return np.rint(np.clip(array.astype(np.float64), 0.0, 1.0) * 255.0).astype(np.uint8)
