"""Interactive segmentation: clicks, boxes and sentences about objects, several at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unison3d.errors import ConfigError, PromptError
from unison3d.models.decoders import QueryBlock
from unison3d.models.losses import MaskSetLoss
from unison3d.models.postprocess import PostprocessConfig, prompt_masks
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import Task, TaskOutput, TaskRows
from unison3d.models.tasks.click_masks import (
    Vote,
    combine_rows,
    confine_to_boxes,
    doubtful_clicks,
    enforce_clicks,
    exclusive_logits,
    settled_by_clicks,
    spread_clicks,
    votes,
)
from unison3d.models.tasks.click_rounds import click_curves, corrected
from unison3d.models.tasks.click_rows import (
    BoxEmbedding,
    RowLayout,
    SentenceOffset,
    box_content,
)
from unison3d.models.tasks.prompt_loss import prompt_loss
from unison3d.models.tasks.quality_head import QualityHead
from unison3d.registry import MODELS
from unison3d.structures import InstanceMasks, Prompts, SceneSample


@MODELS.register_module()
class ClickTask(Task):
    """One query per click or box; those of an object see each other and answer together.

    A single positive click per object is the published task, and nothing below changes its answer.
    Further clicks, also negative ones, are rows of the same object that attend to each other, and
    the first positive row answers for all. A box is a positive row made of the mean feature inside
    of it, and the mask stays inside the boxes of its object. A sentence at an object is added to
    all its rows.

    The score of an object is the quality that the model predicts for its mask.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        mask_loss: options of :class:`MaskSetLoss`.
        loss_weight: weight of the task.
        quality_weight: weight of the quality term inside the task.
        postprocess: options of :class:`PostprocessConfig`; the mask threshold counts here.
        vote: ``'first'``: the mask of an object is that of its first positive row, which has seen
            the others; ``'mean'``: the mean of the logits of its positive rows.
        click_constraints: where an object has several rows, a superpoint with a positive click is
            in its mask and one with a negative click is not. With clicks of both signs on one
            superpoint the model decides. A further positive click on a superpoint with more points
            than the mask of the first positive row does not count: most of it is something else.
        click_reach: metres. Where an object has several rows, a click changes the logits of nearby
            superpoints as well, by a Gaussian of this width; 0 changes the clicked one alone.
        box_margin: metres. A superpoint with less than half of its points in a box that is larger
            by this on every side is not in the mask.
        box_embedding: learn from size and direction of boxes. False knows a box by what is in it.
        text_dim: width of the embeddings of sentences at objects; None takes no sentences.
        text_encoder: config of the encoder for sentences that come without an embedding.
        correction_rounds: in training, up to so many further clicks per object, where the model's
            own mask is wrong (:mod:`unison3d.models.click_simulation`); drawn from 0 to this per
            scene. Meant for samples with one click per object.
        test_clicks: in tests, correct every object of a sample with ``gt_instances`` up to so many
            clicks and write ``pred_click_curves``; 1 does not.
    """

    row_group = 'clicks'
    prompted = True

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        mask_loss: dict | None = None,
        loss_weight: float = 0.1,
        quality_weight: float = 0.1,
        postprocess: dict | None = None,
        *,
        vote: Vote = 'first',
        click_constraints: bool = True,
        click_reach: float = 0.3,
        box_margin: float = 0.05,
        box_embedding: bool = False,
        text_dim: int | None = None,
        text_encoder: dict | None = None,
        correction_rounds: int = 0,
        test_clicks: int = 1,
    ) -> None:
        super().__init__(in_channels)
        if correction_rounds < 0 or test_clicks < 1:
            raise ConfigError(
                f'ClickTask: correction_rounds is {correction_rounds} and test_clicks '
                f'{test_clicks}, expected 0 or more and 1 or more.'
            )
        if vote not in ('first', 'mean'):
            raise ConfigError(f"ClickTask: vote is {vote!r}, expected 'first' or 'mean'.")
        # Row 1 of the published ``type_embedding`` and its counterpart for "not this".
        self.positive_embedding = nn.Parameter(torch.randn(in_channels))
        self.negative_embedding = nn.Parameter(torch.randn(in_channels))
        self.quality_head = QualityHead(d_model)
        self.mask_loss = MaskSetLoss(**(mask_loss or {}))
        self.loss_weight = loss_weight
        self.quality_weight = quality_weight
        self.postprocess = PostprocessConfig(**(postprocess or {}))
        self.vote = vote
        self.click_constraints = click_constraints
        self.click_reach = click_reach
        self.box_margin = box_margin
        self.box_embedding = BoxEmbedding(d_model) if box_embedding else None
        self.sentence_offset = (
            None if text_dim is None else SentenceOffset(d_model, text_dim, text_encoder)
        )
        self.correction_rounds = correction_rounds
        self.test_clicks = test_clicks

    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """A query per click of the sample, then per box."""
        prompts = sample.prompts
        layout = RowLayout.of(prompts)
        boxed, boxed_at = box_content(features, prompts.boxes)

        def rows(of_superpoints: Tensor, of_boxes: Tensor) -> Tensor:
            clicked = of_superpoints.index_select(0, prompts.click_superpoints)
            return torch.cat([clicked, of_boxes.to(clicked)])

        sign = torch.where(
            layout.positive[:, None], self.positive_embedding, self.negative_embedding
        )
        block = QueryBlock(
            rows(features.superpoint_features, boxed) + sign,
            allowed=layout.allowed(),
            positions=rows(features.positions, boxed_at),
            offset=self._offset(prompts, layout),
        )
        return TaskRows(block, layout.superpoints)

    def _offset(self, prompts: Prompts, layout: RowLayout) -> Tensor | None:
        """What boxes and sentences add to their rows, (R, D); None where the model knows neither.

        Raises:
            PromptError: a sentence for a model without ``text_dim``.
        """
        offset = None
        if self.sentence_offset is not None:
            offset = self.sentence_offset(prompts).index_select(0, layout.objects)
        elif prompts.click_texts is not None and bool((prompts.click_texts >= 0).any()):
            raise PromptError(
                'this model takes no sentence together with a click: its click task was built '
                'without text_dim. Ask the sentence on its own, or train a model with text_dim.'
            )
        if self.box_embedding is not None:
            boxes = torch.arange(len(prompts.boxes), device=layout.objects.device)
            embedded = self.box_embedding(prompts.boxes.to(self.positive_embedding))
            padded = embedded.new_zeros(len(layout.objects), embedded.shape[1])
            padded = padded.index_copy(0, prompts.num_clicks + boxes, embedded)
            offset = padded if offset is None else offset + padded
        return offset

    def row_instances(self, sample: SceneSample) -> Tensor:
        """The instance of every row's object."""
        return sample.prompts.click_targets[RowLayout.of(sample.prompts).objects]

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Every row learns the mask of its object."""
        targets, known = [], []
        for sample in samples:
            instance = self.row_instances(sample)
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
        sample.pred_clicks = self._masks(output, features, sample.prompts)

    def _masks(
        self, output: TaskOutput, features: SceneFeatures, prompts: Prompts
    ) -> InstanceMasks:
        layout = RowLayout.of(prompts)
        layer = output.final
        threshold = self.postprocess.mask_threshold
        doubtful = doubtful_clicks(
            layout, layer.mask_logits, features.superpoint_sizes, prompts.num_objects, threshold
        )
        voting = votes(layout, prompts.num_objects, self.vote, doubtful)
        logits = combine_rows(layer.mask_logits, voting)
        wanted, unwanted = settled_by_clicks(layout, tuple(logits.shape), doubtful)
        if self.click_reach > 0:
            logits = spread_clicks(logits, wanted, unwanted, features.positions, self.click_reach)
        logits = confine_to_boxes(logits, features, prompts, self.box_margin)
        if self.click_constraints:
            logits = enforce_clicks(logits, wanted, unwanted)
        if prompts.exclusive:
            logits = exclusive_logits(logits)
        quality = combine_rows(self.quality_head(layer.embeddings)[:, None], voting)[:, 0]
        return prompt_masks(
            logits, features.superpoints, self.postprocess, scores=quality.clamp(0.0, 1.0)
        )

    def refine(
        self,
        features: SceneFeatures,
        sample: SceneSample,
        ask: Callable[[SceneSample], TaskOutput],
    ) -> SceneSample:
        """Add clicks where the model's masks are wrong, see ``correction_rounds``."""
        if self.correction_rounds == 0:
            return sample
        rounds = int(torch.randint(self.correction_rounds + 1, ()))
        return corrected(features, sample, self._answer(features, ask), rounds)

    def simulate(
        self,
        features: SceneFeatures,
        sample: SceneSample,
        ask: Callable[[SceneSample], TaskOutput],
    ) -> None:
        """Write ``pred_click_curves``, see ``test_clicks``."""
        if self.test_clicks > 1 and sample.get('gt_instances') is not None:
            sample.pred_click_curves = click_curves(
                features, sample, self._answer(features, ask), sample.pred_clicks, self.test_clicks
            )

    def _answer(
        self, features: SceneFeatures, ask: Callable[[SceneSample], TaskOutput]
    ) -> Callable[[SceneSample], InstanceMasks]:
        def answer(sample: SceneSample) -> InstanceMasks:
            output = ask(sample)
            # As around ``predict``: whatever the decoder runs in, masks are made in float32.
            with torch.autocast(features.device.type, enabled=False):
                return self._masks(output, features, sample.prompts)

        return answer
