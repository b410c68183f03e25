"""How good is this mask?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison3d.models.losses import mask_iou
from unison3d.models.tasks.base import TaskOutput
from unison3d.registry import MODELS
from unison3d.structures import SceneSample


@MODELS.register_module()
class QualityHead(nn.Sequential):
    """Predict the IoU of a query's mask with the truth (``pred_iou_proj`` of UniSeg3D).

    The value is a plain regression and may leave [0, 1] a little.

    Args:
        d_model: width of the decoder.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__(
            nn.Linear(d_model, d_model),
            nn.ReLU(),
            nn.Linear(d_model, d_model),
            nn.ReLU(),
            nn.Linear(d_model, 1),
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """(Q, D) to (Q,)."""
        return super().forward(embeddings)[:, 0]


def scene_quality_loss(head: QualityHead, output: TaskOutput, sample: SceneSample) -> Tensor:
    """Squared error of the predicted quality of all rows of a scene.

    The truth of a row is the IoU of its mask with the object it lies on, 0 on walls and floors.
    The head reads the masks and does not reshape them: no gradient goes to the decoder.

    Args:
        head: predicts the IoU.
        output: rows with a superpoint each.
        sample: needs ``sp_masks`` and ``sp_ignore``.
    """
    layer = output.final
    learnable = ~sample.sp_ignore
    known = learnable[output.superpoints]
    masks = sample.sp_masks[:, output.superpoints]
    if len(masks):
        # After the majority vote a superpoint lies in one instance at most.
        own = sample.sp_masks[masks.int().argmax(dim=0)] & masks.any(dim=0)[:, None]
    else:
        own = torch.zeros_like(layer.mask_logits, dtype=torch.bool)
    iou = mask_iou(layer.mask_logits[:, learnable], own[:, learnable])
    predicted = head(layer.embeddings.detach())
    if not bool(known.any()):
        return predicted.sum() * 0
    return F.mse_loss(predicted[known], iou[known])
