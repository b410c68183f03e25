"""The cheapest one-to-one assignment of queries to objects."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from unison3d.errors import SceneError
from unison3d.models.matchers.costs import PairCost
from unison3d.registry import TASK_UTILS


@TASK_UTILS.register_module()
class HungarianMatcher:
    """Give every object a query of its own so that the sum of all costs is smallest.

    For learned queries, which lie nowhere and so cannot be asked whether they lie on an object.
    With fewer queries than objects, the objects that cost most stay unmatched.

    Args:
        class_weight: weight of ``-probability(class of the object)``.
        bce_weight: weight of the mask cross-entropy.
        dice_weight: weight of the dice cost.

    Source:
        DETR (arXiv:2005.12872), Sec. 3.1; costs of OneFormer3D (arXiv:2311.14405) on S3DIS.
    """

    def __init__(
        self, class_weight: float = 0.5, bce_weight: float = 1.0, dice_weight: float = 1.0
    ) -> None:
        self.pair_cost = PairCost(class_weight, bce_weight, dice_weight)

    @torch.no_grad()
    def __call__(
        self,
        mask_logits: Tensor,
        target_masks: Tensor,
        class_logits: Tensor | None = None,
        target_labels: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Match.

        Args:
            mask_logits: (Q, S).
            target_masks: bool, (M, S).
            class_logits: (Q, K), or None to match by masks alone.
            target_labels: int64, (M,) in ``0..K-1``, -1 where the class is unknown.

        Returns:
            Query and object of every pair, int64, ordered by query.

        Raises:
            SceneError: a cost is not finite, so the network has diverged.
        """
        cost = self.pair_cost(mask_logits, target_masks, class_logits, target_labels)
        if not bool(torch.isfinite(cost).all()):
            raise SceneError(
                f'{int((~torch.isfinite(cost)).sum())} of {cost.numel()} matching costs are not '
                'finite, expected numbers: the training has diverged. Lower the learning rate or '
                'resume from an earlier checkpoint.'
            )
        rows, columns = linear_sum_assignment(cost.cpu().numpy())
        return (
            torch.from_numpy(rows).to(mask_logits.device),
            torch.from_numpy(columns).to(mask_logits.device),
        )
