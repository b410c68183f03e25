"""From logits of one scene to masks, labels and scores.

Masks stay at superpoint level until somebody asks for points; sizes are counted in points through
the number of points per superpoint.

Source:
    Mask selection and panoptic painting follow arXiv:2311.14405 and arXiv:2407.03263 as released;
    matrix NMS is arXiv:2003.10152, Sec. 3.3. Where the release divides by zero (three identical
    masks, masks without area) a small constant keeps scores finite: such duplicates get 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.structures import InstanceMasks

__all__ = [
    'PostprocessConfig',
    'distinct_proposals',
    'mask_quality',
    'matrix_nms',
    'merge_panoptic',
    'paint_instances',
    'predict_panoptic',
    'predict_semantic',
    'prompt_masks',
    'select_instances',
    'select_proposals',
]

Kernel = Literal['linear', 'gaussian']
_EPS = 1e-6
# Proposals that are compared with the kept ones at a time.
_BLOCK_ROWS = 256


@dataclass(frozen=True)
class PostprocessConfig:
    """Settings of mask selection; the defaults are the published ones.

    Attributes:
        topk: (query, class) pairs that are kept before NMS.
        mask_threshold: a superpoint belongs to a mask if its probability is above this.
        score_threshold: instances need a higher score.
        panoptic_score_threshold: instances that enter the panoptic map need a higher score.
        min_points: masks need more points than this.
        object_normalization: multiply scores by the mean probability inside the mask.
        inside_threshold: for that mean, a superpoint is inside above this probability; 0.01 in
            models with learned queries.
        instance_quality: multiply instance scores by the predicted mask quality.
        panoptic_quality: the same for the panoptic map.
        nms: run matrix NMS.
        nms_kernel: ``'linear'`` or ``'gaussian'``.
        nms_sigma: width of the Gaussian kernel.
        stuff: semantic classes without instances; they come first in the label space.
        proposal_threshold: class-agnostic proposals need a higher score.
        proposal_overlap: of two proposals with a higher IoU the better one stays.
    """

    topk: int = 600
    mask_threshold: float = 0.4
    score_threshold: float = 0.0
    panoptic_score_threshold: float = 0.5
    min_points: int = 100
    object_normalization: bool = True
    inside_threshold: float = 0.5
    instance_quality: bool = False
    panoptic_quality: bool = True
    nms: bool = True
    nms_kernel: Kernel = 'linear'
    nms_sigma: float = 2.0
    stuff: tuple[int, ...] = (0, 1)
    proposal_threshold: float = 0.6
    proposal_overlap: float = 0.5

    def __post_init__(self) -> None:
        if self.nms_kernel not in ('linear', 'gaussian'):
            raise ConfigError(
                f"nms_kernel is {self.nms_kernel!r}, expected 'linear' or 'gaussian'."
            )
        if not 0 < self.inside_threshold < 1:
            raise ConfigError(f'inside_threshold is {self.inside_threshold}, expected 0 to 1.')
        if self.topk < 1:
            raise ConfigError(f'topk is {self.topk}, expected at least 1.')
        if not self.stuff or tuple(self.stuff) != tuple(range(len(self.stuff))):
            raise ConfigError(
                f'stuff is {tuple(self.stuff)}, expected 0, 1, ... : list the stuff classes first '
                'in the label space, at least one.'
            )


def mask_quality(mask_logits: Tensor, threshold: float = 0.5) -> Tensor:
    """Mean probability inside the mask; 0 for a mask that has no inside.

    Args:
        mask_logits: float, (Q, S).
        threshold: what is inside has a higher probability.

    Returns:
        float, (Q,), in [0, 1).
    """
    # The probability of a tiny positive logit rounds to 0.5.
    inside = mask_logits > math.log(threshold / (1 - threshold))
    return (mask_logits.sigmoid() * inside).sum(dim=1) / (inside.sum(dim=1) + _EPS)


def matrix_nms(
    masks: Tensor,
    labels: Tensor,
    scores: Tensor,
    *,
    kernel: Kernel = 'linear',
    sigma: float = 2.0,
    pre_topk: int | None = None,
    min_score: float = 0.0,
    max_masks: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower the score of masks that overlap a better mask of the same label.

    Args:
        masks: float, (Q, S), probabilities. Area is their sum, overlap the sum of products.
        labels: int64, (Q,).
        scores: float, (Q,).
        kernel: how overlap lowers a score.
        sigma: width of the Gaussian kernel.
        pre_topk: look only at this many of the best masks.
        min_score: with a positive value, drop masks that fall below it.
        max_masks: keep at most this many.

    Returns:
        New scores float (K,), descending, and the row of each in the input, int64 (K,).
    """
    order = torch.sort(scores, descending=True, stable=True).indices[:pre_topk]
    if not len(order):
        return scores[order], order
    masks, labels, scores = masks[order].float(), labels[order], scores[order]
    shared = masks @ masks.T
    area = masks.sum(dim=1)
    union = area[:, None] + area[None, :] - shared
    overlap = torch.where(union > 0, shared / union.clamp(min=_EPS), union.new_zeros(()))
    overlap = (overlap * (labels[:, None] == labels[None, :])).triu(diagonal=1)
    worst = overlap.max(dim=0).values[:, None]
    if kernel == 'gaussian':
        decay = torch.exp(-sigma * overlap**2) / torch.exp(-sigma * worst**2)
    else:
        decay = (1 - overlap).clamp(min=0) / (1 - worst).clamp(min=_EPS)
    scores = scores * decay.min(dim=0).values
    if min_score > 0:
        kept = torch.nonzero(scores >= min_score)[:, 0]
        scores, order = scores[kept], order[kept]
    scores, again = torch.sort(scores, descending=True, stable=True)
    return scores[:max_masks], order[again][:max_masks]


def select_instances(
    cls_logits: Tensor,
    mask_logits: Tensor,
    quality: Tensor | None,
    superpoints: Tensor,
    config: PostprocessConfig,
    *,
    score_threshold: float | None = None,
    use_quality: bool | None = None,
) -> InstanceMasks:
    """The best (query, class) pairs of a scene as instances.

    Args:
        cls_logits: float, (Q, K + 1). The last column is "no object".
        mask_logits: float, (Q, S).
        quality: float, (Q,) or (Q, 1), predicted IoU of each mask, or None without such a head.
        superpoints: int64, (N,). Superpoint of each point.
        config: thresholds and switches.
        score_threshold: instead of ``config.score_threshold``.
        use_quality: instead of ``config.instance_quality``.

    Returns:
        Masks with labels ``0..K-1``, descending scores, each of more than ``min_points`` points.
        One query can appear with several labels.
    """
    num_superpoints = mask_logits.shape[1]
    probabilities = cls_logits.float().softmax(dim=1)[:, :-1]
    num_classes = probabilities.shape[1]
    if use_quality is None:
        use_quality = config.instance_quality
    if use_quality and quality is not None:
        probabilities = probabilities * quality.reshape(-1, 1)
    if probabilities.numel() == 0:
        return InstanceMasks.empty(superpoints, num_superpoints)
    # A stable sort instead of topk: equal scores come out in the same order on every device.
    scores, pairs = torch.sort(probabilities.reshape(-1), descending=True, stable=True)
    scores, pairs = scores[: config.topk], pairs[: config.topk]
    labels = pairs % num_classes
    logits = mask_logits[pairs // num_classes].float()
    if config.object_normalization:
        scores = scores * mask_quality(logits, config.inside_threshold)
    soft = logits.sigmoid()
    if config.nms:
        scores, rows = matrix_nms(
            soft, labels, scores, kernel=config.nms_kernel, sigma=config.nms_sigma
        )
        soft, labels = soft[rows], labels[rows]
    minimum = config.score_threshold if score_threshold is None else score_threshold
    confident = scores > minimum
    found = InstanceMasks(
        soft[confident] > config.mask_threshold, superpoints, labels[confident], scores[confident]
    )
    return found[found.sizes() > config.min_points]


def select_proposals(
    mask_logits: Tensor,
    quality: Tensor | None,
    superpoints: Tensor,
    config: PostprocessConfig,
    *,
    score_threshold: float | None = None,
) -> tuple[InstanceMasks, Tensor]:
    """Masks without a class, for open vocabularies: no NMS, no size limit, labels -1.

    Args:
        mask_logits: float, (Q, S).
        quality: float, (Q,) or (Q, 1), predicted IoU of each mask, or None.
        superpoints: int64, (N,).
        config: thresholds.
        score_threshold: instead of ``config.proposal_threshold``.

    Returns:
        The masks, and the query of each, int64 (K,).
    """
    scores = mask_quality(mask_logits.float())
    if quality is not None:
        scores = scores * quality.reshape(-1)
    minimum = config.proposal_threshold if score_threshold is None else score_threshold
    rows = torch.nonzero(scores > minimum)[:, 0]
    labels = torch.full_like(rows, -1)
    masks = prompt_masks(mask_logits[rows], superpoints, config, scores=scores[rows], labels=labels)
    return masks, rows


def distinct_proposals(masks: InstanceMasks, config: PostprocessConfig) -> Tensor:
    """Rows of proposals that show different things, best first.

    Greedy: a proposal is dropped if it shares more than ``config.proposal_overlap`` (IoU over
    points) with a better one, or has at most ``config.min_points`` points.

    Returns:
        int64, (K,).
    """
    every = masks.superpoint_masks
    points = torch.bincount(masks.superpoints, minlength=every.shape[1]).float()
    order = torch.sort(masks.scores, descending=True, stable=True).indices
    order = order[masks.sizes()[order] > config.min_points]
    kept = order[:0]
    # A block is compared with what is kept, which is little, not with all others.
    for rows in order.split(_BLOCK_ROWS):
        taken = _overlap(every[rows], every[kept], points) > config.proposal_overlap
        rows = rows[~taken.any(dim=1)]
        too_close = _overlap(every[rows], every[rows], points) > config.proposal_overlap
        kept = torch.cat([kept, rows[_first_of_each(too_close)]])
    return kept


def _overlap(left: Tensor, right: Tensor, points: Tensor) -> Tensor:
    """IoU over points of masks bool (L, S) and (R, S): float, (L, R)."""
    weighted, right = left.float() * points, right.float()
    shared = weighted @ right.T
    area = weighted.sum(dim=1)[:, None] + (right @ points)[None]
    return shared / (area - shared).clamp(min=_EPS)


def _first_of_each(too_close: Tensor) -> Tensor:
    """Rows that are too close to no earlier row that stays, of bool (R, R): int64, (K,)."""
    close = too_close.cpu().numpy()
    dropped, kept = np.zeros(len(close), dtype=bool), []
    for row in range(len(close)):
        if not dropped[row]:
            kept.append(row)
            dropped |= close[row]
    return torch.tensor(kept, dtype=torch.int64, device=too_close.device)


def prompt_masks(
    mask_logits: Tensor,
    superpoints: Tensor,
    config: PostprocessConfig,
    *,
    scores: Tensor | None = None,
    labels: Tensor | None = None,
) -> InstanceMasks:
    """One mask per prompt, empty ones included: no NMS, no size limit.

    Args:
        mask_logits: float, (P, S).
        superpoints: int64, (N,).
        config: gives the mask threshold.
        scores: float, (P,). Default: mean probability inside the mask.
        labels: int64, (P,). Default: -1.
    """
    soft = mask_logits.float().sigmoid()
    if scores is None:
        scores = mask_quality(mask_logits.float())
    if labels is None:
        labels = torch.full((len(soft),), -1, dtype=torch.int64, device=soft.device)
    return InstanceMasks(soft > config.mask_threshold, superpoints, labels, scores)


def predict_semantic(semantic_logits: Tensor, superpoints: Tensor, num_classes: int) -> Tensor:
    """Best class of every point.

    Args:
        semantic_logits: float, (S, K) or (S, K + 1); a column for "no class" is not used.
        superpoints: int64, (N,).
        num_classes: K.

    Returns:
        int64, (N,), in ``0..K-1``.
    """
    return semantic_logits[:, :num_classes].argmax(dim=1)[superpoints]


def merge_panoptic(
    semantic_logits: Tensor, instances: InstanceMasks, config: PostprocessConfig
) -> tuple[Tensor, Tensor]:
    """Paint instances over the stuff classes, the best on top.

    Args:
        semantic_logits: float, (S, >= number of stuff classes).
        instances: candidates, labels are thing classes counted from 0.
        config: stuff classes and minimum size.

    Returns:
        Semantic class int64 (N,), and segment id int64 (N,): the class for stuff; for instances
        ids from the number of stuff classes on, in ascending order of score. An id whose visible
        part has at most ``min_points`` points is given to stuff, so ids may have gaps.
    """
    num_stuff = len(config.stuff)
    superpoints = instances.superpoints
    stuff = semantic_logits[:, :num_stuff].argmax(dim=1)
    semantic, segment = stuff.clone(), stuff.clone()
    top, labels = paint_instances(instances, config.min_points)
    painted = top > 0
    segment[painted] = top[painted] + num_stuff - 1
    semantic[painted] = labels[top[painted] - 1] + num_stuff
    return semantic[superpoints], segment[superpoints]


def paint_instances(instances: InstanceMasks, min_points: int) -> tuple[Tensor, Tensor]:
    """Which instance is seen at every superpoint when the best is on top.

    Args:
        instances: candidates.
        min_points: an instance of which no more points than this are seen is taken away, and
            leaves a hole.

    Returns:
        Rank of the instance, int64 (S,): 1 for the lowest score and up, 0 for none; and the label
        of every rank from 1 on, int64 (K,).
    """
    num_superpoints = instances.superpoint_masks.shape[1]
    device = instances.superpoint_masks.device
    if not len(instances):
        return torch.zeros(num_superpoints, dtype=torch.int64, device=device), instances.labels
    # Reversed so that of two equal scores the one listed first is painted last.
    order = torch.sort(instances.scores, descending=True, stable=True).indices.flip(0)
    masks, labels = instances.superpoint_masks[order], instances.labels[order]
    rank = torch.arange(1, len(order) + 1, device=device)
    top = (masks * rank[:, None]).max(dim=0).values
    points = torch.bincount(instances.superpoints, minlength=num_superpoints)
    visible = torch.zeros(len(order) + 1, dtype=torch.int64, device=device)
    visible.index_add_(0, top, points)
    return torch.where(visible[top] > min_points, top, 0), labels


def predict_panoptic(
    cls_logits: Tensor,
    mask_logits: Tensor,
    quality: Tensor | None,
    semantic_logits: Tensor,
    superpoints: Tensor,
    config: PostprocessConfig,
) -> tuple[Tensor, Tensor]:
    """Select confident instances and paint them (arguments as in the two steps)."""
    instances = select_instances(
        cls_logits,
        mask_logits,
        quality,
        superpoints,
        config,
        score_threshold=config.panoptic_score_threshold,
        use_quality=config.panoptic_quality,
    )
    return merge_panoptic(semantic_logits, instances, config)
