"""What rides through datasets, models and evaluators beside the points of one scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmengine.structures import BaseDataElement

if TYPE_CHECKING:
    from unison3d.structures.prompts import Prompts


class SceneSample(BaseDataElement):
    """Ground truth, prompts and predictions of one scene.

    Every field is optional: a scan without labels has no ``gt_*``, prediction adds ``pred_*``.

    Meta information:
        name: of the scene.
        label_space: name of the label space of its classes, for models that know several.

    Ground truth of points:
        gt_semantic: int64, (N,). Class of the label space; its ``ignore_index`` where unknown.
        gt_instances: int64, (N,). Instance ``0..M-1``, -1 for none.
        gt_instance_semantic: int64, (M,). Class of each instance (may be ``ignore_index``).
        gt_names: M open-vocabulary names.

    Ground truth of superpoints:
        sp_masks: bool, (M, S). Instance owns more than half of the superpoint's points.
        sp_semantic: int64, (S,). Majority class, ``ignore_index`` without majority.
        sp_ignore: bool, (S,). True where nothing is known, so nothing may be learned.
        sp_pseudo_masks: bool, (Z, S). Masks of objects of unknown class, from another method.

    Prompts:
        prompts: :class:`~unison3d.structures.Prompts`.
        click_weights: float32, (P,). How much the pair of each click with a sentence counts in
            :class:`~unison3d.models.ContrastiveLink`; boxes, and all by default, count 1.

    Predictions:
        pred_semantic: int64, (N,).
        pred_instances: InstanceMasks, labels are thing classes (semantic class minus the number
            of stuff classes).
        pred_panoptic_semantic, pred_panoptic_instance: int64, (N,).
        pred_clicks: InstanceMasks with one row per clicked or boxed object.
        pred_click_curves: float32, (O, C) in [0, 1]. IoU of each clicked object after every click
            of a simulated user, nan where it got no further click.
        pred_click_probabilities: float32, (O, K). Probability of every thing class.
        pred_texts: InstanceMasks with one row per sentence.
        pred_text_scores: float32, (T, S) in [0, 1]. Probability of every superpoint to be part of
            what a sentence means (:class:`~unison3d.models.ReferringTask`).
        pred_open: InstanceMasks, labels index ``vocabulary``; each object under its best name.
        pred_open_ranked: InstanceMasks, the best pairs of an object and a name, for evaluators.
        pred_open_semantic: int64, (N,). Index into ``vocabulary``.
        vocabulary: names used for the two fields above.
    """

    def with_prompts(self, prompts: Prompts) -> SceneSample:
        """The same sample with other prompts; shares everything else.

        ``new(prompts=...)`` of the base class would keep nothing but the prompts.
        """
        sample = self.new()
        sample.prompts = prompts
        return sample
