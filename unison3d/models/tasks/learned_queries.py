"""Segmentation by a fixed number of learned queries, for scenes without superpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.models.decoders import LayerOutput, QueryBlock
from unison3d.models.heads import LinearClassifier
from unison3d.models.losses import MaskSetLoss, MaskTargets, mask_iou
from unison3d.models.matchers import HungarianMatcher
from unison3d.models.postprocess import PostprocessConfig, select_instances
from unison3d.models.postprocess_learned import merge_class_queries
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import Task, TaskOutput, TaskRows
from unison3d.models.tasks.learned_targets import CellRule, CellTargets, cell_targets
from unison3d.registry import MODELS
from unison3d.structures import LabelSpace, SceneSample, get_label_space

# Settings of the released S3DIS model.
_POSTPROCESS = dict(
    topk=450,
    mask_threshold=0.15,
    inside_threshold=0.01,
    panoptic_score_threshold=0.4,
    min_points=300,
    instance_quality=True,
)


class LabelSet(NamedTuple):
    """What belongs to one label space: the space, rows (Q, D), and the head of instances."""

    space: LabelSpace
    queries: Tensor
    head: LinearClassifier


@MODELS.register_module()
class LearnedQueryTask(Task):
    """Queries that are parameters: some look for instances, one for each semantic class.

    Every instance gets a query of its own (Hungarian matching). Classes with instances are all
    things of the label space; the semantic map is the best of the class queries at every cell.
    The decoder has to take rows of its own width (``project_queries=False``).

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        label_space: see :func:`~unison3d.structures.get_label_space`.
        num_queries: queries that look for instances.
        panoptic_stuff: classes that the panoptic map shows as stuff; the others are its things.
            None without a semantic map.
        semantic: whether classes have queries. Without, there are instances only.
        matcher: options of :class:`HungarianMatcher`.
        instance_loss: options of :class:`MaskSetLoss`.
        score_weight: weight of the squared error of the predicted mask IoU.
        score_min_iou: only masks above this IoU teach it.
        semantic_weight: weight of the mask cross-entropy of the class queries.
        cell_rule: which voxels belong to an instance, see
            :func:`~unison3d.models.tasks.learned_targets.cell_targets`; ``'all'`` is published.
        unlabelled: cells without a class are left out of the semantic loss (``'ignore'``) or teach
            every class query that it is not there (``'negative'``, published).
        published_ids: numbering of the panoptic map, see
            :func:`~unison3d.models.postprocess_learned.merge_class_queries`.
        postprocess: options of :class:`PostprocessConfig`, over those of the released S3DIS model.

    Source:
        OneFormer3D (arXiv:2311.14405) on S3DIS; factors from its released configuration.
    """

    row_group = 'learned'

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        label_space: str | Mapping[str, Any] = 's3dis',
        num_queries: int = 400,
        panoptic_stuff: Sequence[int] | None = (0, 1, 2, 3, 4, 5, 6, 12),
        semantic: bool = True,
        matcher: dict | None = None,
        instance_loss: dict | None = None,
        score_weight: float = 0.5,
        score_min_iou: float = 0.5,
        semantic_weight: float = 5.0,
        cell_rule: CellRule = 'majority',
        unlabelled: Literal['ignore', 'negative'] = 'ignore',
        published_ids: bool = False,
        postprocess: dict | None = None,
    ) -> None:
        super().__init__(in_channels)
        if cell_rule not in ('majority', 'all') or unlabelled not in ('ignore', 'negative'):
            raise ConfigError(
                f'cell_rule is {cell_rule!r}, unlabelled {unlabelled!r}; expected "majority" or '
                '"all", and "ignore" or "negative".'
            )
        self.label_space = get_label_space(label_space)
        if semantic and not set(panoptic_stuff or ()) <= set(range(self.label_space.num_classes)):
            raise ConfigError(
                f'panoptic_stuff is {panoptic_stuff}, expected classes of {label_space}, which '
                f'has {self.label_space.num_classes}.'
            )
        self.num_queries = num_queries
        self.semantic = semantic
        self.panoptic_stuff = tuple(panoptic_stuff or ()) if semantic else ()
        self.make_label_sets(d_model)
        # A plain regression, so scores may leave [0, 1].
        self.score_head = nn.Sequential(
            nn.Linear(d_model, d_model), nn.ReLU(), nn.Linear(d_model, 1)
        )
        self.matcher = HungarianMatcher(**(matcher or {}))
        self.instance_loss = MaskSetLoss(**{'background_weight': 0.05, **(instance_loss or {})})
        self.score_weight = score_weight
        self.score_min_iou = score_min_iou
        self.semantic_weight = semantic_weight
        self.cell_rule = cell_rule
        self.unlabelled = unlabelled
        self.published_ids = published_ids
        self.postprocess = PostprocessConfig(**{**_POSTPROCESS, **(postprocess or {})})

    def make_label_sets(self, d_model: int) -> None:
        """Create queries and heads of instances."""
        num_rows = self.num_queries
        num_rows += self.label_space.num_classes if self.semantic else 0
        self.query = nn.Embedding(num_rows, d_model)
        self.head = LinearClassifier(d_model, len(self.label_space.things))

    def label_set(self, sample: SceneSample) -> LabelSet:
        """What a scene is asked."""
        return LabelSet(self.label_space, self.query.weight, self.head)

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Questions about a scene that this model leaves out."""
        return () if self.semantic else ('semantic', 'panoptic')

    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """The learned rows, instances first."""
        rows = self.label_set(sample).queries
        nowhere = rows.new_full((len(rows), 3), torch.nan)
        superpoints = torch.full((len(rows),), -1, dtype=torch.int64, device=rows.device)
        return TaskRows(QueryBlock(rows, positions=nowhere), superpoints)

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Instance and score terms, and a semantic one where classes have queries; all layers."""
        scenes = [
            (output, self.label_set(sample), self._targets(scene, sample))
            for output, scene, sample in zip(outputs, features, samples, strict=True)
        ]
        instance = semantic = outputs[0].final.mask_logits.sum() * 0
        # No rows, but the parameters take part: processes with and without matches have to agree.
        score = self.score_head(outputs[0].final.embeddings[:0]).sum()
        num_layers = len(outputs[0].layers)
        for index in range(num_layers):
            matched, errors = [], []
            for output, label_set, targets in scenes:
                layer = output.layers[index]
                scene, error = self._instance_targets(layer, label_set, targets)
                matched.append(scene)
                errors += [] if error is None else [error]
                semantic = semantic + self._semantic_loss(layer, targets) / len(scenes)
            final = index == num_layers - 1
            instance = instance + self.instance_loss(matched, final=final, batch_size=len(scenes))
            score = score + (torch.stack(errors).mean() if errors else 0)
        losses = {'loss_instance': instance, 'loss_score': self.score_weight * score}
        return (
            {**losses, 'loss_semantic': self.semantic_weight * semantic}
            if self.semantic
            else losses
        )

    def _targets(self, features: SceneFeatures, sample: SceneSample) -> CellTargets:
        return cell_targets(
            sample,
            features.superpoints,
            features.num_superpoints,
            self.label_set(sample).space.num_classes,
            self.cell_rule,
        )

    def _instance_targets(
        self, layer: LayerOutput, label_set: LabelSet, targets: CellTargets
    ) -> tuple[MaskTargets, Tensor | None]:
        """Match the queries of one scene at one layer; also the error of their scores."""
        layer = layer.rows(slice(self.num_queries))
        space = label_set.space
        labels = targets.instance_semantic - len(space.stuff)
        labels = torch.where((labels >= 0) & (labels < len(space.things)), labels, -1)
        class_logits = label_set.head.instance_logits(layer)
        query_ids, target_ids = self.matcher(layer.mask_logits, targets.masks, class_logits, labels)
        query_labels = labels.new_full((self.num_queries,), len(space.things))
        query_labels[query_ids] = labels[target_ids]
        logits, masks = layer.mask_logits[query_ids], targets.masks[target_ids]
        reached = mask_iou(logits, masks)
        good = reached > self.score_min_iou
        error = None
        if bool(good.any()):
            predicted = self.score_head(layer.embeddings[query_ids[good]])[:, 0]
            error = F.mse_loss(predicted, reached[good])
        return MaskTargets(class_logits, query_labels, logits, masks), error

    def _semantic_loss(self, layer: LayerOutput, targets: CellTargets) -> Tensor:
        """Every class query learns the cells of its class."""
        logits = layer.mask_logits[self.num_queries :].t()
        num_classes = logits.shape[1]
        wanted = targets.semantic
        if self.unlabelled == 'ignore':
            logits, wanted = logits[wanted < num_classes], wanted[wanted < num_classes]
        if logits.numel() == 0:
            return layer.mask_logits.sum() * 0
        is_class = wanted[:, None] == torch.arange(num_classes, device=wanted.device)
        return F.binary_cross_entropy_with_logits(logits, is_class.to(logits.dtype))

    def predict(self, output: TaskOutput, features: SceneFeatures, sample: SceneSample) -> None:
        """Write ``pred_instances``, and the semantic and panoptic maps where there are any."""
        layer = output.final.rows(slice(self.num_queries))
        logits = self.label_set(sample).head.instance_logits(layer)
        scores = self.score_head(layer.embeddings)
        masks, superpoints, config = layer.mask_logits, features.superpoints, self.postprocess
        sample.pred_instances = select_instances(logits, masks, scores, superpoints, config)
        if not self.semantic:
            return
        class_masks = output.final.mask_logits[self.num_queries :]
        sample.pred_semantic = class_masks.argmax(dim=0)[superpoints]
        confident = select_instances(
            logits,
            masks,
            scores,
            superpoints,
            config,
            score_threshold=config.panoptic_score_threshold,
        )
        things = confident.labels + len(self.label_space.stuff)
        stuff = torch.tensor(self.panoptic_stuff, dtype=torch.int64, device=things.device)
        shown = confident[~torch.isin(things, stuff)]
        shown.labels = shown.labels + len(self.label_space.stuff)
        sample.pred_panoptic_semantic, sample.pred_panoptic_instance = merge_class_queries(
            class_masks,
            shown,
            self.panoptic_stuff,
            config.min_points,
            published_ids=self.published_ids,
        )
