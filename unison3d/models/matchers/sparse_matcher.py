"""Which query answers for which object."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.models.matchers.costs import PairCost
from unison3d.registry import TASK_UTILS

OUTSIDE_COST = 1e8


@TASK_UTILS.register_module()
class SparseMatcher:
    """Match every object to its ``topk`` cheapest queries among those that lie on it.

    A pair matches when its cost is strictly below the ``topk + 1``-th smallest cost of the
    object, so ties between the best and the next give no match, and an object without any query
    on it stays unmatched.

    Args:
        topk: queries per object; 1 is the published setting.
        class_weight: weight of ``-probability(class of the object)``.
        bce_weight: weight of the mask cross-entropy.
        dice_weight: weight of the dice cost.

    Source:
        "Disentangled matching" of OneFormer3D (arXiv:2311.14405), Sec. 3.3.
    """

    def __init__(
        self,
        topk: int = 1,
        class_weight: float = 0.5,
        bce_weight: float = 1.0,
        dice_weight: float = 1.0,
    ) -> None:
        self.topk = topk
        self.pair_cost = PairCost(class_weight, bce_weight, dice_weight)

    @torch.no_grad()
    def cost(
        self,
        mask_logits: Tensor,
        target_masks: Tensor,
        query_on_target: Tensor,
        class_logits: Tensor | None = None,
        target_labels: Tensor | None = None,
    ) -> Tensor:
        """Cost of every pair, float32, (Q, M); see :meth:`__call__` for the arguments."""
        cost = self.pair_cost(mask_logits, target_masks, class_logits, target_labels)
        return torch.where(query_on_target.t(), cost, OUTSIDE_COST)

    @torch.no_grad()
    def __call__(
        self,
        mask_logits: Tensor,
        target_masks: Tensor,
        query_on_target: Tensor,
        class_logits: Tensor | None = None,
        target_labels: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Match.

        Args:
            mask_logits: (Q, S).
            target_masks: bool, (M, S).
            query_on_target: bool, (M, Q). True where the query's own superpoint is in the mask.
            class_logits: (Q, K), or None to match by masks alone.
            target_labels: int64, (M,) in ``0..K-1``, -1 where the class is unknown.

        Returns:
            Query and object of every matched pair, int64, ordered by query, then object.
        """
        num_queries, num_targets = len(mask_logits), len(target_masks)
        if num_queries == 0 or num_targets == 0:
            empty = torch.zeros(0, dtype=torch.int64, device=mask_logits.device)
            return empty, empty
        cost = self.cost(mask_logits, target_masks, query_on_target, class_logits, target_labels)
        # With no more queries than topk there is no next cheapest one to beat.
        missing = max(self.topk + 1 - num_queries, 0)
        padded = F.pad(cost, (0, 0, 0, missing), value=OUTSIDE_COST)
        threshold = padded.topk(self.topk + 1, dim=0, largest=False).values[-1]
        return torch.nonzero(cost < threshold, as_tuple=True)
