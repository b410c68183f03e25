"""Masks of clicks teach the masks of the queries that found the same objects."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from unison3d.models.links.base import Link, mean_over_scenes
from unison3d.models.losses import distillation_loss
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks import TaskOutput
from unison3d.registry import MODELS
from unison3d.structures import SceneSample


@MODELS.register_module()
class ClickDistillationLink(Link):
    """Where clicks are most certain, the matched query should say what the click says.

    Each superpoint belongs to the click that claims it most. The surest ``share`` of superpoints
    is compared with the query that the clicked object is matched to, after the last layer.

    Args:
        clicks: name of the click task.
        generic: name of the task whose queries are matched to objects.
        weight: of the loss.
        share: of superpoints compared, in (0, 1].
        complete_scenes: learn from a scene only if it has as many matched objects as clicks, as
            published. By default a click on an object without a match is left out alone.
        saturating: see :func:`~unison3d.models.losses.distillation_loss`; True is published.

    Source:
        UniSeg3D (arXiv:2407.03263), Sec. 3: interactive segmentation guides the generic tasks.
    """

    def __init__(
        self,
        clicks: str = 'click',
        generic: str = 'closed_set',
        weight: float = 0.1,
        share: float = 0.1,
        complete_scenes: bool = False,
        saturating: bool = False,
    ) -> None:
        super().__init__(
            {'clicks': clicks, 'generic': generic},
            {'clicks': 'row_instances', 'generic': 'match'},
        )
        self.weight = weight
        self.share = share
        self.complete_scenes = complete_scenes
        self.saturating = saturating

    def loss(
        self,
        outputs: Mapping[str, list[TaskOutput]],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Mean over the scenes with a click on a matched object."""
        generic = self.output(outputs, 'generic')
        terms = [
            self._scene_loss(click, found, sample)
            for click, found, sample in zip(
                self.output(outputs, 'clicks'), generic, samples, strict=True
            )
        ]
        terms = [term for term in terms if term is not None]
        zero = sum(output.final.mask_logits.sum() for output in generic) * 0
        return {'loss_click_distillation': self.weight * mean_over_scenes(terms, zero)}

    def _scene_loss(
        self, click: TaskOutput, generic: TaskOutput, sample: SceneSample
    ) -> Tensor | None:
        query_ids, target_ids = self.task('generic').match(generic, sample)
        clicked = self.task('clicks').row_instances(sample)
        if self.complete_scenes and int((clicked >= 0).sum()) != len(query_ids):
            return None
        same = clicked[:, None] == target_ids[None]
        rows = same.any(dim=1).nonzero()[:, 0]
        learnable = (~sample.sp_ignore).nonzero()[:, 0]
        count = int(self.share * len(learnable))
        if len(rows) == 0 or count == 0:
            return None
        queries = query_ids[same[rows].int().argmax(dim=1)]
        claim, row = click.final.mask_logits[rows][:, learnable].max(dim=0)
        surest = claim.topk(count).indices
        student = generic.final.mask_logits[queries[row[surest]], learnable[surest]]
        return distillation_loss(student, claim[surest], saturating=self.saturating)
