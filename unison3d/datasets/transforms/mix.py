"""Two scenes in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unison3d.datasets.transforms.combine import (
    append_scene,
    check_can_combine,
    drop_doubtful,
    same_fields,
)
from unison3d.datasets.transforms.sample_edit import keep_sentences, sample_rng
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MixScenes:
    """Lay another scene of the data set over this one, so that context alone tells nothing.

    The middles and the floors of both coincide. Points, superpoints, instances and names are
    joined; of either side the sentences stay that the other side cannot have changed (see
    :func:`~unison3d.datasets.transforms.combine.drop_doubtful`). Scenes are not mixed where one
    is empty or only one has colours. Put it before transforms that withhold classes or crop.

    Args:
        prob: probability of mixing.
        pipeline: transforms of the other scene before it comes in, such as a crop or a turn.
        with_sentences: keep what stays true; otherwise a mixed scene has no sentences.

    Source:
        Mix3D (arXiv:2110.02210); the treatment of sentences is ours.
    """

    def __init__(
        self, prob: float = 0.5, pipeline: Sequence[Any] = (), with_sentences: bool = True
    ) -> None:
        self.prob = prob
        self.pipeline = [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline]
        self.with_sentences = with_sentences

    def __call__(self, results: dict) -> dict:
        check_can_combine(self, results)
        rng = sample_rng(results)
        if rng.random() >= self.prob:
            return results
        other = results['draw_scene'](rng)
        other['rng'] = rng
        for transform in self.pipeline:
            other = transform(other)
        if not same_fields(results, other):
            return results
        shift = _anchor(results['points']) - _anchor(other['points'])
        other['points'] = (other['points'] + shift).astype(np.float32)
        names = results['instance_names'], other['instance_names']
        classes = results['instance_semantic'], other['instance_semantic']
        drop_doubtful(results, names[1], classes[1], new_room=True)
        drop_doubtful(other, names[0], classes[0], new_room=True)
        self._join_sentences(results, other)
        return append_scene(results, other)

    def _join_sentences(self, results: dict, other: dict) -> None:
        if not self.with_sentences:
            for sample in (results, other):
                keep_sentences(sample, [False] * len(sample.get('sentences') or []))
        shift = len(results['instance_names'])
        results['sentences'] = [
            *(results.get('sentences') or []),
            *(
                {**sentence, 'targets': [target + shift for target in sentence['targets']]}
                for sentence in other.get('sentences') or []
            ),
        ]
        if results.get('sentence_embeddings') is not None:
            results['sentence_embeddings'] = np.concatenate(
                [results['sentence_embeddings'], other['sentence_embeddings']]
            )


def _anchor(points: np.ndarray) -> np.ndarray:
    """Middle of the box in x and y, and the height of the floor; float32 (3,)."""
    middle = (points.min(0) + points.max(0)) / 2
    return np.append(middle[:2], np.quantile(points[:, 2], 0.01)).astype(np.float32)
