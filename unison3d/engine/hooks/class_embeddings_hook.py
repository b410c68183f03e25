"""Class embeddings that come in a file of their own."""

from __future__ import annotations

from pathlib import Path

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from unison3d.errors import ConfigError
from unison3d.models.text import read_class_prototypes
from unison3d.registry import HOOKS


@HOOKS.register_module()
class ClassEmbeddingsHook(Hook):
    """Reads the class embeddings of a task before weights are loaded.

    UniSeg3D keeps them beside its checkpoints, in ``scannet_cls_embedding.pth``. Weights of this
    package hold them, so that later weights prevail.

    Args:
        path: file of one tensor, (classes, prototypes, width).
        task: name of the task; it has ``set_class_embeddings``.
    """

    priority = 'HIGHEST'

    def __init__(self, path: str | Path, task: str = 'closed_set') -> None:
        self._path = Path(path)
        self._task = task

    def before_run(self, runner: Runner) -> None:
        """Read the file.

        Raises:
            CheckpointError: the file is missing or holds something else.
            ConfigError: the model has no such task, or it makes room for another shape.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if self._task not in model.tasks:
            raise ConfigError(
                f'ClassEmbeddingsHook: task {self._task!r} is not in the model, which has '
                f'{list(model.tasks)}. Name one of these.'
            )
        embeddings = read_class_prototypes(self._path)
        try:
            model.tasks[self._task].set_class_embeddings(embeddings)
        except ConfigError as error:
            raise ConfigError(f'{self._path}: {error}') from error
        runner.logger.info(f'Class embeddings {tuple(embeddings.shape)} from {self._path}.')
