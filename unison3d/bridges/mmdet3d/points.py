"""Points of MMDetection3D, :class:`~unison3d.structures.PointScene`, and inputs of our models."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from unison3d.errors import ConfigError, SceneError
from unison3d.structures import PointScene, SceneSample

__all__ = ['det3d_points', 'point_columns', 'point_scene', 'scene_inputs']


def point_columns(
    points: Any, color_columns: tuple[int, int, int] | None = None, color_scale: float = 255.0
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Coordinates, colours and whatever else the points carry.

    Args:
        points: ``BasePoints`` of theirs, which knows its colours, or a tensor (N, C).
        color_columns: columns of red, green and blue of a tensor. None: no colours.
        color_scale: what the colours are divided by; 1 after ``NormalizePointsColor``.

    Returns:
        float32 (N, 3), metres; float32 (N, 3) in [0, 1] or None; float32 (N, C') or None, such as
        the intensity of a LiDAR.

    Raises:
        SceneError: colours outside of the range that ``color_scale`` promises.
    """
    tensor = points if isinstance(points, Tensor) else points.tensor
    if not isinstance(points, Tensor) and (points.attribute_dims or {}).get('color') is not None:
        color_columns = tuple(points.attribute_dims['color'])
    rows = tensor.detach().cpu().float().numpy()
    used = [0, 1, 2]
    colors = None
    if color_columns is not None:
        colors = rows[:, list(color_columns)] / np.float32(color_scale)
        used += color_columns
        if colors.size and not (colors.min() >= 0 and colors.max() <= 1):
            raise SceneError(
                f'colours from {colors.min() * color_scale:g} to {colors.max() * color_scale:g} '
                f'with color_scale={color_scale:g}, expected 0 to {color_scale:g}. Set color_scale '
                'to 255 for colours as stored and to 1 after NormalizePointsColor with '
                'color_mean=None; colours with a mean taken off cannot be told apart from damage.'
            )
    others = [column for column in range(rows.shape[1]) if column not in used]
    return rows[:, :3], colors, rows[:, others] if others else None


def point_scene(
    points: Any,
    sample: SceneSample | None = None,
    *,
    color_columns: tuple[int, int, int] | None = None,
    color_scale: float = 255.0,
    extra: Literal['raise', 'drop'] = 'raise',
) -> PointScene:
    """A :class:`PointScene` of their points.

    Args:
        points: see :func:`point_columns`.
        sample: labels, superpoints and name of the scene, from
            :func:`~unison3d.bridges.mmdet3d.scene_sample`.
        color_columns: see :func:`point_columns`.
        color_scale: see :func:`point_columns`.
        extra: what becomes of columns that a ``PointScene`` has no place for, such as intensity.

    Raises:
        SceneError: columns without a place under ``extra='raise'``; bad numbers.
    """
    coordinates, colors, others = point_columns(points, color_columns, color_scale)
    if others is not None and extra == 'raise':
        raise SceneError(
            f'{others.shape[1]} columns of the points are neither coordinates nor colours, and a '
            "PointScene has no place for them. Pass extra='drop' to leave them out, or "
            'color_columns where they are colours.'
        )
    fields = {}
    if sample is not None:
        for ours, name in (
            ('superpoints', 'superpoints'),
            ('semantic_ids', 'gt_semantic'),
            ('instance_ids', 'gt_instances'),
        ):
            if sample.get(name) is not None:
                fields[ours] = sample.get(name).cpu().numpy()
        fields['name'] = sample.metainfo.get('name', 'scene')
    return PointScene.from_arrays(coordinates, colors, **fields)


def det3d_points(
    points: np.ndarray | Tensor,
    colors: np.ndarray | Tensor | None = None,
    extra: np.ndarray | Tensor | None = None,
    *,
    kind: Literal['depth', 'lidar'] = 'depth',
    color_scale: float = 255.0,
) -> Any:
    """Points of theirs: coordinates, then colours times ``color_scale``, then ``extra``.

    Returns:
        ``DepthPoints`` or ``LiDARPoints`` that know which columns are colours.
    """
    from mmdet3d.structures import DepthPoints, LiDARPoints

    kinds = {'depth': DepthPoints, 'lidar': LiDARPoints}
    if kind not in kinds:
        raise ConfigError(f'kind of points is {kind!r}, expected one of {", ".join(kinds)}')
    columns = [torch.as_tensor(points).float()]
    attributes = None
    if colors is not None:
        columns.append(torch.as_tensor(colors).float() * color_scale)
        attributes = {'color': [3, 4, 5]}
    if extra is not None:
        columns.append(torch.as_tensor(extra).float().reshape(len(columns[0]), -1))
    tensor = torch.cat(columns, dim=1)
    return kinds[kind](tensor, points_dim=tensor.shape[1], attribute_dims=attributes)


def scene_inputs(scene: PointScene) -> dict[str, Tensor]:
    """Inputs of our models: what :class:`~unison3d.datasets.transforms.PackScene` makes.

    Raises:
        SceneError: the scene has no superpoints.
    """
    if scene.superpoints is None:
        raise SceneError(
            f'scene "{scene.name}" has no superpoints. Add them: '
            'scene.replace(superpoints=unison3d.superpoints.compute_superpoints(scene.points)).'
        )
    zeros = np.zeros_like(scene.points)
    return {
        'points': torch.from_numpy(scene.points),
        'colors': torch.from_numpy(zeros if scene.colors is None else scene.colors),
        'has_color': torch.tensor(scene.colors is not None),
        'normals': torch.from_numpy(zeros if scene.normals is None else scene.normals),
        'superpoints': torch.from_numpy(scene.superpoints),
    }
