"""Colours that tell classes and objects apart."""

from __future__ import annotations

import colorsys

import numpy as np

GOLDEN_ANGLE = 0.61803398875


def semantic_colors(ids: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colour of each class id.

    Args:
        ids: int, (N,); ids outside the palette are dark grey.
        palette: uint8, (K, 3).

    Returns:
        float32, (N, 3) in [0, 1].
    """
    table = np.concatenate([palette.astype(np.float32) / 255, np.full((1, 3), 0.25, np.float32)])
    known = (ids >= 0) & (ids < len(palette))
    return table[np.where(known, ids, len(palette))]


def instance_colors(ids: np.ndarray) -> np.ndarray:
    """Colour of each instance id: hues by the golden ratio, so that neighbours differ.

    Args:
        ids: int, (N,), non-negative.

    Returns:
        float32, (N, 3) in [0, 1].
    """
    unique, inverse = np.unique(ids, return_inverse=True)
    table = [
        colorsys.hsv_to_rgb((0.08 + i * GOLDEN_ANGLE) % 1.0, (0.85, 0.6, 0.75)[i % 3], 0.95)
        for i in unique.tolist()
    ]
    return np.array(table, np.float32).reshape(-1, 3)[inverse]
