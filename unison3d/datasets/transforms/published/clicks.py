"""Clicks as prompts: one per instance."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unison3d.datasets.transforms.clicks import (
    farthest_inside_clicks,
    nearest_to_middle,
    voxel_representatives,
)
from unison3d.datasets.transforms.published.profile import Profile, check_profile
from unison3d.datasets.transforms.sample_edit import rows_by_id, sample_rng
from unison3d.errors import ConfigError, SceneError
from unison3d.registry import TRANSFORMS

#: Points of an instance that are drawn to find its middle.
SAMPLE = 500


@TRANSFORMS.register_module()
class AddClickPrompts:
    """Click once on every instance.

    Adds ``point_prompts`` (P,) index of the clicked point, ``point_prompt_instance_ids`` (P,),
    ``point_prompt_sp_ids`` (P,) and ``pts_instance_objextId_shuffle`` (P,) (published spelling)
    the object id. Follows :class:`AddSuperPointAnnotations`; a scan without labels gets no click.

    Args:
        mode: ``'train'`` takes the instances in random order; ``'test'`` follows AGILE3D: of the
            first points of all 5 cm voxels inside the instance, the one farthest from those
            outside, the first of equals. An instance that has none is skipped.
        rule: in training, ``'centroid'`` draws up to 500 points and takes the one nearest to
            their mean; ``'random'`` takes any point.
        voxel: metres, of the test rule.
        profile: ``'published'`` gives float64 indices in training, and fails on a scene without
            instances or, in test mode, on one that has nothing outside an instance. By default
            such a scene has no clicks, or a click in the middle.
    """

    def __init__(
        self,
        mode: Literal['train', 'test'] = 'train',
        rule: Literal['centroid', 'random'] = 'centroid',
        voxel: float = 0.05,
        profile: Profile = 'corrected',
    ) -> None:
        if mode not in ('train', 'test') or rule not in ('centroid', 'random') or voxel <= 0:
            raise ConfigError(
                f'AddClickPrompts: mode={mode!r}, rule={rule!r}, voxel={voxel}; expected "train" '
                'or "test", "centroid" or "random", and a positive voxel.'
            )
        self.mode = mode
        self.rule = rule
        self.voxel = voxel
        self.as_published = check_profile(self, profile)

    def __call__(self, results: dict) -> dict:
        instances = results.get('pts_instance_mask')
        object_ids = results.get('pts_instance_objextId', np.zeros(0, np.int64))
        clicks, owners = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if instances is not None and self.mode == 'train':
            clicks, owners = self._train(results, instances, len(object_ids))
        elif instances is not None:
            # The published annotations leave the stuff classes in front of the instances.
            instances = np.maximum(instances - results.get('instance_id_shift', 0), -1)
            clicks, owners = self._test(results, instances, len(object_ids))
        as_float = self.as_published and self.mode == 'train'
        results['point_prompts'] = clicks.astype(np.float64) if as_float else clicks
        results['point_prompt_instance_ids'] = owners
        results['point_prompt_sp_ids'] = results['sp_pts_mask'][clicks]
        results['pts_instance_objextId_shuffle'] = object_ids[owners]
        return results

    def _train(
        self, results: dict, instances: np.ndarray, num_instances: int
    ) -> tuple[np.ndarray, np.ndarray]:
        if num_instances == 0 and self.as_published:
            raise SceneError(
                f'{results.get("name", "scene")}: has no instance, which the published clicks do '
                'not expect. Use profile="corrected" or leave such scenes out (filter_cfg).'
            )
        rng = sample_rng(results)
        owners = np.arange(num_instances)
        rng.shuffle(owners)
        rows = rows_by_id(instances, num_instances)
        clicks = np.zeros(num_instances, np.int64)
        for place, instance in enumerate(owners):
            own = rows[instance]
            if self.rule == 'random':
                clicks[place] = rng.choice(own, 1, replace=False)[0]
                continue
            count = len(own)
            # Rounding makes it 499 for some counts, as published.
            count = int(count * (SAMPLE / count)) if count > SAMPLE else count
            drawn = own[rng.choice(len(own), count, replace=False)]
            clicks[place] = drawn[nearest_to_middle(results['points'][drawn, :3])]
        return clicks, owners

    def _test(
        self, results: dict, instances: np.ndarray, num_instances: int
    ) -> tuple[np.ndarray, np.ndarray]:
        points = results['points'][:, :3]
        if self.as_published and num_instances:
            owners = np.unique(instances[voxel_representatives(points, self.voxel)])
            if len(owners) == 1 and owners[0] >= 0:
                raise SceneError(
                    f'{results.get("name", "scene")}: nothing lies outside instance {owners[0]}, '
                    'which the published clicks do not expect. Use profile="corrected".'
                )
        clicks = farthest_inside_clicks(points, instances, num_instances, self.voxel)
        owners = np.flatnonzero(clicks >= 0)
        return clicks[owners], owners
