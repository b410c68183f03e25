"""What a model knows of an encoded scene without being asked anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch

from unison3d.apis import SceneResult, Segmenter
from unison3d.apis.superpoint_table import SuperpointTable
from unison3d.errors import ConfigError
from unison3d.structures import Prompts, SceneSample
from unison3d.superpoints import superpoint_hierarchy
from unison3d.viewer.hierarchy import PartLadder
from unison3d.viewer.shared_model import SharedModel

__all__ = ['ModelFacts']


class ModelFacts:
    """Answers without a prompt; the costly ones are computed when first looked at.

    Args:
        segmenter: with the encoded scene.
        model: whose turn to wait for.
        result: its answer to the tasks without a prompt.
    """

    def __init__(self, segmenter: Segmenter, model: SharedModel, result: SceneResult) -> None:
        self.segmenter = segmenter
        self.result = result
        self._model = model

    @cached_property
    def features(self) -> np.ndarray:
        """float32, (S, C): features of the superpoints.

        Raises:
            ConfigError: the scene has no points.
        """
        features = self.segmenter.features
        if features is None:
            raise ConfigError(f'"{self.result.scene.name}" has no points, so it has no features.')
        return features.superpoint_features.float().cpu().numpy()

    @cached_property
    def uncertainty(self) -> np.ndarray:
        """float32, (S,), 0 to 1: entropy of the class of each superpoint; 1 is no idea at all.

        NaN where no query of the model stands for the superpoint.

        Raises:
            ConfigError: the model has no closed set of classes, or the scene no points.
        """
        features, tasks = self.segmenter.features, self.segmenter.model.tasks
        if features is None or 'closed_set' not in tasks:
            raise ConfigError(
                'uncertainty is that of the classes of a model, and this scene has no points or '
                'the model no classes.'
            )
        with self._model.use(), torch.no_grad():
            sample = SceneSample(prompts=Prompts()).to(features.device)
            output = self.segmenter.model.decode(features, sample, ['closed_set'])['closed_set']
            chance = tasks['closed_set'].semantic_logits(output.final).softmax(dim=1)
        entropy = torch.special.entr(chance).sum(dim=1) / math.log(max(chance.shape[1], 2))
        values = np.full(features.num_superpoints, np.nan, np.float32)
        rows = output.superpoints.cpu().numpy()
        values[rows[rows >= 0]] = entropy.cpu().numpy()[rows >= 0]
        return values

    def find_parts(self, report: Callable[[float, str], None]) -> PartLadder:
        """Masks around every superpoint, from part to whole.

        Args:
            report: called now and then with the share that is done and what is being done. What
                it raises ends the search.
        """
        scene, text = self.result.scene, 'joining what touches'
        report(0.0, text)
        tree = superpoint_hierarchy(
            scene.points,
            scene.superpoints,
            colors=scene.colors,
            faces=scene.faces,
            told=lambda share: report(share, text),
        )
        sizes = SuperpointTable.of(scene).sizes
        masks, scores = None, None
        if 'instance' in self.result.tasks:
            found = self.result.instances
            masks, scores = found.superpoint_masks.numpy(), found.scores.numpy()
        return PartLadder(tree, sizes, masks, scores)
