"""Prompts know the class of what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.models.links.base import Link
from unison3d.models.losses import class_loss
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks import TaskOutput
from unison3d.registry import MODELS
from unison3d.structures import SceneSample


@MODELS.register_module()
class PromptClassLink(Link):
    """Cross-entropy of the rows of prompts over the thing classes and background, at every layer.

    Rows that mean no object, several, or one of no thing class learn no class.

    Args:
        prompts: names of the tasks with prompts.
        classes: name of the task that knows the classes.
        weight: of the loss. The published weight is 0.5 inside a task that counts 0.1.
        background_weight: class weight of the background.
        scores_of: name of a click task. The class probabilities of its objects are written to
            ``pred_click_probabilities``, float32 (O, T), where published evaluation looks up that
            of the true class to rank by. None writes nothing.

    Source:
        UniSeg3D (arXiv:2407.03263); factors from its released configuration.
    """

    def __init__(
        self,
        prompts: Sequence[str] = ('click', 'text'),
        classes: str = 'closed_set',
        weight: float = 0.05,
        background_weight: float = 0.1,
        scores_of: str | None = None,
    ) -> None:
        super().__init__(
            {'classes': classes, **{name: name for name in prompts}},
            {'classes': 'thing_labels', **dict.fromkeys(prompts, 'row_instances')},
        )
        if scores_of is not None:
            self.task_names['scores_of'] = scores_of
        self.prompts = tuple(prompts)
        self.scores_of = scores_of
        self.weight = weight
        self.background_weight = background_weight

    def loss(
        self,
        outputs: Mapping[str, list[TaskOutput]],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Per task, the sum over layers of the mean over scenes with prompts."""
        return {
            f'loss_{name}_class': self.weight * self._task_loss(name, outputs[name], samples)
            for name in self.prompts
        }

    def _task_loss(
        self, name: str, outputs: list[TaskOutput], samples: list[SceneSample]
    ) -> Tensor:
        labels = [self._labels(name, sample) for sample in samples]
        instance_logits = self.task('classes').instance_logits
        total = sum(instance_logits(output.final).sum() for output in outputs) * 0
        for index in range(len(outputs[0].layers)):
            terms = [
                class_loss(instance_logits(output.layers[index]), known, self.background_weight)
                for output, known in zip(outputs, labels, strict=True)
            ]
            terms = [term for term in terms if term is not None]
            if terms:
                total = total + torch.stack(terms).mean()
        return total

    def _labels(self, name: str, sample: SceneSample) -> Tensor:
        """Thing class of what each row means, -1 for none: int64, (R,)."""
        instances = self.task(name).row_instances(sample)
        # One more entry, so that rows without an instance (-1) find no class.
        return F.pad(self.task('classes').thing_labels(sample), (0, 1), value=-1)[instances]

    def predict(
        self, outputs: Mapping[str, TaskOutput], features: SceneFeatures, sample: SceneSample
    ) -> None:
        """Write ``pred_click_probabilities``: the mean over the clicks of each object."""
        if self.scores_of is None:
            return
        prompts = sample.prompts
        logits = self.task('classes').instance_logits(outputs[self.scores_of].final)
        # Rows of clicks come first. The background is left out, but had its share.
        of_clicks = logits.softmax(dim=1)[: prompts.num_clicks, :-1]
        counts = prompts.click_objects.bincount(minlength=prompts.num_objects)
        total = of_clicks.new_zeros(prompts.num_objects, of_clicks.shape[1])
        total = total.index_add(0, prompts.click_objects, of_clicks)
        sample.pred_click_probabilities = total / counts.clamp(min=1)[:, None]
