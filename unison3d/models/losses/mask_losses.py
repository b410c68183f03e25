"""Losses and costs on masks over superpoints."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def bce_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, mean over all elements of (R, S)."""
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """``1 - (2 sum(pt) + 1) / (sum p + sum t + 1)`` per row, mean over rows of (R, S)."""
    probability = logits.sigmoid()
    targets = targets.to(logits.dtype)
    overlap = 2 * (probability * targets).sum(dim=1)
    total = probability.sum(dim=1) + targets.sum(dim=1)
    return (1 - (overlap + 1) / (total + 1)).mean()


def pairwise_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy of every logit row with every target row.

    Args:
        logits: (Q, S).
        targets: (M, S) in the type of ``logits``.

    Returns:
        (Q, M).
    """
    # softplus(-x) is softplus(x) - x, so one table of the dear function does for both.
    cost = F.softplus(logits).sum(dim=1, keepdim=True) - logits @ targets.t()
    return cost / max(logits.shape[1], 1)


def pairwise_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """Dice loss of every logit row with every target row, (Q, M)."""
    probability = logits.sigmoid()
    overlap = 2 * probability @ targets.t()
    total = probability.sum(dim=1)[:, None] + targets.sum(dim=1)[None]
    return 1 - (overlap + 1) / (total + 1)


@torch.no_grad()
def mask_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """IoU of each binarised row (probability at least 0.5) with its target, (R,)."""
    predicted = logits.sigmoid() >= 0.5
    targets = targets.bool()
    intersection = (predicted & targets).sum(dim=1)
    return intersection / ((predicted | targets).sum(dim=1) + 1e-6)
