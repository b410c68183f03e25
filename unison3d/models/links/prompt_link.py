"""A link between the rows of clicks and those of sentences."""

from __future__ import annotations

import abc
from collections.abc import Mapping

from torch import Tensor

from unison3d.models.links.base import Link, mean_over_scenes
from unison3d.models.links.prompt_pairs import PromptPairs, pair_prompts
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks import TaskOutput
from unison3d.structures import SceneSample


class PromptLink(Link):
    """Compare sentences with clicks on the same objects, after the last layer.

    Args:
        clicks: name of the click task.
        texts: name of the text task.
        weight: of the loss.
    """

    #: key of the loss
    LOSS = ''

    def __init__(self, clicks: str = 'click', texts: str = 'text', weight: float = 0.1) -> None:
        super().__init__(
            {'clicks': clicks, 'texts': texts},
            {'clicks': 'row_instances', 'texts': 'row_instances'},
        )
        self.weight = weight

    @abc.abstractmethod
    def scene_loss(self, click: TaskOutput, text: TaskOutput, pairs: PromptPairs) -> Tensor:
        """Loss of one scene with at least one pair."""

    def zero(self, outputs: Mapping[str, list[TaskOutput]]) -> Tensor:
        """Zero that depends on everything the loss may depend on."""
        parts = (*self.output(outputs, 'clicks'), *self.output(outputs, 'texts'))
        return sum(output.final.embeddings.sum() for output in parts) * 0

    def loss(
        self,
        outputs: Mapping[str, list[TaskOutput]],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Mean over the scenes in which a sentence and a click mean the same object."""
        terms = []
        for click, text, sample in zip(
            self.output(outputs, 'clicks'), self.output(outputs, 'texts'), samples, strict=True
        ):
            pairs = pair_prompts(
                self.task('clicks').row_instances(sample),
                self.task('texts').row_instances(sample),
                sample.get('click_weights'),
            )
            if len(pairs):
                terms.append(self.scene_loss(click, text, pairs))
        return {self.LOSS: self.weight * mean_over_scenes(terms, self.zero(outputs))}
