"""Where a pipeline changes from transforms of MMDetection3D to ours, or back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

from unison3d.bridges.mmdet3d.labels import ClassTable
from unison3d.bridges.mmdet3d.masks import dense_instances, drop_stuff, instance_semantic
from unison3d.bridges.mmdet3d.points import det3d_points, point_columns
from unison3d.errors import ConfigError, SceneError
from unison3d.registry import TRANSFORMS
from unison3d.superpoints import compute_superpoints, estimate_normals
from unison3d.superpoints.grid import voxel_cells

__all__ = ['FromMMDet3D', 'ToMMDet3D']

_EXTRA = ('intensity', None)
_TARGETS = ('pts_semantic_mask', 'pts_instance_mask')


@TRANSFORMS.register_module()
class FromMMDet3D:
    """Take over from transforms of MMDetection3D: their ``results`` become a sample of ours.

    Stands after their loading (and augmentation), before ours, in place of ``Pack3DDetInputs``:

    >>> pipeline = [
    ...     dict(type='mmdet3d.LoadPointsFromFile', coord_type='DEPTH', load_dim=6,
    ...          use_dim=[0, 1, 2, 3, 4, 5], use_color=True),
    ...     dict(type='mmdet3d.LoadAnnotations3D', with_bbox_3d=False, with_label_3d=False,
    ...          with_mask_3d=True, with_seg_3d=True),
    ...     dict(type='mmdet3d.PointSegClassMapping'),
    ...     dict(type='unison3d.FromMMDet3D', label_space='scannet20'),
    ...     dict(type='unison3d.SuperpointTargets'),
    ...     dict(type='unison3d.PackScene'),
    ... ]

    Args:
        label_space: ours; classes are matched by name.
        classes: names of theirs in their order. None: as ours, with ScanNet's spelling and all.
        ignore_index: their number of a point without a class. None: after the last class.
        strict: see :class:`~unison3d.bridges.mmdet3d.ClassTable`.
        no_instance: number of points without an instance in their instance mask.
        stuff_instances: keep instances of stuff classes (their ScanNet numbers walls as well).
        superpoints: ``'given'`` takes ``sp_pts_mask``, ``'computed'`` cuts the points as
            :func:`~unison3d.superpoints.compute_superpoints` does, ``'auto'`` the first where it is
            there. A number is the edge of cells of a grid in metres, for sparse LiDAR sweeps.
        normals: estimate normals, for models that are given ``verticality``.
        color_scale: colours are divided by it; 1 after ``NormalizePointsColor``.
        extra: name of each further column of the points, ``'intensity'``, or None to leave it out.

    Raises:
        SceneError: what the points or labels hold is not what the settings promise.
    """

    def __init__(
        self,
        label_space: str,
        classes: Sequence[str] | None = None,
        *,
        ignore_index: int | None = None,
        strict: bool = True,
        no_instance: int = 0,
        stuff_instances: bool = False,
        superpoints: Literal['auto', 'given', 'computed'] | float = 'auto',
        normals: bool = False,
        color_scale: float = 255.0,
        extra: Sequence[str | None] = (),
    ) -> None:
        if isinstance(superpoints, str) and superpoints not in ('auto', 'given', 'computed'):
            raise ConfigError(
                f"FromMMDet3D: superpoints is {superpoints!r}, expected 'auto', 'given', "
                "'computed' or the edge of a grid in metres"
            )
        if not isinstance(superpoints, str) and not superpoints > 0:
            raise ConfigError(f'FromMMDet3D: superpoints is {superpoints}, expected above 0 metres')
        if any(name not in _EXTRA for name in extra):
            raise ConfigError(f'FromMMDet3D: extra is {list(extra)}, each one of {list(_EXTRA)}')
        self.table = ClassTable(label_space, classes, ignore_index=ignore_index, strict=strict)
        self.no_instance = no_instance
        self.stuff_instances = stuff_instances
        self.superpoints = superpoints
        self.normals = normals
        self.color_scale = color_scale
        self.extra = tuple(extra)

    def __call__(self, results: dict) -> dict:
        """Their results to a sample as described in :mod:`unison3d.datasets.scene_dataset`."""
        points, colors, others = point_columns(results['points'], None, self.color_scale)
        for name in (*_TARGETS, 'sp_pts_mask'):
            if results.get(name) is not None and len(results[name]) != len(points):
                raise SceneError(
                    f'{_name(results)}: {len(results[name])} numbers in {name} for {len(points)} '
                    'points. A transform before FromMMDet3D changed one of the two alone.'
                )
        sample = {
            'points': points,
            'colors': colors,
            'normals': estimate_normals(points)[0] if self.normals else None,
            'superpoints': self._superpoints(results, points, colors),
            'sentences': [],
            'name': _name(results),
            'label_space': self.table.space.name,
            'num_classes': self.table.space.num_classes,
            **self._extra(others),
        }
        semantic = results.get('pts_semantic_mask')
        if semantic is not None:
            sample |= self._labels(np.asarray(semantic), results.get('pts_instance_mask'))
        return sample

    def _extra(self, others: np.ndarray | None) -> dict[str, np.ndarray]:
        count = 0 if others is None else others.shape[1]
        if count != len(self.extra):
            raise SceneError(
                f'{count} columns of the points are neither coordinates nor colours, and extra '
                f'names {len(self.extra)}: {list(self.extra)}. Say what they are, as extra='
                "['intensity'], with None for columns to leave out, or load fewer with use_dim."
            )
        names = enumerate(self.extra)
        return {name: np.ascontiguousarray(others[:, [i]]) for i, name in names if name}

    def _superpoints(
        self, results: dict, points: np.ndarray, colors: np.ndarray | None
    ) -> np.ndarray:
        given = results.get('sp_pts_mask')
        if self.superpoints == 'given' and given is None:
            raise SceneError(
                f"{_name(results)}: no sp_pts_mask. Load it, or set superpoints='computed'."
            )
        if given is not None and self.superpoints in ('auto', 'given'):
            return np.unique(np.asarray(given), return_inverse=True)[1].reshape(-1)
        if isinstance(self.superpoints, str):
            return compute_superpoints(points, colors)
        return voxel_cells(points, self.superpoints)[0].astype(np.int64)

    def _labels(self, semantic: np.ndarray, ids: Any) -> dict:
        space = self.table.space
        semantic = self.table.to_ours(semantic)
        ids = np.full(len(semantic), self.no_instance) if ids is None else np.asarray(ids)
        instances, names = dense_instances(ids, self.no_instance)
        classes = instance_semantic(instances, semantic, len(names), space.num_classes)
        if not self.stuff_instances:
            instances, classes = drop_stuff(instances, classes, space.stuff)
        return {
            'semantic': semantic,
            'instances': instances,
            'instance_semantic': classes,
            'instance_names': [space.name_of(int(i)) for i in classes],
        }


@TRANSFORMS.register_module()
class ToMMDet3D:
    """Hand over to transforms of MMDetection3D: our sample becomes ``results`` of theirs.

    Stands after our loading and augmentation, before theirs and ``Pack3DDetInputs``. Their samples
    have no place for prompts and superpoint targets, so the transforms that make them are refused
    before it.

    Args:
        label_space: of the data set.
        classes: names of theirs in their order. None: as ours.
        strict: see :class:`~unison3d.bridges.mmdet3d.ClassTable`.
        kind: ``'depth'`` or ``'lidar'`` points.
        color_scale: colours are multiplied by it; 1 is what ``NormalizePointsColor`` leaves.
        colors: hand colours over as columns 3 to 5; scans without any get zeros. False leaves
            them out.
        annotate: also write ``eval_ann_info``, which their metrics read; for test pipelines.
    """

    _TOO_LATE = ('elastic_points', 'click_superpoints', 'boxes', 'text_targets', 'sp_masks')

    def __init__(
        self,
        label_space: str,
        classes: Sequence[str] | None = None,
        *,
        strict: bool = True,
        kind: Literal['depth', 'lidar'] = 'depth',
        color_scale: float = 255.0,
        colors: bool = True,
        annotate: bool = False,
    ) -> None:
        self.table = ClassTable(label_space, classes, strict=strict)
        self.kind = kind
        self.color_scale = color_scale
        self.colors = colors
        self.annotate = annotate

    def __call__(self, results: dict) -> dict:
        """Our sample to their results, labels numbered as ``classes``, instances from 1 on."""
        late = [name for name in self._TOO_LATE if results.get(name) is not None]
        if late:
            raise ConfigError(
                f'ToMMDet3D: the sample has {late}, for which samples of MMDetection3D have no '
                'place. Leave out the transforms that make them.'
            )
        colors = results.get('colors') if self.colors else None
        if self.colors and colors is None:
            colors = np.zeros_like(results['points'])
        points = det3d_points(
            results['points'],
            colors,
            results.get('intensity'),
            kind=self.kind,
            color_scale=self.color_scale,
        )
        theirs = {
            'points': points,
            'num_pts_feats': points.tensor.shape[1],
            'sample_idx': results.get('name', 'scene'),
            'sp_pts_mask': results['superpoints'],
        }
        if results.get('semantic') is not None:
            theirs['pts_semantic_mask'] = self.table.to_theirs(results['semantic'])
        if results.get('instances') is not None:
            theirs['pts_instance_mask'] = results['instances'].astype(np.int64) + 1
        if self.annotate:
            theirs['eval_ann_info'] = {
                name: theirs[name].copy() for name in _TARGETS if name in theirs
            }
        return theirs


def _name(results: dict) -> str:
    path = results.get('lidar_path')
    return PurePath(path).stem if path else str(results.get('sample_idx', 'scene'))
