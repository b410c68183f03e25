"""What a task is."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from unison3d.structures import SceneSample

if TYPE_CHECKING:
    from unison3d.models.decoders import LayerOutput, QueryBlock
    from unison3d.models.scene_batch import SceneFeatures


@dataclass
class TaskRows:
    """Rows a task asks the decoder for.

    Attributes:
        block: the queries.
        superpoints: int64, (R,). Superpoint each query comes from, -1 for none.
    """

    block: QueryBlock
    superpoints: Tensor


@dataclass
class TaskOutput:
    """The decoder's answer to the rows of one task in one scene.

    Attributes:
        layers: predictions before layer 1 and after each layer; only the last one at inference.
        superpoints: int64, (R,), from :class:`TaskRows`.
    """

    layers: list[LayerOutput]
    superpoints: Tensor

    @property
    def final(self) -> LayerOutput:
        """The prediction after the last layer."""
        return self.layers[-1]


class Task(nn.Module, abc.ABC):
    """One kind of question about a scene.

    A task turns prompts into queries, supervises the decoder's answers and turns them into
    predictions. It knows no other task: tasks with the same ``row_group`` share the rows that
    the first of them asks for, everything else is separate. What one task teaches another is a
    :class:`~unison3d.models.links.Link`; tasks with prompts have ``row_instances(sample)`` for it,
    int64 (R,): the one ground-truth instance each row means, -1 for none, several or unknown.

    Args:
        in_channels: width of superpoint features, C.
    """

    row_group: str = ''
    #: The answer depends on the prompts of a sample. Without, it is the same at every question.
    prompted: bool = False
    #: Reads what the decoder says in the space of the text embeddings (its ``embedding_dim``).
    needs_text_space: bool = False

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels

    @abc.abstractmethod
    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """Rows for one scene; zero rows where the sample does not ask for this task."""

    def refine(
        self,
        features: SceneFeatures,
        sample: SceneSample,
        ask: Callable[[SceneSample], TaskOutput],
    ) -> SceneSample:
        """In training, the sample with prompts that follow from the task's own answers.

        Args:
            features: the scene.
            sample: stays as it is.
            ask: the decoder's answer to the prompts of a sample, without gradients.
        """
        return sample

    @abc.abstractmethod
    def loss(
        self,
        outputs: list[TaskOutput],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Losses over a batch, the same keys on every call (zeros where nothing applies)."""

    @abc.abstractmethod
    def predict(self, output: TaskOutput, features: SceneFeatures, sample: SceneSample) -> None:
        """Write ``pred_*`` fields into the sample."""

    def simulate(  # noqa: B027 - most tasks have nothing to simulate
        self,
        features: SceneFeatures,
        sample: SceneSample,
        ask: Callable[[SceneSample], TaskOutput],
    ) -> None:
        """In tests, after :meth:`predict`, write what further prompts would bring."""
