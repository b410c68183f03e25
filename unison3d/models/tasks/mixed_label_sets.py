"""Learned queries for data sets with different classes in one training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.models.heads import LinearClassifier
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import TaskOutput
from unison3d.models.tasks.learned_queries import LabelSet, LearnedQueryTask
from unison3d.registry import MODELS
from unison3d.structures import LABEL_SPACES, SceneSample
from unison3d.structures.label_space import get_label_space


@MODELS.register_module()
class MixedLabelSetsTask(LearnedQueryTask):
    """Instances of several label spaces: each has its own queries and head, the rest is shared.

    A scene says which label space is its own in ``sample.label_space`` (data sets in the processed
    form do), where the published code looks for a word in the path of the file.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder.
        label_spaces: keys of :data:`~unison3d.structures.LABEL_SPACES`.
        default: the label space of scenes that do not say, such as scans of a user. None refuses
            such scenes; a scene that names a label space which is not listed is always refused.
        options: of :class:`LearnedQueryTask`; there is no semantic map.

    Source:
        The pre-training of OneFormer3D (arXiv:2311.14405) on ScanNet and Structured3D.
    """

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        label_spaces: Sequence[str] = ('structured3d', 'scannet20'),
        default: str | None = None,
        **options: Any,
    ) -> None:
        for name in label_spaces:
            get_label_space(name)
        if not label_spaces or default not in (None, *label_spaces):
            raise ConfigError(
                f'default is {default!r}, label_spaces {tuple(label_spaces)}; expected one of them.'
            )
        self._names = tuple(label_spaces)
        self.default = default
        super().__init__(
            in_channels, d_model, default or label_spaces[0], semantic=False, **options
        )

    def make_label_sets(self, d_model: int) -> None:
        """Create queries and heads of every label space."""
        self.queries_of = nn.ModuleDict(
            {name: nn.Embedding(self.num_queries, d_model) for name in self._names}
        )
        self.heads = nn.ModuleDict(
            {
                name: LinearClassifier(d_model, len(LABEL_SPACES[name].things))
                for name in self._names
            }
        )

    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """As of the base class, tied to the label spaces that no scene of the batch has."""
        losses = super().loss(outputs, features, samples)
        own = [*self.queries_of.parameters(), *self.heads.parameters()]
        losses['loss_instance'] = losses['loss_instance'] + sum(part.sum() for part in own) * 0
        return losses

    def label_set(self, sample: SceneSample) -> LabelSet:
        """Queries and head of the label space of the scene.

        Raises:
            ConfigError: the scene names none and there is no default, or it names another.
        """
        name = sample.get('label_space') or self.default
        if name not in self.heads:
            scene = sample.get('name', 'a scene')
            seen = 'names no label_space' if name is None else f'has the label_space {name!r}'
            raise ConfigError(
                f'{scene}: {seen}, and this model knows {", ".join(self.heads)}. Set label_space '
                'of the data set (sample.label_space), or default of the MixedLabelSetsTask.'
            )
        return LabelSet(LABEL_SPACES[name], self.queries_of[name].weight, self.heads[name])
