"""Referring segmentation: the objects a sentence talks about."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unison3d.errors import PromptError
from unison3d.models.decoders import QueryBlock
from unison3d.models.losses import MaskSetLoss
from unison3d.models.postprocess import PostprocessConfig, prompt_masks
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import Task, TaskOutput, TaskRows
from unison3d.models.tasks.prompt_loss import prompt_loss
from unison3d.models.tasks.quality_head import QualityHead
from unison3d.models.text import TextEncoder
from unison3d.registry import MODELS, TEXT_ENCODERS
from unison3d.structures import SceneSample


@MODELS.register_module()
class TextTask(Task):
    """One query per sentence, which sees only itself and the scene.

    The mask may cover several objects ("all chairs") or none.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        embedding_dim: width of a sentence embedding, E.
        text_encoder: config of the encoder for sentences that come without an embedding.
        wide: give the sentence to the decoder in its full width. False is the published model,
            which squeezes every sentence into the ``in_channels`` of a superpoint.
        mask_loss: options of :class:`MaskSetLoss`.
        loss_weight: weight of the task.
        quality_weight: weight of the quality term inside the task.
        postprocess: options of :class:`PostprocessConfig`; the mask threshold counts here.
    """

    row_group = 'texts'
    prompted = True

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        embedding_dim: int = 768,
        text_encoder: dict | None = None,
        wide: bool = False,
        mask_loss: dict | None = None,
        loss_weight: float = 0.1,
        quality_weight: float = 0.1,
        postprocess: dict | None = None,
    ) -> None:
        super().__init__(in_channels)
        self.embedding_dim = embedding_dim
        self.text_encoder_config = text_encoder
        self._text_encoder: TextEncoder | None = None
        self.wide = wide
        self.text_mlp = nn.Sequential(
            nn.Linear(embedding_dim, embedding_dim),
            nn.GELU(),
            nn.Linear(embedding_dim, d_model if wide else in_channels),
        )
        # Row 0 of the published ``type_embedding``.
        self.type_embedding = nn.Parameter(torch.randn(in_channels))
        self.quality_head = QualityHead(d_model)
        self.mask_loss = MaskSetLoss(**(mask_loss or {}))
        self.loss_weight = loss_weight
        self.quality_weight = quality_weight
        self.postprocess = PostprocessConfig(**(postprocess or {}))

    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """A query per sentence of the sample."""
        embeddings = self._embeddings(sample).to(features.superpoint_features)
        num_texts = len(embeddings)
        encoded = self.text_mlp(embeddings)
        own = self.type_embedding.expand(num_texts, -1)
        block = QueryBlock(
            own if self.wide else encoded + own,
            allowed=torch.eye(num_texts, dtype=torch.bool, device=features.device),
            positions=features.positions.new_full((num_texts, 3), float('nan')),
            offset=encoded if self.wide else None,
        )
        superpoints = torch.full((num_texts,), -1, dtype=torch.int64, device=features.device)
        return TaskRows(block, superpoints)

    def _embeddings(self, sample: SceneSample) -> Tensor:
        prompts = sample.prompts
        if prompts.text_embeddings is not None:
            return prompts.text_embeddings
        if not prompts.texts:
            return torch.zeros(0, self.embedding_dim)
        if self._text_encoder is None:
            if self.text_encoder_config is None:
                raise PromptError(
                    'the model has no text encoder, so sentences need prompts.text_embeddings '
                    f'of width {self.embedding_dim}'
                )
            # Built on first use: a language model is only loaded when somebody asks a sentence.
            self._text_encoder = TEXT_ENCODERS.build(self.text_encoder_config)
        if prompts.text_tokens is not None and self._text_encoder.reads_tokens:
            return self._text_encoder.encode_tokens(prompts.text_tokens)
        return self._text_encoder.encode(prompts.texts)

    def row_instances(self, sample: SceneSample) -> Tensor:
        """The instance of every sentence that means exactly one."""
        targets = sample.prompts.text_targets
        if targets is None or targets.shape[1] == 0:
            num_texts = sample.prompts.num_texts
            return torch.full((num_texts,), -1, dtype=torch.int64, device=sample.sp_masks.device)
        return torch.where(targets.sum(dim=1) == 1, targets.int().argmax(dim=1), -1)

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Every row learns the union of the objects its sentence means."""
        targets, known = [], []
        for output, sample in zip(outputs, samples, strict=True):
            num_rows = len(output.superpoints)
            text_targets = sample.prompts.text_targets
            has_targets = text_targets is not None
            known.append(output.superpoints.new_full((num_rows,), has_targets, dtype=torch.bool))
            if has_targets:
                union = text_targets.float() @ sample.sp_masks.float() > 0
            else:
                union = sample.sp_masks.new_zeros(num_rows, sample.sp_masks.shape[1])
            targets.append(union)
        learnable = [~sample.sp_ignore for sample in samples]
        mask, quality = prompt_loss(
            outputs, targets, known, learnable, self.mask_loss, self.quality_head
        )
        return {
            'loss_text': self.loss_weight * mask,
            'loss_text_quality': self.loss_weight * self.quality_weight * quality,
        }

    def predict(self, output: TaskOutput, features: SceneFeatures, sample: SceneSample) -> None:
        """Write ``pred_texts``, one row per sentence."""
        layer = output.final
        sample.pred_texts = prompt_masks(
            layer.mask_logits,
            features.superpoints,
            self.postprocess,
            scores=self.quality_head(layer.embeddings).clamp(0.0, 1.0),
        )
