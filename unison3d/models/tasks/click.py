"""Interactive segmentation: positive and negative clicks, several objects."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unison3d.models.decoders import QueryBlock
from unison3d.models.losses import MaskSetLoss
from unison3d.models.postprocess import PostprocessConfig, prompt_masks
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import Task, TaskOutput, TaskRows
from unison3d.models.tasks.prompt_loss import prompt_loss
from unison3d.models.tasks.quality_head import QualityHead
from unison3d.registry import MODELS
from unison3d.structures import SceneSample


@MODELS.register_module()
class ClickTask(Task):
    """One query per click; the clicks of an object see each other and answer together.

    A single positive click per object is the published task. Further clicks, also negative ones,
    are rows of the same object that attend to each other; the mask of the object is the mean of
    the logits of its positive rows (of all its rows, if it has no positive one).

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        mask_loss: options of :class:`MaskSetLoss`.
        loss_weight: weight of the task.
        quality_weight: weight of the quality term inside the task.
        postprocess: options of :class:`PostprocessConfig`; the mask threshold counts here.
    """

    row_group = 'clicks'

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        mask_loss: dict | None = None,
        loss_weight: float = 0.1,
        quality_weight: float = 0.1,
        postprocess: dict | None = None,
    ) -> None:
        super().__init__(in_channels)
        # Row 1 of the published ``type_embedding`` and its counterpart for "not this".
        self.positive_embedding = nn.Parameter(torch.randn(in_channels))
        self.negative_embedding = nn.Parameter(torch.randn(in_channels))
        self.quality_head = QualityHead(d_model)
        self.mask_loss = MaskSetLoss(**(mask_loss or {}))
        self.loss_weight = loss_weight
        self.quality_weight = quality_weight
        self.postprocess = PostprocessConfig(**(postprocess or {}))

    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """A query per click of the sample."""
        prompts = sample.prompts
        superpoints = prompts.click_superpoints
        sign = torch.where(
            prompts.click_positive[:, None], self.positive_embedding, self.negative_embedding
        )
        same_object = prompts.click_objects[:, None] == prompts.click_objects[None]
        block = QueryBlock(
            features.superpoint_features.index_select(0, superpoints) + sign,
            allowed=same_object,
            positions=features.positions[superpoints],
        )
        return TaskRows(block, superpoints)

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Every row learns the mask of its object."""
        targets, known = [], []
        for sample in samples:
            prompts = sample.prompts
            instance = prompts.click_targets[prompts.click_objects]
            known.append(instance >= 0)
            if len(sample.sp_masks):
                targets.append(sample.sp_masks[instance.clamp(min=0)])
            else:
                targets.append(sample.sp_masks.new_zeros(len(instance), sample.sp_masks.shape[1]))
        learnable = [~sample.sp_ignore for sample in samples]
        mask, quality = prompt_loss(
            outputs, targets, known, learnable, self.mask_loss, self.quality_head
        )
        return {
            'loss_click': self.loss_weight * mask,
            'loss_click_quality': self.loss_weight * self.quality_weight * quality,
        }

    def predict(self, output: TaskOutput, features: SceneFeatures, sample: SceneSample) -> None:
        """Write ``pred_clicks``, one row per object."""
        prompts = sample.prompts
        objects = torch.arange(prompts.num_objects, device=features.device)
        membership = objects[:, None] == prompts.click_objects[None]
        positive = membership & prompts.click_positive
        voting = torch.where(positive.any(dim=1, keepdim=True), positive, membership)
        share = voting / voting.sum(dim=1, keepdim=True).clamp(min=1)
        share = share.to(output.final.mask_logits.dtype)
        quality = share @ self.quality_head(output.final.embeddings)
        sample.pred_clicks = prompt_masks(
            share @ output.final.mask_logits,
            features.superpoints,
            self.postprocess,
            scores=quality.clamp(0.0, 1.0),
        )
