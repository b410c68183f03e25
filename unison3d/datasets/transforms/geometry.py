"""Transforms that move points: flips, rotations, scale, noise."""

from __future__ import annotations

import numpy as np

from unison3d.datasets.transforms.sample_edit import keep_sentences, mentions, sample_rng
from unison3d.registry import TRANSFORMS

# A mirrored room swaps these words, and their embeddings are already computed.
_HANDED_WORDS = ('left', 'right', 'leftmost', 'rightmost', 'clockwise', 'counterclockwise')


@TRANSFORMS.register_module()
class RandomFlip:
    """Mirror x and y, each with a probability; sentences with left or right are left out.

    Args:
        prob: probability per axis.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def __call__(self, results: dict) -> dict:
        flips = sample_rng(results).random(2) < self.prob
        sign = np.array([-1 if flips[0] else 1, -1 if flips[1] else 1, 1], np.float32)
        for key in ('points', 'normals'):
            if results.get(key) is not None:
                results[key] = results[key] * sign
        if flips[0] != flips[1] and results.get('sentences'):
            sentences = results['sentences']
            keep_sentences(results, [not mentions(s['text'], _HANDED_WORDS) for s in sentences])
        return results


@TRANSFORMS.register_module()
class RandomRotate:
    """Turn the scene about z, and tilt it a little about x and y.

    Args:
        angle: radians. The turn is uniform in [-angle, angle].
        tilt: radians. The tilts are uniform in [-tilt, tilt].
    """

    def __init__(self, angle: float = np.pi, tilt: float = 0.0) -> None:
        self.angle = angle
        self.tilt = tilt

    def __call__(self, results: dict) -> dict:
        x, y, z = sample_rng(results).uniform(-1, 1, 3) * (self.tilt, self.tilt, self.angle)
        matrix = _rotation(2, z) @ _rotation(1, y) @ _rotation(0, x)
        for key in ('points', 'normals'):
            if results.get(key) is not None:
                results[key] = (results[key] @ matrix.T).astype(np.float32)
        return results


@TRANSFORMS.register_module()
class RandomScale:
    """Scale the scene and shift it.

    Args:
        low: smallest factor.
        high: largest factor.
        shift_std: metres. The shift is normal with this deviation on every axis.
        anisotropy: each axis gets a further factor in [1 - anisotropy, 1 + anisotropy].
    """

    def __init__(
        self,
        low: float = 0.8,
        high: float = 1.2,
        shift_std: float = 0.0,
        anisotropy: float = 0.0,
    ) -> None:
        self.low = low
        self.high = high
        self.shift_std = shift_std
        self.anisotropy = anisotropy

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        scale = rng.uniform(self.low, self.high)
        scale = scale * rng.uniform(1 - self.anisotropy, 1 + self.anisotropy, 3)
        shift = rng.normal(0, 1, 3) * self.shift_std
        results['points'] = (results['points'] * scale + shift).astype(np.float32)
        if self.anisotropy and results.get('normals') is not None:
            normals = results['normals'] / scale
            length = np.linalg.norm(normals, axis=1, keepdims=True)
            results['normals'] = (normals / np.maximum(length, 1e-6)).astype(np.float32)
        return results


@TRANSFORMS.register_module()
class JitterPoints:
    """Add independent normal noise to points and directions.

    Args:
        std: metres.
        clip: noise beyond this many deviations is cut.
        normal_std: deviation added to the components of the normals before they are normalised.
    """

    def __init__(self, std: float = 0.003, clip: float = 3.0, normal_std: float = 0.0) -> None:
        self.std = std
        self.clip = clip
        self.normal_std = normal_std

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        shape = results['points'].shape
        noise = rng.standard_normal(shape, dtype=np.float32).clip(-self.clip, self.clip)
        results['points'] = results['points'] + noise * np.float32(self.std)
        if self.normal_std and results.get('normals') is not None:
            noise = rng.standard_normal(shape, dtype=np.float32) * np.float32(self.normal_std)
            normals = results['normals'] + noise
            length = np.linalg.norm(normals, axis=1, keepdims=True)
            results['normals'] = normals / np.maximum(length, np.float32(1e-6))
        return results


def _rotation(axis: int, angle: float) -> np.ndarray:
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix
