"""The result of a scan in tiles as files, written in pieces.

The folder is that of an ordinary result (``result.json``, ``result.npz``, one PLY per task) with
two differences: masks stand in ``result.npz`` as lists of superpoints, and a scan of more than
:data:`OVERVIEW_FROM` points has a thinned copy with colours and labels, ``overview.ply``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.apis.colors import instance_colors, semantic_colors
from unison3d.apis.tiles.store import TileStore
from unison3d.apis.tiles.superpoints import SuperpointFacts
from unison3d.apis.tiles.survey import usable_pieces
from unison3d.apis.tiles.windows import MaskRows
from unison3d.io.json_files import write_json
from unison3d.io.pieces import ArrayPieces, write_npz_pieces, write_ply_pieces
from unison3d.io.point_stream import PointStream
from unison3d.structures import LabelSpace

OVERVIEW_PLY = 'overview.ply'
#: Points of a scan that gets an overview, and of the overview at most.
OVERVIEW_FROM, OVERVIEW_POINTS = 5_000_000, 2_000_000
#: Rows of an array that are written at a time.
ROWS = 1 << 20
_GREY = np.array([0.72, 0.72, 0.72], np.float32)


@dataclass(eq=False)
class TileAnswers:
    """What is known about every superpoint in the end.

    Attributes:
        tasks: names of the tasks.
        label_space: classes of the closed-set tasks.
        stuff: classes without objects in the panoptic map.
        vocabulary: names of the open-vocabulary task.
        maps: int64, (S,), by ``'semantic'``, ``'panoptic_semantic'``, ``'panoptic_instance'``,
            ``'open_semantic'``.
        masks: by ``'instance'`` and ``'open_vocabulary'``.
    """

    tasks: list[str]
    label_space: LabelSpace
    stuff: tuple[int, ...]
    vocabulary: list[str]
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    masks: dict[str, MaskRows] = field(default_factory=dict)

    def names(self, task: str) -> list[str]:
        """Name of every mask of a task."""
        table = self.vocabulary if task == 'open_vocabulary' else self.label_space.thing_names
        return [table[label] for label in self.masks[task].labels.tolist()]


class ResultWriter:
    """Writes the files of a result.

    Args:
        stream: the scan, read once more per file.
        store: points in tiles.
        facts: about the superpoints.
        answers: about the superpoints.
        scale: metres per unit of the file.
    """

    def __init__(
        self,
        stream: PointStream,
        store: TileStore,
        facts: SuperpointFacts,
        answers: TileAnswers,
        scale: float,
    ) -> None:
        self._stream, self._store, self._facts = stream, store, facts
        self._answers, self._scale = answers, scale
        self._count = store.found.num_points
        self._superpoints = store.superpoints_by_row()

    def write(self, out: Path, facts: dict[str, Any]) -> list[Path]:
        """All files; ``result.json`` is the last.

        Args:
            out: the folder.
            facts: further entries of ``result.json``.
        """
        paths = [
            write_ply_pieces(out / f'{task}.ply', self._count, self._painted(*self._coloring(task)))
            for task in self._answers.tasks
        ]
        if self._count > OVERVIEW_FROM:
            step = -(-self._count // OVERVIEW_POINTS)
            count = -(-self._count // step)
            paths.append(write_ply_pieces(out / OVERVIEW_PLY, count, self._thinned(step)))
        paths.append(write_npz_pieces(out / 'result.npz', self._arrays()))
        paths.append(write_json(out / 'result.json', {**self.to_json(), **facts}))
        return paths

    # ------------------------------------------------------------------ pieces

    def _pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray]]:
        """Points in metres float32, colours or None, and superpoints, in the order of the file."""
        row, origin = 0, self._store.found.origin
        for world, colors, _ in usable_pieces(self._stream, self._store.found, self._scale):
            ids = self._superpoints[row : row + len(world)]
            row += len(world)
            yield (world - origin).astype(np.float32), colors, ids

    def _in_file(self, points: np.ndarray) -> np.ndarray:
        """Coordinates of the file, in double where they need it."""
        if self._store.found.origin.any():
            return (points + self._store.found.origin) / self._scale
        return points if self._scale == 1 else (points / self._scale).astype(np.float32)

    def _coloring(self, task: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Colour of each superpoint, where it holds, and ids: (S, 3), bool (S,), (S,) each."""
        maps, space = self._answers.maps, self._answers.label_space
        everywhere = np.ones(len(self._facts), bool)
        if task == 'semantic':
            ids = maps['semantic']
            return semantic_colors(ids, space.palette), everywhere, {'semantic_ids': ids}
        if task == 'panoptic':
            ids, segments = maps['panoptic_semantic'], maps['panoptic_instance']
            things = ~np.isin(ids, self._answers.stuff)
            colors = semantic_colors(ids, space.palette)
            colors[things] = instance_colors(segments[things])
            return colors, everywhere, {'semantic_ids': ids, 'instance_ids': segments}
        rows, owner = self._answers.masks[task], np.full(len(self._facts), -1, np.int64)
        # Of several masks the first, which is the best, is the one seen.
        for row in reversed(range(len(rows))):
            owner[rows.mask(row)] = row
        return instance_colors(np.maximum(owner, 0)), owner >= 0, {'instance_ids': owner}

    def _painted(
        self, table: np.ndarray, holds: np.ndarray, ids: dict[str, np.ndarray]
    ) -> Iterator[dict[str, np.ndarray]]:
        for points, colors, superpoints in self._pieces():
            background = np.broadcast_to(_GREY, points.shape)
            if colors is not None:
                grey = 0.35 + 0.6 * colors.mean(axis=1, keepdims=True)
                background = np.broadcast_to(grey.astype(np.float32), points.shape)
            painted = np.where(holds[superpoints][:, None], table[superpoints], background)
            labels = {name: values[superpoints] for name, values in ids.items()}
            yield {'points': self._in_file(points), 'colors': painted, **labels}

    def _thinned(self, step: int) -> Iterator[dict[str, np.ndarray]]:
        maps = self._answers.maps
        named = {'semantic_ids': 'semantic', 'instance_ids': 'panoptic_instance'}
        row = 0
        for points, colors, superpoints in self._pieces():
            rows = slice(-row % step, None, step)
            row += len(points)
            piece = {'points': self._in_file(points[rows])}
            if colors is not None:
                piece['colors'] = colors[rows]
            for label, name in named.items():
                if name in maps:
                    piece[label] = maps[name][superpoints[rows]]
            yield piece

    # ------------------------------------------------------------------ arrays and JSON

    def _arrays(self) -> dict[str, ArrayPieces]:
        count, whole = self._count, ArrayPieces.whole
        points = (points for points, _, _ in self._pieces())
        found = {
            'points': ArrayPieces(np.dtype(np.float32), (count, 3), points, compress=False),
            'origin': whole(self._store.found.origin),
            'scale': whole(np.float64(self._scale)),
            'superpoints': ArrayPieces(np.dtype(np.int32), (count,), self._superpoint_pieces()),
        }
        for name, values in self._answers.maps.items():
            narrow = values.astype(np.int32)
            found[name] = ArrayPieces(narrow.dtype, (count,), self._expanded(narrow))
        for task, rows in self._answers.masks.items():
            found[f'{task}_mask_starts'] = whole(rows.starts)
            found[f'{task}_mask_superpoints'] = whole(rows.members.astype(np.int32))
            found[f'{task}_scores'] = whole(rows.scores)
            found[f'{task}_labels'] = whole(rows.labels)
            found[f'{task}_names'] = whole(np.array(self._answers.names(task), dtype=np.str_))
        return found

    def _superpoint_pieces(self) -> Iterator[np.ndarray]:
        for first in range(0, self._count, ROWS):
            yield self._superpoints[first : first + ROWS]

    def _expanded(self, values: np.ndarray) -> Iterator[np.ndarray]:
        for superpoints in self._superpoint_pieces():
            yield values[superpoints]

    def to_json(self) -> dict[str, Any]:
        """As :meth:`SceneResult.to_json`, without what only an ordinary run knows."""
        answers, found = self._answers, self._store.found
        tasks: dict[str, dict[str, Any]] = {name: {} for name in answers.tasks}
        for task, rows in answers.masks.items():
            tasks[task]['masks'] = [
                {'label': name, 'score': round(float(score), 4), **self._size(rows.mask(k))}
                for k, (name, score) in enumerate(
                    zip(answers.names(task), rows.scores, strict=True)
                )
            ]
        classes = answers.label_space.classes
        if 'semantic' in tasks:
            tasks['semantic']['points'] = self._histogram(answers.maps['semantic'], classes)
        if 'panoptic' in tasks:
            tasks['panoptic']['segments'] = self._segments(classes)
        if 'open_vocabulary' in tasks:
            tasks['open_vocabulary']['vocabulary'] = list(answers.vocabulary)
        return {
            'schema_version': 1,
            'scene': {
                'name': self._stream.path.stem,
                'source': self._stream.path.name,
                'num_points': self._count,
                'num_superpoints': len(self._facts),
                'has_color': found.has_color,
                'origin': found.origin.tolist(),
                'scale': self._scale,
                'T_world_capture': None,
            },
            'tasks': tasks,
        }

    def _histogram(self, ids: np.ndarray, names: Sequence[str]) -> dict[str, int]:
        counts = np.bincount(ids, self._facts.sizes, len(names))
        return {name: int(n) for name, n in zip(names, counts, strict=True) if n}

    def _segments(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        ids, labels = self._answers.maps['panoptic_instance'], self._answers.maps
        order = np.argsort(ids, kind='stable')
        numbers, firsts = np.unique(ids[order], return_index=True)
        segments = []
        for number, mask in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            label = int(labels['panoptic_semantic'][mask[0]])
            facts = {'id': number, 'label': classes[label]}
            facts['is_thing'] = label not in self._answers.stuff
            segments.append({**facts, **self._size(mask)})
        return segments

    def _size(self, mask: np.ndarray) -> dict[str, Any]:
        """Points and box of a union of superpoints, in the coordinates of the file."""
        facts, corner = self._facts, self._corner
        return {
            'num_points': int(facts.sizes[mask].sum()),
            'box': {
                'min': corner(facts.low, mask, np.min),
                'max': corner(facts.high, mask, np.max),
            },
        }

    def _corner(self, corners: np.ndarray, mask: np.ndarray, reduce: Callable) -> list[float]:
        at = (reduce(corners[mask], axis=0) + self._store.found.origin) / self._scale
        return np.round(at, 4).tolist()
