"""Classes, positions, colours and number of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unison3d.datasets.transforms.sample_edit import sample_rng
from unison3d.errors import ConfigError
from unison3d.registry import TRANSFORMS
from unison3d.structures import LabelSpace
from unison3d.structures.label_space import get_label_space

#: Colour statistics of ScanNet200 training (OneFormer3D, arXiv:2311.14405), on the scale 0..1.
SCANNET200_MEAN = (0.47793125906962, 0.4303257521323044, 0.3749598901421883)
SCANNET200_STD = (0.2834475483823543, 0.27566157565723015, 0.27018971370874995)


@TRANSFORMS.register_module()
class MapClasses:
    """Turn the raw ids of ``pts_semantic_mask`` into classes 0..K-1, or K for any other id.

    The label space of ScanNet200 lists floor before chair, which is the published swap of raw ids
    2 and 3. An id that no table has is no class; the published look-up fails on it.

    Args:
        label_space: name of the label space.
    """

    def __init__(self, label_space: str | LabelSpace = 'scannet20') -> None:
        self.label_space = get_label_space(label_space)

    def __call__(self, results: dict) -> dict:
        raw = results.get('pts_semantic_mask')
        if raw is not None:
            results['pts_semantic_mask'] = self.label_space.from_raw(raw).astype(raw.dtype)
        return results


@TRANSFORMS.register_module()
class FlipPoints:
    """Mirror x and y, each with a probability of its own.

    Args:
        prob_x: probability of x to -x (the published horizontal flip).
        prob_y: probability of y to -y (the published vertical flip).
    """

    def __init__(self, prob_x: float = 0.5, prob_y: float = 0.5) -> None:
        self.prob = np.array([prob_x, prob_y])

    def __call__(self, results: dict) -> dict:
        flips = sample_rng(results).random(2) < self.prob
        points = results['points'].copy()
        for axis in np.flatnonzero(flips):
            points[:, axis] = -points[:, axis]
        results['points'] = points
        results['flipped_xy'] = tuple(bool(flip) for flip in flips)
        return results


@TRANSFORMS.register_module()
class RotateScaleTranslate:
    """Turn about z, scale, then shift the positions; colours stay.

    Args:
        rotation: radians, the range of the angle; 0 turns nothing.
        scale: range of the factor.
        translation_std: metres, deviation of the shift on every axis.
    """

    def __init__(
        self,
        rotation: Sequence[float] | float = (-3.14, 3.14),
        scale: Sequence[float] = (0.8, 1.2),
        translation_std: float = 0.1,
    ) -> None:
        self.rotation = (
            (-rotation, rotation) if isinstance(rotation, (int, float)) else tuple(rotation)
        )
        self.scale = tuple(scale)
        self.translation_std = translation_std

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        angle = rng.uniform(*self.rotation)
        factor = rng.uniform(*self.scale)
        shift = rng.normal(0, 1, 3) * self.translation_std
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])  # from the right
        # One product for all columns: taking x, y, z out and putting them back costs more.
        columns = results['points'].shape[1]
        matrix, offset = np.eye(columns, dtype=np.float32), np.zeros(columns, np.float32)
        matrix[:3, :3], offset[:3] = turn * factor, shift
        points = results['points'] @ matrix + offset
        results['points'] = points
        return results


@TRANSFORMS.register_module()
class NormalizePointColors:
    """Shift and scale the colours of ``points`` from 0..255 to what the network takes.

    Args:
        mean: of each channel or of all; None takes that of ScanNet200.
        std: of each channel or of all; None takes that of ScanNet200.
    """

    def __init__(
        self,
        mean: Sequence[float] | float | None = 127.5,
        std: Sequence[float] | float | None = 127.5,
    ) -> None:
        mean = np.multiply(SCANNET200_MEAN, 255) if mean is None else mean
        std = np.multiply(SCANNET200_STD, 255) if std is None else std
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        if not (self.std > 0).all():
            raise ConfigError(f'NormalizePointColors: std is {std}, expected positive numbers.')

    def __call__(self, results: dict) -> dict:
        points = results['points'].copy()
        points[:, 3:6] = (points[:, 3:6] - self.mean) / self.std
        results['points'] = points
        # For those who need the colours of the file again.
        results['color_statistics'] = (self.mean, self.std)
        return results


@TRANSFORMS.register_module()
class SamplePointTable:
    """Draw points uniformly, by default with replacement, and number the instances anew.

    Superpoints keep their ids, so that pseudo masks stay valid; an id may be left without points.

    Args:
        num_points: drawn; a scene with fewer gives as many as it has, drawn all the same.
        replace: whether a point can come several times, as published.
    """

    def __init__(self, num_points: int = 180_000, replace: bool = True) -> None:
        if num_points < 1:
            raise ConfigError(f'SamplePointTable: num_points is {num_points}, expected 1 or more.')
        self.num_points = num_points
        self.replace = replace

    def __call__(self, results: dict) -> dict:
        count = len(results['points'])
        if count == 0:
            return results
        drawn = sample_rng(results).choice(count, min(self.num_points, count), self.replace)
        for key in ('points', 'pts_instance_mask', 'pts_semantic_mask', 'sp_pts_mask'):
            if results.get(key) is not None:
                results[key] = results[key][drawn]
        if results.get('pts_instance_mask') is not None:
            ids = results['pts_instance_mask']
            named = np.unique(ids[ids > 0])
            # Raw ids: 0 is no instance and stays so.
            results['pts_instance_mask'] = np.where(ids > 0, np.searchsorted(named, ids) + 1, 0)
            # The ids in the file, by which sentences name their objects.
            results['original_instance_ids'] = named
        return results
