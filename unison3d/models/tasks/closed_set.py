"""Semantic, instance and panoptic segmentation with a fixed label space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.models.decoders import LayerOutput
from unison3d.models.heads import PUBLISHED_SCALE, cosine_logits, with_background
from unison3d.models.losses import MaskSetLoss, MaskTargets, mask_iou
from unison3d.models.matchers import SparseMatcher
from unison3d.models.postprocess import (
    PostprocessConfig,
    predict_panoptic,
    predict_semantic,
    select_instances,
)
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import Task, TaskOutput, TaskRows
from unison3d.models.tasks.quality_head import QualityHead
from unison3d.models.tasks.scene_rows import ROW_GROUP, SuperpointQueries
from unison3d.registry import MODELS, TEXT_ENCODERS
from unison3d.structures import LABEL_SPACES, SceneSample


@MODELS.register_module()
class ClosedSetTask(Task):
    """Every superpoint asks what it is and which object it belongs to.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        label_space: key of :data:`~unison3d.structures.LABEL_SPACES`.
        text_encoder: config of a text encoder that embeds the class names, or None where
            ``class_embeddings`` is given.
        class_embeddings: float32, (K, P, E) prototypes of the K classes.
        logit_scale: factor on the cosine.
        queries: options of :class:`SuperpointQueries`.
        matcher: options of :class:`SparseMatcher`.
        instance_loss: options of :class:`MaskSetLoss`.
        semantic_weight: weight of the semantic cross-entropy.
        quality_weight: weight of the squared error of the predicted mask IoU.
        postprocess: options of :class:`PostprocessConfig`.
    """

    row_group = ROW_GROUP

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        label_space: str = 'scannet20',
        text_encoder: dict | None = None,
        class_embeddings: Tensor | None = None,
        logit_scale: float = PUBLISHED_SCALE,
        queries: dict | None = None,
        matcher: dict | None = None,
        instance_loss: dict | None = None,
        semantic_weight: float = 0.2,
        quality_weight: float = 0.1,
        postprocess: dict | None = None,
    ) -> None:
        super().__init__(in_channels)
        self.label_space = LABEL_SPACES[label_space]
        self.num_stuff = len(self.label_space.stuff)
        if class_embeddings is None:
            if text_encoder is None:
                raise ConfigError('ClosedSetTask needs a text_encoder or class_embeddings')
            encoder = TEXT_ENCODERS.build(text_encoder)
            class_embeddings = encoder.encode(list(self.label_space.classes))[:, None]
        # Stored with the weights: they are worth nothing with vectors of another text encoder.
        self.register_buffer('class_embeddings', class_embeddings)
        self.logit_scale = logit_scale
        self.make_queries = SuperpointQueries(in_channels, **(queries or {}))
        self.quality_head = QualityHead(d_model)
        self.matcher = SparseMatcher(**(matcher or {}))
        self.instance_loss = MaskSetLoss(**(instance_loss or {}))
        self.semantic_weight = semantic_weight
        self.quality_weight = quality_weight
        self.postprocess = PostprocessConfig(
            **{'stuff': self.label_space.stuff, **(postprocess or {})}
        )

    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """A query per superpoint; prompts play no part."""
        return self.make_queries(features)

    def instance_logits(self, layer: LayerOutput) -> Tensor:
        """Logits of things and, last, background: (Q, T + 1)."""
        prototypes = self.class_embeddings[self.num_stuff :]
        return with_background(cosine_logits(layer.class_embeddings, prototypes, self.logit_scale))

    def semantic_logits(self, layer: LayerOutput) -> Tensor:
        """Logits of all classes without background: (Q, K)."""
        return cosine_logits(layer.semantic_embeddings, self.class_embeddings, self.logit_scale)

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Instance, semantic and quality terms."""
        instance = quality = outputs[0].final.mask_logits.sum() * 0
        num_layers = len(outputs[0].layers)
        for index in range(num_layers):
            targets = []
            for output, sample in zip(outputs, samples, strict=True):
                scene, layer_quality = self._instance_targets(output, index, sample)
                targets.append(scene)
                quality = quality + layer_quality / len(outputs)
            instance = instance + self.instance_loss(
                targets, final=index == num_layers - 1, batch_size=len(outputs)
            )
        semantic = [self._semantic_loss(o, s) for o, s in zip(outputs, samples, strict=True)]
        return {
            'loss_instance': instance,
            'loss_quality': self.quality_weight * quality,
            'loss_semantic': self.semantic_weight * torch.stack(semantic).mean(),
        }

    def _instance_targets(
        self, output: TaskOutput, index: int, sample: SceneSample
    ) -> tuple[MaskTargets, Tensor]:
        """Match the queries of one scene at one layer; also their quality error."""
        layer = output.layers[index]
        learnable = ~sample.sp_ignore
        mask_logits = layer.mask_logits[:, learnable]
        masks = sample.sp_masks[:, learnable]
        semantic = sample.gt_instance_semantic
        # Objects of no class, and stuff somebody gave an instance, have a mask but no thing class.
        is_thing = (semantic >= self.num_stuff) & (semantic < self.label_space.num_classes)
        labels = torch.where(is_thing, semantic - self.num_stuff, -1)
        class_logits = self.instance_logits(layer)
        query_ids, target_ids = self.matcher(
            mask_logits, masks, sample.sp_masks[:, output.superpoints], class_logits, labels
        )
        background = class_logits.shape[1] - 1
        query_labels = torch.full_like(output.superpoints, background)
        # Where nothing is known, a query may be an object nobody labelled.
        query_labels[sample.sp_ignore[output.superpoints]] = -1
        query_labels[query_ids] = labels[target_ids]
        matched_logits, matched_masks = mask_logits[query_ids], masks[target_ids]
        predicted = self.quality_head(layer.embeddings[query_ids])
        target = mask_iou(matched_logits, matched_masks)
        error = F.mse_loss(predicted, target) if len(query_ids) else predicted.sum()
        return MaskTargets(class_logits, query_labels, matched_logits, matched_masks), error

    def _semantic_loss(self, output: TaskOutput, sample: SceneSample) -> Tensor:
        logits = self.semantic_logits(output.final)
        targets = sample.sp_semantic[output.superpoints]
        ignore = self.label_space.ignore_index
        if not bool((targets != ignore).any()):
            return logits.sum() * 0
        return F.cross_entropy(logits, targets, ignore_index=ignore)

    def predict(self, output: TaskOutput, features: SceneFeatures, sample: SceneSample) -> None:
        """Write ``pred_semantic``, ``pred_instances`` and ``pred_panoptic_*``."""
        layer = output.final
        semantic_logits = self.semantic_logits(layer)
        class_logits = self.instance_logits(layer)
        quality = self.quality_head(layer.embeddings)
        superpoints = features.superpoints
        sample.pred_semantic = predict_semantic(
            semantic_logits, superpoints, self.label_space.num_classes
        )
        sample.pred_instances = select_instances(
            class_logits, layer.mask_logits, quality, superpoints, self.postprocess
        )
        sample.pred_panoptic_semantic, sample.pred_panoptic_instance = predict_panoptic(
            class_logits, layer.mask_logits, quality, semantic_logits, superpoints, self.postprocess
        )
