"""Open-vocabulary segmentation: objects and points named by any list of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import VocabularyError
from unison3d.models.decoders import LayerOutput
from unison3d.models.heads import PUBLISHED_SCALE, cosine_logits
from unison3d.models.matchers import SparseMatcher
from unison3d.models.postprocess import (
    PostprocessConfig,
    distinct_proposals,
    predict_semantic,
    select_proposals,
)
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import TaskOutput
from unison3d.models.tasks.name_fits import name_fits
from unison3d.models.tasks.quality_head import QualityHead, scene_quality_loss
from unison3d.models.tasks.scene_rows import SceneRowsTask
from unison3d.models.text import CachedTextEncoder, TextEncoder
from unison3d.registry import MODELS, TEXT_ENCODERS
from unison3d.structures import InstanceMasks, SceneSample, get_label_space


@MODELS.register_module()
class OpenVocabularyTask(SceneRowsTask):
    """Name the superpoint queries with words instead of a fixed label space.

    In training, queries matched to objects (by masks alone) learn the object's name among the
    training vocabulary, superpoints learn it for the semantic map, and a quality head learns for
    *every* query how well its mask fits the object it lies on, 0 on walls and floors. At test
    time any names can be asked: masks come from the same queries, ranked by that quality.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        text_encoder: config of the encoder of names.
        vocabulary: names that may be learned; names outside (withheld ones) are never used.
        test_vocabulary: names asked of a sample that does not bring its own ``vocabulary``. The
            shipped configs list the training vocabulary and the withheld names here. Default: the
            training vocabulary.
        label_space: see :func:`~unison3d.structures.get_label_space`; its stuff classes are
            learned as names too where the vocabulary holds them.
        logit_scale: factor on the cosine.
        novelty: added to the cosine of names that training did not hold. An object of such a kind
            is close to the names of its relatives too, which were trained to attract (calibrated
            stacking, arXiv:1605.04253).
        queries: options of :class:`SuperpointQueries` if no other task provides these rows.
        matcher: options of :class:`SparseMatcher`; classes are not part of the cost.
        name_weight: weight of the cross-entropy over names.
        quality_weight: weight of the squared error of the predicted mask IoU.
        postprocess: options of :class:`PostprocessConfig`.
    """

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        text_encoder: dict,
        vocabulary: list[str] | None = None,
        test_vocabulary: list[str] | None = None,
        label_space: str | Mapping[str, Any] = 'scannet20',
        logit_scale: float = PUBLISHED_SCALE,
        novelty: float = 0.0,
        queries: dict | None = None,
        matcher: dict | None = None,
        name_weight: float = 0.5,
        quality_weight: float = 1.0,
        postprocess: dict | None = None,
    ) -> None:
        super().__init__(in_channels, queries)
        encoder: TextEncoder = TEXT_ENCODERS.build(text_encoder)
        # With a memory, because every question to the scene asks for the same names again.
        cached = isinstance(encoder, CachedTextEncoder)
        self.encoder = encoder if cached else CachedTextEncoder(encoder)
        self.vocabulary = list(vocabulary or [])
        self.test_vocabulary = list(test_vocabulary or self.vocabulary)
        # Phrases that mean a name (canonical), where they are not just the name itself.
        self.synonyms: dict[str, list[str]] = {}
        space = get_label_space(label_space)
        self.stuff_names = [space.classes[index] for index in space.stuff]
        # Stored with the weights, as the class embeddings of the closed set.
        self.register_buffer('name_embeddings', self.encoder.encode_unit(self.vocabulary)[:, None])
        self.logit_scale = logit_scale
        self.novelty = novelty
        self.quality_head = QualityHead(d_model)
        self.matcher = SparseMatcher(**{'class_weight': 0.0, **(matcher or {})})
        self.name_weight = name_weight
        self.quality_weight = quality_weight
        self.postprocess = PostprocessConfig(**(postprocess or {}))

    def set_vocabulary(self, vocabulary: Sequence[str] | Mapping[str, Sequence[str]]) -> None:
        """Ask for other names from now on, at any time; nothing has to be encoded again.

        Args:
            vocabulary: K names, or phrases by name: the best of its phrases counts for a name, as
                in ``{'sofa': ['sofa', 'couch'], 'lamp': ['lamp']}``. A sample that brings its own
                ``vocabulary`` is still asked for that.

        Raises:
            VocabularyError: there is no name, or a name without phrases.
            PromptError: a phrase is empty or no string.
        """
        phrases = dict(vocabulary) if isinstance(vocabulary, Mapping) else {}
        names = list(vocabulary)
        if not names:
            raise VocabularyError('the vocabulary is empty; name at least one class')
        empty = [name for name, own in phrases.items() if not own]
        if empty:
            raise VocabularyError(f'{empty[0]!r} has no phrases; give one or more, or a plain list')
        # Encoded before anything changes: a phrase that no encoder knows leaves all as it was.
        self.encoder.encode([phrase for name in names for phrase in phrases.get(name, [name])])
        self.test_vocabulary = names
        self.synonyms = {
            self.encoder.canonical(name): list(own)
            for name, own in phrases.items()
            if list(own) != [name]
        }

    def _phrases(self, names: Sequence[str]) -> list[list[str]]:
        """What is said for each name: its synonyms, or itself."""
        return [self.synonyms.get(self.encoder.canonical(name), [name]) for name in names]

    def prototypes(self, names: Sequence[str]) -> Tensor:
        """Unit vectors of names, float32 (K, P, E); P phrases each, the last one repeated."""
        phrases = self._phrases(names)
        most = max(map(len, phrases), default=1)
        padded = [phrase for own in phrases for phrase in own + own[-1:] * (most - len(own))]
        vectors = self.encoder.encode_unit(padded).to(self.name_embeddings)
        return vectors.view(len(phrases), most, vectors.shape[1])

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Names of matched queries and superpoints, quality of all queries."""
        final = outputs[0].final
        # Tied to what leads to names, where a batch has none: processes of a run have to agree.
        embedded = final.class_embeddings.sum() + final.semantic_embeddings.sum()
        zero = (final.mask_logits.sum() + embedded) * 0
        names, semantic, quality = [zero], [zero], []
        for output, sample in zip(outputs, samples, strict=True):
            targets = self._indices(sample.gt_names)
            for layer in output.layers:
                names += self._name_loss(layer, output, sample, targets)
            semantic += self._semantic_loss(output, sample, targets)
            quality.append(scene_quality_loss(self.quality_head, output, sample))
        scenes = len(outputs)
        return {
            'loss_name': self.name_weight * torch.stack(names).sum() / scenes,
            'loss_name_semantic': self.name_weight * torch.stack(semantic).sum() / scenes,
            'loss_proposal_quality': self.quality_weight * torch.stack(quality).mean(),
        }

    def _indices(self, names: list[str]) -> Tensor:
        """Index of each name in the training vocabulary, -1 if it is not there."""
        index = {name: i for i, name in enumerate(self.vocabulary)}
        ids = [index.get(name, -1) for name in names]
        return torch.tensor(ids, dtype=torch.int64, device=self.name_embeddings.device)

    def _name_loss(
        self, layer: LayerOutput, output: TaskOutput, sample: SceneSample, targets: Tensor
    ) -> list[Tensor]:
        learnable = ~sample.sp_ignore
        query_ids, target_ids = self.matcher(
            layer.mask_logits[:, learnable],
            sample.sp_masks[:, learnable],
            sample.sp_masks[:, output.superpoints],
        )
        labels = targets[target_ids]
        if not bool((labels >= 0).any()):
            return []
        logits = cosine_logits(
            layer.class_embeddings[query_ids], self.name_embeddings, self.logit_scale
        )
        return [F.cross_entropy(logits, labels, ignore_index=-1)]

    def _semantic_loss(
        self, output: TaskOutput, sample: SceneSample, targets: Tensor
    ) -> list[Tensor]:
        semantic = sample.sp_semantic[output.superpoints]
        stuff = self._indices(self.stuff_names)
        is_stuff = semantic < len(stuff)
        labels = torch.where(is_stuff, stuff[semantic.clamp(max=len(stuff) - 1)], -1)
        masks = sample.sp_masks[:, output.superpoints]
        if len(masks):
            # After the majority vote a superpoint lies in one instance at most.
            own = targets[masks.int().argmax(dim=0)]
            labels = torch.where(masks.any(dim=0), own, labels)
        if not bool((labels >= 0).any()):
            return []
        logits = cosine_logits(
            output.final.semantic_embeddings, self.name_embeddings, self.logit_scale
        )
        return [F.cross_entropy(logits, labels, ignore_index=-1)]

    def predict(self, output: TaskOutput, features: SceneFeatures, sample: SceneSample) -> None:
        """Write ``pred_open``, ``pred_open_ranked``, ``pred_open_semantic`` and ``vocabulary``.

        ``pred_open`` scores an object by the predicted quality of its mask times the probability
        of its best name among those asked; ``pred_open_ranked`` has the best pairs.
        """
        vocabulary = list(sample.get('vocabulary', self.test_vocabulary))
        if not vocabulary:
            raise VocabularyError('the vocabulary is empty; name at least one class')
        prototypes = self.prototypes(vocabulary)
        layer = output.final
        proposals, queries = self.proposals(output, features)
        cosine = cosine_logits(layer.class_embeddings[queries], prototypes, scale=1.0)
        cosine = cosine + self._novelty(vocabulary)
        probability = (self.logit_scale * cosine).softmax(dim=1)
        sample.pred_open_ranked = ranked_pairs(proposals, probability, self.postprocess.topk)
        sample.pred_open = _best(proposals, probability)
        sample.pred_open_semantic = predict_semantic(
            cosine_logits(layer.semantic_embeddings, prototypes, scale=1.0),
            features.superpoints,
            len(vocabulary),
        )
        sample.vocabulary = vocabulary

    def _novelty(self, names: Sequence[str]) -> Tensor:
        """``novelty`` of every name asked of which training held no phrase, float32 (K,)."""
        known = {self.encoder.canonical(name) for name in self.vocabulary}
        values = [
            0.0 if any(self.encoder.canonical(p) in known for p in phrases) else self.novelty
            for phrases in self._phrases(names)
        ]
        return torch.tensor(values, device=self.name_embeddings.device)

    def proposals(
        self, output: TaskOutput, features: SceneFeatures
    ) -> tuple[InstanceMasks, Tensor]:
        """Masks of objects before they have names, scored by predicted quality in [0, 1].

        Returns:
            M masks, and int64 (M,) the query each comes from.
        """
        layer = output.final
        proposals, queries = select_proposals(
            layer.mask_logits,
            self.quality_head(layer.embeddings).clamp(0.0, 1.0),
            features.superpoints,
            self.postprocess,
        )
        # Masks first, names after: many queries answer for one object, with several names each.
        kept = distinct_proposals(proposals, self.postprocess)
        return proposals[kept], queries[kept]

    def cosines(
        self, output: TaskOutput, features: SceneFeatures, phrases: Sequence[str]
    ) -> tuple[Tensor, InstanceMasks, Tensor]:
        """How near superpoints and objects are to phrases.

        Returns:
            float32 (S, K) cosines of superpoints, the M masks of :meth:`proposals`, and float32
            (M, K) their cosines.
        """
        prototypes = self.encoder.encode_unit(phrases)[:, None].to(self.name_embeddings)
        masks, queries = self.proposals(output, features)
        layer = output.final
        return (
            cosine_logits(layer.semantic_embeddings, prototypes, scale=1.0),
            masks,
            cosine_logits(layer.class_embeddings[queries], prototypes, scale=1.0),
        )

    def phrase_chances(
        self, output: TaskOutput, features: SceneFeatures, phrases: Sequence[str]
    ) -> tuple[Tensor, InstanceMasks, Tensor]:
        """The chance that superpoints and objects are what phrases mean, through names.

        The sum over the names of training of P(name | object) * P(phrase fits name), see
        :func:`name_fits`; an object's is multiplied by the predicted quality of its mask. A
        superpoint has its own or that of the best object it lies in, whichever is larger.

        Returns:
            float32 (S, K) in [0, 1] of superpoints, the M masks of :meth:`proposals`, and float32
            (M, K) of them.

        Raises:
            VocabularyError: the task was trained without names.
        """
        if not self.vocabulary:
            raise VocabularyError(
                'this model was trained without names, through which phrases are understood. Use '
                'other weights, or ask for cosines, which need no names, in Python: '
                'Segmenter.scores(phrases, direct=True)'
            )
        fits = name_fits(self.encoder, phrases, self.vocabulary).to(self.name_embeddings)
        layer = output.final

        def chances(embeddings: Tensor) -> Tensor:
            names = cosine_logits(embeddings, self.name_embeddings, self.logit_scale)
            return names.softmax(dim=1) @ fits.T

        masks, queries = self.proposals(output, features)
        objects = chances(layer.class_embeddings[queries]) * masks.scores[:, None]
        points = chances(layer.semantic_embeddings)
        for row, mask in zip(objects, masks.superpoint_masks, strict=True):
            points[mask] = torch.maximum(points[mask], row)
        return points, masks, objects


def _best(proposals: InstanceMasks, probabilities: Tensor) -> InstanceMasks:
    """Each proposal under its best name, best first."""
    best, labels = probabilities.max(dim=1)
    scores = proposals.scores * best
    order = torch.sort(scores, descending=True, stable=True).indices
    return InstanceMasks(
        proposals.superpoint_masks[order], proposals.superpoints, labels[order], scores[order]
    )


def ranked_pairs(proposals: InstanceMasks, similarity: Tensor, topk: int) -> InstanceMasks:
    """The ``topk`` best pairs of a proposal and a name: what ranked evaluations ask for."""
    scores = (proposals.scores[:, None] * similarity).flatten()
    scores, pairs = torch.sort(scores, descending=True, stable=True)
    scores, pairs = scores[:topk], pairs[:topk]
    num_names = max(similarity.shape[1], 1)
    return InstanceMasks(
        proposals.superpoint_masks[pairs // num_names],
        proposals.superpoints,
        pairs % num_names,
        scores,
    )
