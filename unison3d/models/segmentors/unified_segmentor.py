"""One model, many tasks: encode a scene once, decode any number of questions about it."""

from __future__ import annotations

from collections.abc import Iterable

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
        pooled = scatter_mean(
            # index_select, because the backward of plain indexing is many times slower on CPUs.
            voxel_features.index_select(0, batch.point_to_voxel),
            batch.point_to_superpoint,
            sum(batch.num_superpoints),
        )
        return [
            SceneFeatures(
                features, positions, superpoints, self.decoder.encode(features, positions)
            )
            for features, positions, superpoints in zip(
                pooled.split(batch.num_superpoints), batch.positions, batch.superpoints, strict=True
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
        outputs = {
            group: TaskOutput(block_layers, part.superpoints)
            for (group, part), block_layers in zip(rows.items(), layers, strict=True)
        }
        return {name: outputs[self.tasks[name].row_group] for name in names}

    def loss(self, batch: SceneBatch, samples: list[SceneSample]) -> dict[str, Tensor]:
        """Losses of all tasks over a batch."""
        features = self.encode(batch)
        outputs = [
            self.decode(scene, sample, all_layers=True)
            for scene, sample in zip(features, samples, strict=True)
        ]
        losses: dict[str, Tensor] = {}
        for name, task in self.tasks.items():
            losses.update(task.loss([output[name] for output in outputs], features, samples))
        return losses

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
        for name, output in self.decode(features, sample, names).items():
            self.tasks[name].predict(output, features, sample)
        return sample

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
