"""Classification by plain linear layers, for models without a text tower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.registry import MODELS

if TYPE_CHECKING:
    from unison3d.models.decoders import LayerOutput


@MODELS.register_module()
class LinearClassifier(nn.Module):
    """Class logits of queries: two layers for instances, one for semantic classes.

    Parameters carry the published names, ``out_cls`` and ``out_sem``.

    Args:
        d_model: width of the decoder.
        num_things: classes with instances, T.
        num_classes: semantic classes, K; None leaves the semantic layers out.
        num_semantic_layers: 1 (all released models) or 2.

    Source:
        OneFormer3D (arXiv:2311.14405).
    """

    def __init__(
        self,
        d_model: int,
        num_things: int,
        num_classes: int | None = None,
        num_semantic_layers: int = 1,
    ) -> None:
        super().__init__()
        if num_semantic_layers not in (1, 2):
            raise ConfigError(f'num_semantic_layers is {num_semantic_layers}, expected 1 or 2')
        self.num_classes = num_classes
        self.out_cls = _two_layers(d_model, num_things + 1)
        self.out_sem = None
        if num_classes is not None:
            # The last output, "no class", is part of the released weights and never learned.
            make = nn.Linear if num_semantic_layers == 1 else _two_layers
            self.out_sem = make(d_model, num_classes + 1)

    def instance_logits(self, layer: LayerOutput) -> Tensor:
        """Logits of things and, last, background: (Q, T + 1)."""
        return self.out_cls(layer.embeddings)

    def semantic_logits(self, layer: LayerOutput) -> Tensor:
        """Logits of all classes without "no class": (Q, K)."""
        return self.out_sem(layer.embeddings)[:, : self.num_classes]


def _two_layers(d_model: int, num_outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d_model, d_model), nn.ReLU(), nn.Linear(d_model, num_outputs))
