"""One model, many tasks: encode a scene once, decode any number of questions about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.models.scene_batch import SceneBatch, SceneFeatures
from unison3d.models.tasks.base import Task, TaskOutput, TaskRows
from unison3d.registry import MODELS
from unison3d.sparse import scatter_mean
from unison3d.structures import SceneSample


@MODELS.register_module()
class UnifiedSegmentor(BaseModel):
    """Sparse U-Net, superpoint pooling, one query decoder, and tasks as plug-ins.

    Args:
        backbone: config of a network from :class:`~unison3d.sparse.SparseTensor` to the same.
        decoder: config of the query decoder; ``in_channels`` is filled in.
        tasks: configs of the tasks by name, in order; ``in_channels`` and ``d_model`` are filled
            in. Tasks with the same ``row_group`` share the rows of the first of them.
        links: configs of what tasks teach each other, by name; see :mod:`unison3d.models.links`.
        data_preprocessor: config of the preprocessor.
        init_cfg: see mmengine.

    Source:
        UniSeg3D (arXiv:2407.03263) and OneFormer3D (arXiv:2311.14405).
    """

    def __init__(
        self,
        backbone: dict,
        decoder: dict,
        tasks: dict[str, dict],
        links: dict[str, dict] | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if isinstance(data_preprocessor, dict):
            # mmengine would look the name up in its own root registry.
            data_preprocessor = MODELS.build(data_preprocessor)
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if hasattr(self.data_preprocessor, 'num_channels'):
            backbone = {'in_channels': self.data_preprocessor.num_channels, **backbone}
        self.backbone = MODELS.build(backbone)
        channels = self.backbone.out_channels
        self.decoder = MODELS.build({'in_channels': channels, **decoder})
        self.tasks = nn.ModuleDict(
            {
                name: MODELS.build(
                    {'in_channels': channels, 'd_model': self.decoder.d_model, **config}
                )
                for name, config in tasks.items()
            }
        )
        for name, task in self.tasks.items():
            if task.needs_text_space and not getattr(self.decoder, 'has_text_space', True):
                raise ConfigError(
                    f'the task {name!r} ({type(task).__name__}) reads text embeddings, and the '
                    'decoder makes none. Give the decoder embedding_dim, their width.'
                )
        self.links = nn.ModuleDict(
            {name: MODELS.build(config) for name, config in (links or {}).items()}
        )
        for link in self.links.values():
            link.connect(self.tasks)
        # By task; known once there were losses.
        self._names_of_losses: dict[str, tuple[str, ...]] = {}

    def forward(
        self,
        inputs: SceneBatch,
        data_samples: list[SceneSample] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[SceneSample] | list[SceneFeatures]:
        """mmengine's entry: ``'loss'``, ``'predict'`` or ``'tensor'`` (encoded scenes)."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        return self.encode(inputs)

    def encode(self, batch: SceneBatch) -> list[SceneFeatures]:
        """Voxels to superpoint features, keys, values and mask features; once per scene."""
        voxel_features = self.backbone(batch.voxels).features.float()
        pooled = _to_superpoints(voxel_features, batch)
        inputs = _to_superpoints(batch.voxels.features, batch)
        return [
            SceneFeatures(
                superpoint_features=features,
                positions=positions,
                superpoints=superpoints,
                memory=self.decoder.encode(features, positions),
                points=points,
                superpoint_inputs=given,
            )
            for features, given, positions, superpoints, points in zip(
                pooled.split(batch.num_superpoints),
                inputs.split(batch.num_superpoints),
                batch.positions,
                batch.superpoints,
                batch.points,
                strict=True,
            )
        ]

    def decode(
        self,
        features: SceneFeatures,
        sample: SceneSample,
        tasks: Iterable[str] | None = None,
        *,
        all_layers: bool = False,
    ) -> dict[str, TaskOutput]:
        """Ask the decoder the questions of some tasks about one encoded scene.

        Args:
            features: from :meth:`encode`.
            sample: holds the prompts.
            tasks: names of tasks, default all.
            all_layers: also keep the predictions before the last layer (training).

        Returns:
            The output of every task.
        """
        names = self._task_names(tasks)
        rows: dict[str, TaskRows] = {}
        for name in names:
            group = self.tasks[name].row_group
            if group not in rows:
                rows[group] = self._provider(group).queries(features, sample)
        layers = self.decoder(
            features.memory, [part.block for part in rows.values()], all_layers=all_layers
        )
        # Decisions about masks and classes are made in float32, whatever the network ran in.
        outputs = {
            group: TaskOutput([layer.float() for layer in block_layers], part.superpoints)
            for (group, part), block_layers in zip(rows.items(), layers, strict=True)
        }
        return {name: outputs[self.tasks[name].row_group] for name in names}

    def loss(self, batch: SceneBatch, samples: list[SceneSample]) -> dict[str, Tensor]:
        """Losses of all tasks and links over a batch."""
        return self.scene_losses(self.encode(batch), samples)

    def scene_losses(
        self, features: list[SceneFeatures], samples: list[SceneSample]
    ) -> dict[str, Tensor]:
        """Losses of all tasks and links over encoded scenes."""
        samples = [
            self._refined(scene, sample) for scene, sample in zip(features, samples, strict=True)
        ]
        decoded = [
            self.decode(scene, sample, all_layers=True)
            for scene, sample in zip(features, samples, strict=True)
        ]
        outputs = {name: [scene[name] for scene in decoded] for name in self.tasks}
        return self.losses_of(outputs, features, samples)

    def losses_of(
        self,
        outputs: dict[str, list[TaskOutput]],
        features: list[SceneFeatures],
        samples: list[SceneSample],
    ) -> dict[str, Tensor]:
        """Losses of all tasks and links from the answers of all layers, by task and scene.

        The keys are the same on every call; what does not apply is zero.
        """
        losses: dict[str, Tensor] = {}
        with _float32(features):
            for name, task in self.tasks.items():
                own = task.loss(outputs[name], features, samples)
                _add(losses, name, own)
                self._names_of_losses[name] = tuple(own)
            for name, link in self.links.items():
                _add(losses, name, link.loss(outputs, features, samples))
        return losses

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of all losses, and what the log shows: each loss, and their sum per task."""
        total, shown = super().parse_losses(losses)
        sums = {
            f'task/{name}': sum(shown[key].detach() for key in keys)
            for name, keys in self._names_of_losses.items()
        }
        return total, {**shown, **sums}

    @torch.no_grad()
    def predict(
        self,
        batch: SceneBatch,
        samples: list[SceneSample],
        tasks: Iterable[str] | None = None,
    ) -> list[SceneSample]:
        """Fill the ``pred_*`` fields of the samples of a batch of any size."""
        for features, sample in zip(self.encode(batch), samples, strict=True):
            self.predict_scene(features, sample, tasks)
        return samples

    @torch.no_grad()
    def predict_scene(
        self,
        features: SceneFeatures,
        sample: SceneSample,
        tasks: Iterable[str] | None = None,
    ) -> SceneSample:
        """Answer tasks about one encoded scene."""
        names = self._task_names(tasks)
        outputs = self.decode(features, sample, names)
        with _float32([features]):
            for name, output in outputs.items():
                self.tasks[name].predict(output, features, sample)
            for link in self.links.values():
                if outputs.keys() >= set(link.task_names.values()):
                    link.predict(outputs, features, sample)
        # Asks the decoder again, so in the precision that the scene was encoded in.
        for name in outputs:
            self.tasks[name].simulate(features, sample, self._asker(name, features))
        return sample

    def _refined(self, features: SceneFeatures, sample: SceneSample) -> SceneSample:
        for name, task in self.tasks.items():
            sample = task.refine(features, sample, self._asker(name, features))
        return sample

    def _asker(self, name: str, features: SceneFeatures) -> Callable[[SceneSample], TaskOutput]:
        """Asks one task about an encoded scene, without gradients."""

        @torch.no_grad()
        def ask(sample: SceneSample) -> TaskOutput:
            return self.decode(features, sample, [name])[name]

        return ask

    def _task_names(self, tasks: Iterable[str] | None) -> list[str]:
        if tasks is None:
            return list(self.tasks)
        names = list(tasks)
        unknown = [name for name in names if name not in self.tasks]
        if unknown:
            raise ConfigError(f'unknown tasks {unknown}; this model has {list(self.tasks)}')
        return names

    def _provider(self, group: str) -> Task:
        """The first task of the model with rows of this group makes them for all."""
        return next(task for task in self.tasks.values() if task.row_group == group)


def _to_superpoints(voxel_features: Tensor, batch: SceneBatch) -> Tensor:
    """Mean over the points of every superpoint of the batch."""
    return scatter_mean(
        # index_select, because the backward of plain indexing is many times slower on CPUs.
        voxel_features.index_select(0, batch.point_to_voxel),
        batch.point_to_superpoint,
        sum(batch.num_superpoints),
    )


def _float32(features: list[SceneFeatures]) -> AbstractContextManager:
    """Losses, matching costs and mask selection in float32, also inside automatic precision.

    Close costs tie in bfloat16 (and a tie matches nothing), a logit just below zero becomes a
    probability of 0.5, and a cosine times 100 is off by half a unit.
    """
    return torch.autocast(features[0].device.type, enabled=False)


def _add(losses: dict[str, Tensor], name: str, more: dict[str, Tensor]) -> None:
    """Add the losses of a task or link.

    Raises:
        ConfigError: another one has a loss of the same name, which would be lost.
    """
    twice = sorted(losses.keys() & more.keys())
    if twice:
        raise ConfigError(
            f'{name!r} has losses {twice}, and so has another task or link of this model. Keep one '
            'of the two.'
        )
    losses.update(more)
