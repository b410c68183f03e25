"""What it costs to give a query to an object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unison3d.models.losses.mask_losses import pairwise_bce, pairwise_dice


@dataclass
class PairCost:
    """Cost of every pair of a query and an object.

    Args:
        class_weight: weight of ``-probability(class of the object)``.
        bce_weight: weight of the mask cross-entropy.
        dice_weight: weight of the dice cost.
    """

    class_weight: float = 0.5
    bce_weight: float = 1.0
    dice_weight: float = 1.0

    @torch.no_grad()
    def __call__(
        self,
        mask_logits: Tensor,
        target_masks: Tensor,
        class_logits: Tensor | None = None,
        target_labels: Tensor | None = None,
    ) -> Tensor:
        """Sum of the weighted costs.

        Args:
            mask_logits: (Q, S).
            target_masks: bool, (M, S).
            class_logits: (Q, K), or None to compare masks alone.
            target_labels: int64, (M,) in ``0..K-1``, -1 where the class is unknown and costs 0.

        Returns:
            float32, (Q, M).
        """
        # In half precision costs tie that differ.
        mask_logits, target = mask_logits.float(), target_masks.float()
        cost = self.bce_weight * pairwise_bce(mask_logits, target)
        cost = cost + self.dice_weight * pairwise_dice(mask_logits, target)
        if class_logits is not None and target_labels is not None:
            known = target_labels >= 0
            probability = class_logits.float().softmax(dim=1)[:, target_labels.clamp(min=0)]
            cost = cost - self.class_weight * probability * known
        return cost
