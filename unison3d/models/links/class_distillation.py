"""Sentences learn from clicks what kind of object they mean."""

from __future__ import annotations

from torch import Tensor

from unison3d.models.links.prompt_link import PromptLink
from unison3d.models.links.prompt_pairs import PromptPairs
from unison3d.models.losses import distillation_loss
from unison3d.models.tasks import TaskOutput
from unison3d.registry import MODELS


@MODELS.register_module()
class ClassDistillationLink(PromptLink):
    """The class probabilities of a click are the target of those of the sentence.

    Args:
        clicks: name of the click task.
        texts: name of the text task.
        classes: name of the task that knows the classes.
        weight: of the loss.
        saturating: see :func:`~unison3d.models.losses.distillation_loss`; True is published.

    Source:
        The released code of UniSeg3D; the paper (arXiv:2407.03263) does not mention it.
    """

    LOSS = 'loss_class_distillation'

    def __init__(
        self,
        clicks: str = 'click',
        texts: str = 'text',
        classes: str = 'closed_set',
        weight: float = 0.1,
        saturating: bool = False,
    ) -> None:
        super().__init__(clicks, texts, weight)
        self.task_names['classes'] = classes
        self.needs['classes'] = 'instance_logits'
        self.saturating = saturating

    def scene_loss(self, click: TaskOutput, text: TaskOutput, pairs: PromptPairs) -> Tensor:
        """Mean over sentences and classes, background included."""
        instance_logits = self.task('classes').instance_logits
        return distillation_loss(
            instance_logits(text.final)[pairs.texts],
            instance_logits(click.final)[pairs.clicks],
            saturating=self.saturating,
        )
