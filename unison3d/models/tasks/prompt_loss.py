"""The loss that click and sentence tasks share: one known mask per prompt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.models.losses import MaskSetLoss, MaskTargets, mask_iou
from unison3d.models.tasks.base import TaskOutput
from unison3d.models.tasks.quality_head import QualityHead


def prompt_loss(
    outputs: list[TaskOutput],
    targets: list[Tensor],
    known: list[Tensor],
    learnable: list[Tensor],
    mask_loss: MaskSetLoss,
    quality_head: QualityHead,
) -> tuple[Tensor, Tensor]:
    """Mask and quality losses of rows whose targets are known one by one.

    Args:
        outputs: B scenes; R rows each.
        targets: per scene bool (R, S).
        known: per scene bool (R,). Rows that have a target.
        learnable: per scene bool (S,). Superpoints that count.
        mask_loss: weights.
        quality_head: predicts the IoU.

    Returns:
        Sum of the mask losses over layers, and of the squared quality errors; both are tied to
        the graph and zero where the batch holds no prompt.
    """
    mask_total = sum(output.final.mask_logits.sum() for output in outputs) * 0
    # No rows, but the parameters take part: processes with and without prompts have to agree.
    quality_total = sum(quality_head(output.final.embeddings[:0]).sum() for output in outputs)
    num_layers = len(outputs[0].layers)
    for index in range(num_layers):
        scenes, errors = [], []
        for output, target, rows, columns in zip(outputs, targets, known, learnable, strict=True):
            if not bool(rows.any()) or not bool(columns.any()):
                continue
            layer = output.layers[index]
            logits, masks = layer.mask_logits[rows][:, columns], target[rows][:, columns]
            scenes.append(MaskTargets(None, None, logits, masks))
            predicted = quality_head(layer.embeddings[rows])
            errors.append(F.mse_loss(predicted, mask_iou(logits, masks)))
        if scenes:
            final = index == num_layers - 1
            mask_total = mask_total + mask_loss(scenes, final=final, batch_size=len(outputs))
            quality_total = quality_total + torch.stack(errors).mean()
    return mask_total, quality_total
