"""What a link between tasks is."""

from __future__ import annotations

import abc
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks import Task, TaskOutput
from unison3d.structures import SceneSample


class Link(nn.Module, abc.ABC):
    """A loss that several tasks have a part in. No task knows another; a link knows some.

    Args:
        tasks: names of the tasks of the model that the link connects, by the part each plays.
        needs: what a task needs to have for its part, by part.
    """

    def __init__(self, tasks: Mapping[str, str], needs: Mapping[str, str]) -> None:
        super().__init__()
        self.task_names = dict(tasks)
        self.needs = dict(needs)
        self._tasks: dict[str, Task] = {}

    def connect(self, tasks: Mapping[str, Task]) -> None:
        """Find the tasks in a model.

        Raises:
            ConfigError: the model has no task of that name, or one that cannot play the part.
        """
        for part, name in self.task_names.items():
            if name not in tasks:
                raise ConfigError(
                    f'{type(self).__name__} connects a task {part}={name!r}, but the model has '
                    f'{list(tasks)}. Add the task, name another one, or remove the link.'
                )
            needed = self.needs.get(part)
            if needed is not None and not hasattr(tasks[name], needed):
                raise ConfigError(
                    f'{type(self).__name__}: {part}={name!r} is a {type(tasks[name]).__name__}, '
                    f'which has no {needed}(). Name a task that has.'
                )
        # In a plain dict: the parameters of a task are listed once, under the task.
        self._tasks = {part: tasks[name] for part, name in self.task_names.items()}

    def task(self, part: str) -> Task:
        """The task that plays a part."""
        return self._tasks[part]

    def output(self, outputs: Mapping[str, list[TaskOutput]], part: str) -> list[TaskOutput]:
        """What the decoder answered to that task, per scene."""
        return outputs[self.task_names[part]]

    @abc.abstractmethod
    def loss(
        self,
        outputs: Mapping[str, list[TaskOutput]],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Losses over a batch.

        Args:
            outputs: per task of the model, B scenes.
            features: B encoded scenes.
            samples: B scenes.

        Returns:
            The same keys on every call; zeros tied to the graph where nothing applies, so that
            the processes of a distributed run agree about the keys and about the parameters.
        """

    def predict(  # noqa: B027 (most links have nothing to add)
        self, outputs: Mapping[str, TaskOutput], features: SceneFeatures, sample: SceneSample
    ) -> None:
        """Add to the predictions of one scene what needs several tasks; by default nothing.

        Called after the tasks, where all tasks of the link were asked.
        """


def mean_over_scenes(terms: list[Tensor], zero: Tensor) -> Tensor:
    """Mean of the scenes that have something to say; ``zero`` ties it to the graph."""
    return torch.stack(terms).mean() + zero if terms else zero
