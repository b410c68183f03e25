"""Referring segmentation that reads: words choose among the objects of the scene."""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.models.heads.sentence_reader import SeenObjects, SentenceReader
from unison3d.models.postprocess import PostprocessConfig
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.scene_objects import SceneObjects, find_objects
from unison3d.models.tasks.base import TaskOutput
from unison3d.models.tasks.quality_head import QualityHead, scene_quality_loss
from unison3d.models.tasks.scene_rows import SceneRowsTask
from unison3d.models.text import CachedTextEncoder, TextEncoder
from unison3d.registry import MODELS, TEXT_ENCODERS
from unison3d.structures import InstanceMasks, SceneSample

# An object is meant if it overlaps a target by more than this (IoU over points) ...
_MEANT = 0.5
# ... and the best one already with this; what lies between the two is neither right nor wrong.
_NEARLY = 0.25


@MODELS.register_module()
class ReferringTask(SceneRowsTask):
    """Read every word of a sentence and pick the objects it means: none, one or several.

    The objects are the distinct masks of the superpoint queries, so a scene is segmented once and
    every sentence only chooses (:class:`SentenceReader`). :class:`TextTask` is the published way:
    one query per sentence, which knows a sentence as one vector and no other object.

    The score of an answer is the probability that the sentence means anything in this scene. It
    starts from ``1 - prod(1 - p)`` over the objects, which is learned as the probability that an
    object *was found*; ``presence_calibration`` corrects it for objects that were not.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        input_channels: channels of the backbone's input, C_in.
        embedding_dim: width of class embeddings and word states, E.
        text_encoder: config of an encoder that reads words.
        reader: further options of :class:`SentenceReader`.
        queries: options of :class:`SuperpointQueries` if no other task provides these rows.
        max_objects: objects a sentence chooses from, the best ones by mask quality.
        presence_calibration: scale and shift of the logit of that probability, fitted on scenes
            that neither training nor tests use (``benchmarks/referring.py --fit``; Platt 1999).
        presence_threshold: with a lower probability that the sentence means anything the answer
            is "not in this scene", an empty mask.
        pick_threshold: an object with a higher probability is part of the answer; the most
            probable one always is.
        loss_weight: weight of the task.
        presence_weight: weight of the term for "in this scene or not" inside the task.
        quality_weight: weight of the squared error of the predicted mask IoU.
        postprocess: options of :class:`PostprocessConfig`; those for proposals count.
    """

    prompted = True

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        input_channels: int,
        embedding_dim: int = 384,
        text_encoder: dict | None = None,
        reader: dict | None = None,
        queries: dict | None = None,
        max_objects: int = 80,
        presence_calibration: tuple[float, float] = (1.0, 0.0),
        presence_threshold: float = 0.5,
        pick_threshold: float = 0.5,
        loss_weight: float = 1.0,
        presence_weight: float = 0.5,
        quality_weight: float = 1.0,
        postprocess: dict | None = None,
    ) -> None:
        super().__init__(in_channels, queries)
        for name, value in (('presence', presence_threshold), ('pick', pick_threshold)):
            if not 0 <= value <= 1:
                raise ConfigError(
                    f'ReferringTask: {name}_threshold is {value}, expected a probability, 0 to 1.'
                )
        self.text_encoder_config = text_encoder or {'type': 'MiniLMTextEncoder'}
        self._text_encoder: TextEncoder | None = None
        self.quality_head = QualityHead(d_model)
        self.reader = SentenceReader(
            in_channels, d_model, embedding_dim, input_channels, **(reader or {})
        )
        self.max_objects = max_objects
        self.presence_calibration = tuple(presence_calibration)
        self.presence_threshold = presence_threshold
        self.pick_threshold = pick_threshold
        self.loss_weight = loss_weight
        self.presence_weight = presence_weight
        self.quality_weight = quality_weight
        self.postprocess = PostprocessConfig(**(postprocess or {}))

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Choice of objects, presence, and the quality of all masks.

        Gradients reach the reader only: sentences must not bend the masks they choose from.
        """
        # Tied to all parameters: processes with and without sentences have to agree.
        zero = sum(parameter.sum() for parameter in self.reader.parameters()) * 0
        picks, presences, qualities = [zero], [zero], []
        for output, scene, sample in zip(outputs, features, samples, strict=True):
            qualities.append(scene_quality_loss(self.quality_head, output, sample))
            if sample.prompts.text_targets is None or not sample.prompts.texts:
                continue
            objects = self._objects(output, scene)
            if len(objects) == 0:
                continue
            meant, counts = _meant(objects, scene, sample)
            for logits in self._read(self.reader.look(objects), sample.prompts.texts):
                pick, presence = _choice_loss(logits, meant, counts)
                picks.append(pick)
                presences.append(presence)
        scale = self.loss_weight / (len(self.reader.layers) * len(outputs))
        return {
            'loss_referring': scale * torch.stack(picks).sum(),
            'loss_referring_presence': scale * self.presence_weight * torch.stack(presences).sum(),
            'loss_referring_quality': self.quality_weight * torch.stack(qualities).mean(),
        }

    def predict(self, output: TaskOutput, features: SceneFeatures, sample: SceneSample) -> None:
        """Write ``pred_texts`` and ``pred_text_scores``, one row per sentence."""
        texts = sample.prompts.texts
        objects, seen = self._kept_objects(output, features) if texts else ((), None)
        num_superpoints = features.num_superpoints
        if len(objects) == 0:
            masks = torch.zeros(
                len(texts), num_superpoints, dtype=torch.bool, device=features.device
            )
            probabilities = masks.float()
            presence = probabilities.new_zeros(len(texts))
        else:
            logits = self._read(seen, texts)[-1]
            picked, presence = self._choose(logits)
            masks = picked.float() @ objects.masks.float() > 0
            chance = logits.sigmoid()[:, :, None]
            probabilities = torch.stack(
                [torch.where(objects.masks, row, 0.0).amax(dim=0) for row in chance]
            )
        labels = torch.full((len(texts),), -1, dtype=torch.int64, device=features.device)
        sample.pred_texts = InstanceMasks(masks, features.superpoints, labels, presence)
        sample.pred_text_scores = probabilities

    def _choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """bool (T, N) objects of each answer, and float (T,) probability of any."""
        # log(P / (1 - P)) of P = 1 - prod(1 - p), where 1 - p = exp(-softplus(logit)).
        doubt = F.softplus(logits).sum(dim=1).clamp(min=1e-6)
        scale, shift = self.presence_calibration
        presence = (scale * (doubt + torch.log(-torch.expm1(-doubt))) + shift).sigmoid()
        best = F.one_hot(logits.argmax(dim=1), logits.shape[1]).bool()
        picked = (logits.sigmoid() > self.pick_threshold) | best
        return picked & (presence >= self.presence_threshold)[:, None], presence

    def _kept_objects(
        self, output: TaskOutput, features: SceneFeatures
    ) -> tuple[SceneObjects, SeenObjects]:
        settings = (*dataclasses.astuple(self.postprocess), self.max_objects)
        if features.objects is None or features.objects[0] != settings:
            objects = self._objects(output, features)
            features.objects = settings, objects, self.reader.look(objects)
        return features.objects[1:]

    def _objects(self, output: TaskOutput, features: SceneFeatures) -> SceneObjects:
        with torch.no_grad():
            quality = self.quality_head(output.final.embeddings)
        return find_objects(output.final, quality, features, self.postprocess, self.max_objects)

    def _read(self, seen: SeenObjects, texts: list[str]) -> list[Tensor]:
        if self._text_encoder is None:
            # Built on first use: a language model is only loaded when somebody asks a sentence.
            # With a memory, because training reads every sentence once an epoch.
            encoder = TEXT_ENCODERS.build(self.text_encoder_config)
            self._text_encoder = CachedTextEncoder(encoder)
        words = self._text_encoder.encode_words(texts)
        return self.reader(seen, words.to(seen.tokens.device))


def _meant(
    objects: SceneObjects, features: SceneFeatures, sample: SceneSample
) -> tuple[Tensor, Tensor]:
    """Which objects each sentence means, bool (T, N), and which pairs count, bool (T, N)."""
    targets, truth = sample.prompts.text_targets, sample.sp_masks
    sizes = features.superpoint_sizes * ~sample.sp_ignore
    found, wanted = objects.masks.float(), truth.float()
    shared = (found * sizes) @ wanted.T
    union = (found @ sizes.float())[:, None] + (wanted @ sizes.float())[None] - shared
    iou = shared / union.clamp(min=1.0)
    if targets.shape[1] == 0:
        best = iou.new_zeros(len(targets), len(objects))
    else:
        best = torch.where(targets[:, None], iou, 0.0).amax(dim=2)
    closest = (best > _NEARLY) & (best == best.amax(dim=1, keepdim=True))
    meant = (best > _MEANT) | closest
    return meant, meant | (best <= _NEARLY)


def _choice_loss(logits: Tensor, meant: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropies of the choice and of presence, each a mean over sentences."""
    each = F.binary_cross_entropy_with_logits(logits, meant.float(), reduction='none')
    choice = (each * counts).sum(dim=1).mean()
    # -log P(no object is meant), with P from independent choices.
    absence = F.softplus(logits).sum(dim=1).clamp(min=1e-6)
    presence = torch.where(meant.any(dim=1), -torch.log(-torch.expm1(-absence)), absence)
    return choice, presence.mean()
