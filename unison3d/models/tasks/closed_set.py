"""Semantic, instance and panoptic segmentation with a fixed label space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.models.decoders import LayerOutput
from unison3d.models.heads import (
    PUBLISHED_SCALE,
    LinearClassifier,
    cosine_logits,
    with_background,
)
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
from unison3d.structures import SceneSample, get_label_space


@MODELS.register_module()
class ClosedSetTask(Task):
    """Every superpoint asks what it is and which object it belongs to.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        label_space: see :func:`~unison3d.structures.get_label_space`.
        text_encoder: config of a text encoder that embeds the class names, one vector each.
        class_embeddings: float32, (K, P, E) prototypes of the K classes, instead of an encoder.
        num_prototypes: P; with ``embedding_dim`` it makes room for prototypes that come with the
            weights, or from :meth:`set_class_embeddings`, instead of an encoder.
        embedding_dim: E, see ``num_prototypes``.
        logit_scale: factor on the cosine.
        linear_head: options of :class:`LinearClassifier`, which then takes the place of text
            embeddings (OneFormer3D); an empty dict takes its defaults.
        queries: options of :class:`SuperpointQueries`.
        matcher: options of :class:`SparseMatcher`.
        instance_loss: options of :class:`MaskSetLoss`.
        pseudo_matcher: options of the :class:`SparseMatcher` that gives pseudo masks
            (``sample.sp_pseudo_masks``) the queries that no object took; masks alone count.
        pseudo_loss: options of :class:`MaskSetLoss` for pseudo masks. None does not learn from
            them. Their queries teach no class, and the predicted IoU learns from both.
        semantic_weight: weight of the semantic cross-entropy.
        quality_weight: weight of the squared error of the predicted mask IoU. None predicts no
            IoU (OneFormer3D).
        postprocess: options of :class:`PostprocessConfig`.
    """

    row_group = ROW_GROUP

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        label_space: str | Mapping[str, Any] = 'scannet20',
        text_encoder: dict | None = None,
        class_embeddings: Tensor | None = None,
        num_prototypes: int | None = None,
        embedding_dim: int = 768,
        logit_scale: float = PUBLISHED_SCALE,
        linear_head: dict | None = None,
        queries: dict | None = None,
        matcher: dict | None = None,
        instance_loss: dict | None = None,
        pseudo_matcher: dict | None = None,
        pseudo_loss: dict | None = None,
        semantic_weight: float = 0.2,
        quality_weight: float | None = 0.1,
        postprocess: dict | None = None,
    ) -> None:
        super().__init__(in_channels)
        self.label_space = get_label_space(label_space)
        self.num_stuff = len(self.label_space.stuff)
        self.head = None
        if linear_head is not None:
            self.head = LinearClassifier(
                d_model, len(self.label_space.things), self.label_space.num_classes, **linear_head
            )
        elif class_embeddings is None and text_encoder is not None:
            encoder = TEXT_ENCODERS.build(text_encoder)
            class_embeddings = encoder.encode_unit(list(self.label_space.classes))[:, None]
        elif class_embeddings is None:
            if num_prototypes is None:
                raise ConfigError(
                    'ClosedSetTask needs one of text_encoder, class_embeddings, num_prototypes '
                    'and linear_head'
                )
            shape = (self.label_space.num_classes, num_prototypes, embedding_dim)
            class_embeddings = torch.full(shape, torch.nan)
        # Stored with the weights: they are worth nothing with vectors of another text encoder.
        self.register_buffer('class_embeddings', class_embeddings)
        self.logit_scale = logit_scale
        self.needs_text_space = self.head is None
        self.make_queries = SuperpointQueries(in_channels, **(queries or {}))
        if self.head is not None and self.make_queries.max_queries_test is not None:
            raise ConfigError(
                f'max_queries_test is {self.make_queries.max_queries_test} in a ClosedSetTask with '
                'linear_head, which says nothing of superpoints whose query is left out. Leave out '
                'max_queries_test, or classify by text embeddings.'
            )
        self.quality_head = None if quality_weight is None else QualityHead(d_model)
        self.matcher = SparseMatcher(**(matcher or {}))
        self.instance_loss = MaskSetLoss(**(instance_loss or {}))
        self.pseudo_matcher = SparseMatcher(**{'class_weight': 0.0, **(pseudo_matcher or {})})
        self.pseudo_loss = None if pseudo_loss is None else MaskSetLoss(**pseudo_loss)
        self.semantic_weight = semantic_weight
        self.quality_weight = quality_weight
        self.postprocess = PostprocessConfig(
            **{'stuff': self.label_space.stuff, **(postprocess or {})}
        )

    def set_class_embeddings(self, class_embeddings: Tensor) -> None:
        """Take prototypes of the classes.

        Args:
            class_embeddings: float, (K, P, E), finite.

        Raises:
            ConfigError: another shape than the config makes room for, or not finite.
        """
        own = self.class_embeddings
        if class_embeddings.shape != own.shape:
            raise ConfigError(
                f'class embeddings have shape {tuple(class_embeddings.shape)}, expected '
                f'{tuple(own.shape)} (classes, prototypes, width). Set num_prototypes and '
                'embedding_dim of the ClosedSetTask, or use the file of this label space.'
            )
        if not bool(class_embeddings.isfinite().all()):
            raise ConfigError('class embeddings hold NaN or infinity, expected finite numbers')
        own.copy_(class_embeddings)

    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """A query per superpoint; prompts play no part."""
        if self.head is None and bool(self.class_embeddings.flatten()[:1].isnan().any()):
            raise ConfigError(
                'the closed set has no class embeddings yet. Load weights that hold them, or read '
                'them from a file: custom_hooks=[dict(type="ClassEmbeddingsHook", path=...)].'
            )
        return self.make_queries(features)

    def instance_logits(self, layer: LayerOutput) -> Tensor:
        """Logits of things and, last, background: (Q, T + 1)."""
        if self.head is not None:
            return self.head.instance_logits(layer)
        prototypes = self.class_embeddings[self.num_stuff :]
        return with_background(cosine_logits(layer.class_embeddings, prototypes, self.logit_scale))

    def semantic_logits(self, layer: LayerOutput) -> Tensor:
        """Logits of all classes without background: (Q, K)."""
        if self.head is not None:
            return self.head.semantic_logits(layer)
        return cosine_logits(layer.semantic_embeddings, self.class_embeddings, self.logit_scale)

    def thing_labels(self, sample: SceneSample) -> Tensor:
        """Class of every ground-truth instance among the things, -1 for none: int64, (M,)."""
        semantic = sample.gt_instance_semantic
        # Objects of no class, and stuff somebody gave an instance, have a mask but no thing class.
        is_thing = (semantic >= self.num_stuff) & (semantic < self.label_space.num_classes)
        return torch.where(is_thing, semantic - self.num_stuff, -1)

    def match(self, output: TaskOutput, sample: SceneSample) -> tuple[Tensor, Tensor]:
        """Queries and instances that belong together at the last layer."""
        class_logits = self.instance_logits(output.final)
        return self._match_layer(output.final, output.superpoints, sample, class_logits)

    def _match_layer(
        self, layer: LayerOutput, superpoints: Tensor, sample: SceneSample, class_logits: Tensor
    ) -> tuple[Tensor, Tensor]:
        learnable = _learnable(sample)
        return self.matcher(
            layer.mask_logits[:, learnable],
            sample.sp_masks[:, learnable],
            sample.sp_masks[:, superpoints],
            class_logits,
            self.thing_labels(sample),
        )

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Instance, semantic and quality terms, and one of pseudo masks where they are learned."""
        instance = quality = pseudo = outputs[0].final.mask_logits.sum() * 0
        num_layers = len(outputs[0].layers)
        for index in range(num_layers):
            options = {'final': index == num_layers - 1, 'batch_size': len(outputs)}
            scenes = [
                self._layer_targets(output, index, sample)
                for output, sample in zip(outputs, samples, strict=True)
            ]
            instance = instance + self.instance_loss([scene[0] for scene in scenes], **options)
            if self.pseudo_loss is not None:
                pseudo = pseudo + self.pseudo_loss([scene[1] for scene in scenes], **options)
            quality = quality + torch.stack([scene[2] for scene in scenes]).mean()
        semantic = [self._semantic_loss(o, s) for o, s in zip(outputs, samples, strict=True)]
        losses = {'loss_instance': instance}
        if self.quality_head is not None:
            losses['loss_quality'] = self.quality_weight * quality
        losses['loss_semantic'] = self.semantic_weight * torch.stack(semantic).mean()
        return losses if self.pseudo_loss is None else {**losses, 'loss_pseudo': pseudo}

    def _layer_targets(
        self, output: TaskOutput, index: int, sample: SceneSample
    ) -> tuple[MaskTargets, MaskTargets, Tensor]:
        """What the queries of one scene should say at one layer.

        Returns:
            Targets from labelled objects, targets from pseudo masks, and the squared error of the
            predicted IoU of the queries that have either.
        """
        layer = output.layers[index]
        learnable = _learnable(sample)
        mask_logits = layer.mask_logits[:, learnable]
        masks = sample.sp_masks[:, learnable]
        class_logits = self.instance_logits(layer)
        query_ids, target_ids = self._match_layer(layer, output.superpoints, sample, class_logits)
        pseudo_ids, pseudo_masks = self._match_pseudo(output, index, sample, query_ids)

        background = class_logits.shape[1] - 1
        query_labels = torch.full_like(output.superpoints, background)
        # Where nothing is known, a query may be an object nobody labelled.
        query_labels[sample.sp_ignore[output.superpoints]] = -1
        # A pseudo mask is an object of unknown class.
        query_labels[pseudo_ids] = -1
        query_labels[query_ids] = self.thing_labels(sample)[target_ids]

        labelled = MaskTargets(
            class_logits, query_labels, mask_logits[query_ids], masks[target_ids]
        )
        pseudo = MaskTargets(None, None, mask_logits[pseudo_ids], pseudo_masks)
        if self.quality_head is None:
            return labelled, pseudo, mask_logits.sum() * 0
        predicted = self.quality_head(layer.embeddings[torch.cat([query_ids, pseudo_ids])])
        reached = torch.cat([mask_iou(part.mask_logits, part.masks) for part in (labelled, pseudo)])
        error = F.mse_loss(predicted, reached) if len(predicted) else predicted.sum()
        return labelled, pseudo, error

    def _match_pseudo(
        self, output: TaskOutput, index: int, sample: SceneSample, taken: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Match pseudo masks with the queries that no object took.

        Returns:
            Query of every pair, int64 (P,), and the pseudo mask on learnable superpoints, bool
            (P, S'). One query may answer for several pseudo masks, which can overlap.
        """
        learnable = _learnable(sample)
        masks = sample.get('sp_pseudo_masks')
        if self.pseudo_loss is None or masks is None:
            return taken[:0], sample.sp_masks[:0, learnable]
        on_target = masks[:, output.superpoints]
        # A pair that is never admissible is the same as a query that is not there.
        on_target[:, taken] = False
        mask_logits = output.layers[index].mask_logits[:, learnable]
        query_ids, target_ids = self.pseudo_matcher(mask_logits, masks[:, learnable], on_target)
        return query_ids, masks[target_ids][:, learnable]

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
        quality = None if self.quality_head is None else self.quality_head(layer.embeddings)
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


def _learnable(sample: SceneSample) -> Tensor | slice:
    """Columns of superpoints that count: bool, (S,), or all, which then costs no copy."""
    return ~sample.sp_ignore if bool(sample.sp_ignore.any()) else slice(None)
