"""Labels of superpoints in the published layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unison3d.datasets.published_targets import published_targets
from unison3d.datasets.transforms.published.profile import Profile, check_profile
from unison3d.errors import SceneError
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AddSuperPointAnnotations:
    """Turn point labels into the rows that the published model learns.

    Adds ``gt_sp_masks`` bool (G + Z + R, S), ``gt_labels_3d`` int64, ``is_novel`` bool (with
    pseudo masks), ``pts_instance_objextId`` (published spelling) int64 (G,) and, in test mode,
    ``eval_pts_instance_mask``; ``pts_instance_mask`` becomes 0..G-1, -1 for none. A scan without
    labels passes unchanged.

    Args:
        num_classes: K.
        stuff_classes: the first classes, which have no instances.
        merge_non_stuff_cls: class rows are stuff and one for everything else, not K + 1.
        merge_ov: take pseudo masks as further rows.
        with_eval_ann_info: also write the ids for the evaluator, stuff first.
        profile: ``'published'`` hands the evaluator's ids on in ``pts_instance_mask`` (the click
            transform takes the shift back) and refuses a scene without any point outside things.

    Raises:
        SceneError: pseudo masks are asked for and missing, or made for other superpoints.
    """

    def __init__(
        self,
        num_classes: int = 20,
        stuff_classes: Sequence[int] = (0, 1),
        merge_non_stuff_cls: bool = False,
        merge_ov: bool = False,
        with_eval_ann_info: bool = False,
        profile: Profile = 'corrected',
    ) -> None:
        self.num_classes = num_classes
        self.stuff_classes = tuple(stuff_classes)
        self.merge_non_stuff_cls = merge_non_stuff_cls
        self.merge_ov = merge_ov
        self.with_eval_ann_info = with_eval_ann_info
        self.as_published = check_profile(self, profile)

    def __call__(self, results: dict) -> dict:
        name = results.get('name', 'scene')
        if results.get('pts_instance_mask') is None:
            if self.as_published:
                raise SceneError(
                    f'{name}: has no labels. Use profile="corrected" to run scans without labels.'
                )
            return results
        pseudo = results.get('sam3d_pseudo_sp_masks') if self.merge_ov else None
        if self.merge_ov and pseudo is None:
            raise SceneError(
                f'{name}: has no pseudo masks (sam3d_pseudo_sp_masks in the info file). Set '
                'merge_ov=False to train without them.'
            )
        try:
            targets = published_targets(
                results['pts_instance_mask'],
                results['pts_semantic_mask'],
                results['sp_pts_mask'],
                num_classes=self.num_classes,
                stuff=self.stuff_classes,
                pseudo_masks=pseudo,
                merge_things=self.merge_non_stuff_cls,
            )
        except SceneError as error:
            raise SceneError(f'{name}: {error}') from error
        if self.as_published and not (targets.instances < 0).any():
            raise SceneError(
                f'{name}: every point belongs to a thing, which the published code does not '
                'expect. Use profile="corrected".'
            )
        results['gt_sp_masks'] = targets.masks
        results['gt_labels_3d'] = targets.labels
        if self.merge_ov:
            results['is_novel'] = targets.pseudo
        results['pts_instance_objextId'] = self._object_ids(results, targets.object_ids)
        results['pts_instance_mask'] = targets.instances
        results['instance_id_shift'] = 0
        if self.with_eval_ann_info:
            results['eval_pts_instance_mask'] = targets.evaluation_instances
            if self.as_published:
                results['pts_instance_mask'] = targets.evaluation_instances
                results['instance_id_shift'] = len(self.stuff_classes)
        return results

    @staticmethod
    def _object_ids(results: dict, object_ids: np.ndarray) -> np.ndarray:
        """Ids in the file, also where sampling has numbered the instances anew."""
        original = results.get('original_instance_ids')
        return object_ids if original is None else original[object_ids] - 1
