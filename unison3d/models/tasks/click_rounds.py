"""Rounds of simulated clicks, in training and in tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from unison3d.models.click_simulation import ClickSimulator, correct
from unison3d.models.scene_batch import SceneFeatures
from unison3d.structures import InstanceMasks, SceneSample

#: The masks of all objects of a sample, by the model as it is.
Answer = Callable[[SceneSample], InstanceMasks]


def corrected(
    features: SceneFeatures, sample: SceneSample, answer: Answer, rounds: int
) -> SceneSample:
    """A training sample with the clicks that correct the model's own masks.

    Errors are those of superpoints: a mask can be no better than its superpoints, and what is
    ignored is never wrong.

    Args:
        features: the scene.
        sample: needs ``sp_masks`` and ``sp_ignore``; objects without a target get no click.
        answer: gives the masks.
        rounds: most further clicks per object.

    Returns:
        The sample with more clicks, or itself where nothing is to be done.
    """
    targets = sample.prompts.click_targets
    objects = torch.nonzero(targets >= 0)[:, 0]
    if rounds == 0 or len(objects) == 0:
        return sample
    simulator, superpoints = _simulator(features)
    at = features.superpoints[torch.from_numpy(simulator.representatives).to(features.device)]
    wanted = sample.sp_masks[targets[objects]][:, at]
    ignored = sample.sp_ignore[at]
    asked = _array(objects)
    for _ in range(rounds):
        found = answer(sample).superpoint_masks[objects][:, at]
        found = torch.where(ignored, wanted, found)
        prompts, clicked = correct(
            sample.prompts, simulator, superpoints, _array(wanted), _array(found), asked
        )
        if len(clicked) == 0:
            break
        # A new one: the sample may come from a data set that keeps it.
        sample = sample.with_prompts(prompts)
    return sample


def click_curves(
    features: SceneFeatures,
    sample: SceneSample,
    answer: Answer,
    first: InstanceMasks,
    num_clicks: int,
) -> Tensor:
    """IoU of every object after 1, 2, ... clicks of a simulated user.

    Errors are those of points, each click follows the rule of
    :mod:`unison3d.models.click_simulation`, and all clicks of an object are asked together.

    Args:
        features: the scene.
        sample: needs ``gt_instances``; the clicks in it are the first ones.
        answer: gives the masks.
        first: the masks for the clicks in the sample.
        num_clicks: K.

    Returns:
        float32, (O, K) on the CPU. nan for an object without target, and from where nothing is
        wrong any more.
    """
    targets = _array(sample.prompts.click_targets)
    curves = torch.full((len(targets), num_clicks), float('nan'))
    simulator, superpoints = _simulator(features)
    instances = _array(sample.gt_instances)
    at = simulator.representatives
    asked, masks = np.flatnonzero(targets >= 0), first
    for number in range(num_clicks):
        if len(asked) == 0:
            break
        if number > 0:
            masks = answer(sample)
        found = _array(masks.superpoint_masks)[asked]
        for row, target in enumerate(targets[asked]):
            curves[asked[row], number] = _iou(found[row][superpoints], instances == target)
        wanted = instances[at][None] == targets[asked, None]
        prompts, asked = correct(
            sample.prompts, simulator, superpoints, wanted, found[:, superpoints[at]], asked
        )
        sample = sample.with_prompts(prompts)
    return curves


def _simulator(features: SceneFeatures) -> tuple[ClickSimulator, np.ndarray]:
    return ClickSimulator(_array(features.points)), _array(features.superpoints)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _iou(found: np.ndarray, wanted: np.ndarray) -> float:
    union = (found | wanted).sum()
    return float((found & wanted).sum() / union) if union else 0.0
