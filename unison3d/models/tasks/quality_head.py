"""How good is this mask?"""

from __future__ import annotations

from torch import Tensor, nn

from unison3d.registry import MODELS


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
