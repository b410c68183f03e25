"""Simulated boxes around objects."""

from __future__ import annotations

import numpy as np

from unison3d.datasets.transforms.sample_edit import rows_by_id, sample_rng
from unison3d.errors import ConfigError
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SampleBoxes:
    """Draw boxes around objects as a person would: not quite tight, and turned at random.

    Comes after ``SampleClicks``, whose objects stay; every box is an object of its own after them.
    Adds ``boxes`` float32 (B, 7) and ``box_objects`` int64 (B,), see
    :class:`~unison3d.structures.Prompts`, and B entries to ``click_targets``.

    Args:
        max_objects: boxes per sample.
        noise: standard deviation of each face, as a share of the size of the box.
        turned: probability of a box with a random yaw; the others follow the axes.
        min_points: smaller instances get no box.
    """

    def __init__(
        self,
        max_objects: int = 8,
        noise: float = 0.05,
        turned: float = 0.5,
        min_points: int = 20,
    ) -> None:
        if max_objects < 0 or noise < 0 or not 0 <= turned <= 1:
            raise ConfigError(
                f'SampleBoxes: max_objects is {max_objects}, noise {noise}, turned {turned}; '
                'expected 0 or more, 0 or more, and 0 to 1.'
            )
        self.max_objects = max_objects
        self.noise = noise
        self.turned = turned
        self.min_points = min_points

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        instances, num_instances = results['instances'], len(results['instance_semantic'])
        counts = np.bincount(instances[instances >= 0], minlength=num_instances)
        usable = counts >= self.min_points
        if results.get('sp_masks') is not None:
            usable &= results['sp_masks'].any(1)  # without a superpoint there is nothing to learn
        chosen = rng.permutation(np.flatnonzero(usable))[: self.max_objects]
        rows = rows_by_id(instances, num_instances)
        boxes = [self._box(results['points'][rows[instance]], rng) for instance in chosen]
        before = np.asarray(results.get('click_targets', np.zeros(0)), np.int64)
        results['boxes'] = np.array(boxes, np.float32).reshape(-1, 7)
        results['box_objects'] = len(before) + np.arange(len(chosen))
        results['click_targets'] = np.concatenate([before, chosen.astype(np.int64)])
        return results

    def _box(self, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        yaw = rng.uniform(-np.pi, np.pi) if rng.random() < self.turned else 0.0
        cos, sin = np.cos(yaw), np.sin(yaw)
        to_box = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        local = points @ to_box.T
        low, high = local.min(0), local.max(0)
        faces = np.stack([low, high]) + rng.normal(0, self.noise, (2, 3)) * (high - low)
        # Never inside out, and not flat: a person draws around what is seen.
        low, high = faces.min(0) - 0.01, faces.max(0) + 0.01
        return np.concatenate([(low + high) / 2 @ to_box, high - low, [yaw]])
