"""Answers about windows: parts of a scan that are decoded at once.

Queries of a scene see each other, so a decoder that learned single rooms is asked about pieces of
about that size, whatever the size of the tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from unison3d.apis.answers import SceneAnswers
from unison3d.apis.questions import TASKS
from unison3d.apis.tiles.encoding import SuperpointFeatures
from unison3d.apis.tiles.grid import TileGrid
from unison3d.apis.tiles.superpoints import SuperpointFacts
from unison3d.errors import ConfigError
from unison3d.io.npy import read_npz_arrays, write_npz
from unison3d.models import UnifiedSegmentor
from unison3d.models.scene_batch import SceneFeatures
from unison3d.structures import InstanceMasks, Prompts

#: Superpoints that are decoded at once: masks and attention take S^2 numbers, several times.
MAX_SUPERPOINTS = 20_000
#: Masks with lower scores are not kept, see docs/large_scenes.md.
LEAST_SCORE = 0.1


@dataclass(eq=False)
class MaskRows:
    """Masks as lists of superpoints, since of a large scan most superpoints are in no mask.

    Attributes:
        starts: int64, (K + 1,). Where each mask begins in ``members``.
        members: int64, (L,). Superpoints, ascending within a mask.
        labels: int64, (K,).
        scores: float32, (K,).
    """

    starts: np.ndarray
    members: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, masks: list[np.ndarray], labels: Sequence, scores: Sequence) -> MaskRows:
        """Of one array of superpoints per mask."""
        starts = np.cumsum([0, *(len(mask) for mask in masks)]).astype(np.int64)
        members = np.concatenate([np.zeros(0, np.int64), *masks]).astype(np.int64)
        return cls(starts, members, np.array(labels, np.int64), np.array(scores, np.float32))

    def __len__(self) -> int:
        return len(self.labels)

    def mask(self, row: int) -> np.ndarray:
        """Superpoints of one mask."""
        return self.members[self.starts[row] : self.starts[row + 1]]


@dataclass(eq=False)
class WindowAnswer:
    """Answers about one window.

    Attributes:
        window: its number.
        ids: int64, (S_w,), ascending. Superpoints of the window and its margin.
        maps: int64, (S_w,) class of each superpoint, by ``'semantic'``, ``'panoptic_semantic'``,
            ``'open_semantic'``.
        masks: by ``'instance'``, ``'panoptic'`` (objects alone) and ``'open_vocabulary'``.
    """

    window: int
    ids: np.ndarray
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    masks: dict[str, MaskRows] = field(default_factory=dict)


class WindowDecoder:
    """Decodes one window after the other.

    Args:
        folder: of the answers.
        sample: float32, (M, 3). Points that stand for all, see ``Survey``.
        grid: the windows.
        facts: about all superpoints.
        features: of all superpoints.
        model: in evaluation mode.
        tasks: names out of :data:`~unison3d.apis.questions.TASKS`.
        vocabulary: names of the open-vocabulary task.
    """

    def __init__(
        self,
        folder: Path,
        sample: np.ndarray,
        grid: TileGrid,
        facts: SuperpointFacts,
        features: SuperpointFeatures,
        model: UnifiedSegmentor,
        tasks: Sequence[str],
        vocabulary: Sequence[str] = (),
    ) -> None:
        self._folder, self._sample = folder, sample
        self.grid, self.facts, self._features = grid, facts, features
        self._model, self._tasks, self._vocabulary = model, tuple(tasks), tuple(vocabulary)
        #: int64, (S,). The window that each superpoint belongs to, by its centre.
        self.home = grid.of(facts.centers)

    @property
    def windows(self) -> list[int]:
        """Windows that superpoints belong to."""
        return np.unique(self.home).tolist()

    def answer(self, window: int) -> WindowAnswer:
        """Decode a window, or read what an earlier run made of it.

        Raises:
            ConfigError: the window has too many superpoints for one pass.
        """
        path = self._folder / f'window_{window:07d}.npz'
        if not path.is_file():
            write_npz(path, _pack(self._decode(window)))
        return _unpack(window, read_npz_arrays(path))

    def _decode(self, window: int) -> WindowAnswer:
        ids = np.flatnonzero(self.grid.inside(window, self.facts.centers) | (self.home == window))
        if len(ids) > MAX_SUPERPOINTS:
            raise ConfigError(
                f'a window holds {len(ids):,} superpoints, at most {MAX_SUPERPOINTS:,} are decoded '
                'at once. Choose a smaller --decode-window.'
            )
        fields = self._ask(self._scene(window, ids))
        first = np.cumsum(self.facts.sizes[ids]) - self.facts.sizes[ids]
        found = WindowAnswer(window, ids)
        names = {
            'semantic': 'pred_semantic',
            'panoptic': 'pred_panoptic_semantic',
            'open_vocabulary': 'pred_open_semantic',
        }
        for task, name in names.items():
            if task in self._tasks:
                found.maps[name.removeprefix('pred_')] = fields[name].numpy()[first]
        if 'panoptic' in self._tasks:
            segments = fields['pred_panoptic_instance'].numpy()[first]
            found.masks['panoptic'] = self._objects(ids, segments, found.maps['panoptic_semantic'])
        for task, name in (('instance', 'pred_instances'), ('open_vocabulary', 'pred_open')):
            if task in self._tasks:
                found.masks[task] = _mask_rows(fields[name], ids)
        return found

    def _scene(self, window: int, ids: np.ndarray) -> SceneFeatures:
        """The window as a scene of its own, positions relative to the middle of its floor."""
        near = self._sample[self.grid.inside(window, self._sample)]
        if not len(near):
            near = self.facts.centers[ids]
        rank = max(1, round(0.01 * len(near))) - 1
        low = np.partition(near, rank, axis=0)[rank]
        high = np.partition(near, len(near) - 1 - rank, axis=0)[len(near) - 1 - rank]
        middle = np.array([*((low + high)[:2] / 2), low[2]], np.float32)
        device = next(self._model.parameters()).device
        features = self._features.features[ids].to(device)
        positions = torch.from_numpy(self.facts.centers[ids] - middle).to(device)
        sizes = torch.from_numpy(self.facts.sizes[ids])
        # Sizes of masks are counted in points; where these lie plays no part in these tasks.
        owners = torch.repeat_interleave(torch.arange(len(ids)), sizes).to(device)
        return SceneFeatures(
            features,
            positions,
            owners,
            self._model.decoder.encode(features, positions),
            positions[owners],
            self._features.inputs[ids].to(device),
        )

    @torch.no_grad()
    def _ask(self, features: SceneFeatures) -> dict:
        names = list(dict.fromkeys(TASKS[task] for task in self._tasks))
        answers = SceneAnswers(self._model, features).ask(names, Prompts(), self._vocabulary)
        return {key: value for answer in answers.values() for key, value in answer.fields.items()}

    def _objects(self, ids: np.ndarray, segments: np.ndarray, semantic: np.ndarray) -> MaskRows:
        task = self._model.tasks['closed_set']
        stuff = getattr(task, 'panoptic_stuff', None) or task.label_space.stuff
        things = ~np.isin(semantic, stuff)
        numbers, first = np.unique(segments[things], return_index=True)
        masks = [ids[things & (segments == number)] for number in numbers]
        labels = semantic[things][first]
        return MaskRows.of(masks, labels, np.ones(len(masks)))


def _mask_rows(found: InstanceMasks, ids: np.ndarray) -> MaskRows:
    kept = np.flatnonzero(found.scores.numpy() >= LEAST_SCORE)
    masks = found.superpoint_masks.numpy()
    return MaskRows.of(
        [ids[masks[row]] for row in kept], found.labels.numpy()[kept], found.scores.numpy()[kept]
    )


def _pack(found: WindowAnswer) -> dict[str, np.ndarray]:
    arrays = {'ids': found.ids, **{f'map {name}': ids for name, ids in found.maps.items()}}
    for name, rows in found.masks.items():
        arrays |= {f'mask {name} {key}': value for key, value in vars(rows).items()}
    return arrays


def _unpack(window: int, arrays: dict[str, np.ndarray]) -> WindowAnswer:
    found = WindowAnswer(window, arrays['ids'])
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, value in arrays.items():
        kind, _, rest = name.partition(' ')
        if kind == 'map':
            found.maps[rest] = value
        elif kind == 'mask':
            task, key = rest.split(' ')
            parts.setdefault(task, {})[key] = value
    found.masks = {task: MaskRows(**fields) for task, fields in parts.items()}
    return found
