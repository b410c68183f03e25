"""Rows that stand for the superpoints of a scene, shared by the tasks that segment all of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.models.decoders import QueryBlock
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.base import Task, TaskRows
from unison3d.registry import MODELS
from unison3d.structures import SceneSample

ROW_GROUP = 'superpoints'


@MODELS.register_module()
class SuperpointQueries(nn.Module):
    """One query per superpoint: all of them at test time, a random share in training.

    Args:
        in_channels: width of superpoint features, C.
        keep_ratio: bounds of the random share of superpoints in training.
        max_queries: most queries in training; None (OneFormer3D) sets no limit.
        type_embedding: add a learned vector that tells these queries from prompts. False is
            OneFormer3D, which has no prompts.
        max_queries_test: most queries that are decoded at test time, at least 1; None decodes
            them all. See docs/speed.md for what it costs and gives.
    """

    def __init__(
        self,
        in_channels: int,
        keep_ratio: tuple[float, float] = (0.5, 1.0),
        max_queries: int | None = 3500,
        type_embedding: bool = True,
        max_queries_test: int | None = None,
    ) -> None:
        super().__init__()
        if max_queries_test is not None and max_queries_test < 1:
            raise ConfigError(
                f'max_queries_test is {max_queries_test}, expected at least 1, or None for all.'
            )
        self.max_queries_test = max_queries_test
        self.keep_ratio = keep_ratio
        self.max_queries = max_queries
        # Row 2 of the published ``type_embedding``.
        self.type_embedding = nn.Parameter(torch.randn(in_channels)) if type_embedding else None

    def forward(self, features: SceneFeatures) -> TaskRows:
        """Queries of one scene."""
        superpoints = self._draw(features.num_superpoints, features.device)
        rows = features.superpoint_features.index_select(0, superpoints)
        if self.type_embedding is not None:
            rows = rows + self.type_embedding
        block = QueryBlock(
            rows,
            positions=features.positions[superpoints],
            max_rows=None if self.training else self.max_queries_test,
        )
        return TaskRows(block, superpoints)

    def _draw(self, num_superpoints: int, device: torch.device) -> Tensor:
        if not self.training:
            return torch.arange(num_superpoints, device=device)
        low, high = self.keep_ratio
        share = low + (high - low) * float(torch.rand(()))
        count = int(share * num_superpoints)
        if self.max_queries is not None:
            count = min(count, self.max_queries)
        return torch.randperm(num_superpoints, device=device)[:count]


class SceneRowsTask(Task):
    """A task that reads what superpoint queries mean, mostly those that another task asks for.

    Args:
        in_channels: width of superpoint features, C.
        queries: options of :class:`SuperpointQueries` if no other task provides these rows.
    """

    row_group = ROW_GROUP
    needs_text_space = True

    def __init__(self, in_channels: int, queries: dict | None) -> None:
        super().__init__(in_channels)
        self.make_queries = None if queries is None else SuperpointQueries(in_channels, **queries)

    def queries(self, features: SceneFeatures, sample: SceneSample) -> TaskRows:
        """A query per superpoint, unless an earlier task of the model already asks for them."""
        if self.make_queries is None:
            raise ConfigError(
                f'{type(self).__name__} has no queries of its own; list it after a task with rows '
                f'{ROW_GROUP!r} (ClosedSetTask) or give it queries=dict()'
            )
        return self.make_queries(features)
