"""Clicks and sentences about one object say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison3d.models.links.prompt_link import PromptLink
from unison3d.models.links.prompt_pairs import PromptPairs, similarity
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks import TaskOutput
from unison3d.registry import MODELS
from unison3d.structures import SceneSample

# Above this the scale of CLIP is not allowed to grow.
MAX_SCALE = 100.0
_MAX_LOGIT_SCALE = math.log(MAX_SCALE)


@MODELS.register_module()
class ContrastiveLink(PromptLink):
    """Symmetric cross-entropy over the clicks and sentences of a scene.

    Args:
        clicks: name of the click task.
        texts: name of the text task.
        weight: of the loss.
        exponentiate_temperature: multiply cosines by the exponential of the learned parameter, at
            most 100, as in CLIP. False multiplies by the parameter itself, as published: 2.66
            instead of 14.3 in the beginning.

    Source:
        UniSeg3D (arXiv:2407.03263), Sec. 3; the released code takes the mean of the two directions,
        the paper their sum. Several sentences about one object share the probability.
    """

    LOSS = 'loss_contrastive'

    def __init__(
        self,
        clicks: str = 'click',
        texts: str = 'text',
        weight: float = 0.1,
        exponentiate_temperature: bool = True,
    ) -> None:
        super().__init__(clicks, texts, weight)
        self.exponentiate_temperature = exponentiate_temperature
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def scale(self) -> Tensor:
        """Factor on the cosine."""
        if not self.exponentiate_temperature:
            return self.logit_scale
        return self.logit_scale.clamp(max=_MAX_LOGIT_SCALE).exp()

    def loss(
        self,
        outputs: Mapping[str, list[TaskOutput]],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """As of the base class. In training, a parameter above its bound is first set to it."""
        if self.training and self.exponentiate_temperature:
            # As CLIP does after each step: at the bound, unlike above it, there is a gradient.
            with torch.no_grad():
                self.logit_scale.clamp_(max=_MAX_LOGIT_SCALE)
        return super().loss(outputs, features, samples)

    def zero(self, outputs: Mapping[str, list[TaskOutput]]) -> Tensor:
        """Also tied to the temperature."""
        return super().zero(outputs) + self.logit_scale * 0

    def scene_loss(self, click: TaskOutput, text: TaskOutput, pairs: PromptPairs) -> Tensor:
        """Mean of both directions, and over pairs."""
        logits = self.scale * similarity(
            click.final.embeddings[pairs.clicks], text.final.embeddings[pairs.texts]
        )
        same = (pairs.instances[:, None] == pairs.instances[None]).to(logits.dtype)
        target = same / same.sum(dim=1, keepdim=True)
        by_click = F.cross_entropy(logits, target, reduction='none')
        by_text = F.cross_entropy(logits.t(), target, reduction='none')
        return (pairs.weights * (by_click + by_text) / 2).mean()
