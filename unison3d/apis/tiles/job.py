"""Segment a scan in tiles, from the file to the files of the result.

Every tile and every window leaves a file in ``tiles.work`` of the output folder, so a run that was
stopped goes on where it was; the folder goes when the result is there. The result is written there
too, and takes the place of an earlier one when all of it is on the disk.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.logging import print_log

from unison3d.apis.answers import task_settings
from unison3d.apis.questions import as_tasks, as_vocabulary
from unison3d.apis.tiles.encoding import encode_tile, gather_features
from unison3d.apis.tiles.folder import check_out, claim, only_run, replace_result
from unison3d.apis.tiles.grid import TileGrid
from unison3d.apis.tiles.merging import merge_maps, merge_masks, merge_panoptic
from unison3d.apis.tiles.output import ResultWriter, TileAnswers
from unison3d.apis.tiles.store import TileStore
from unison3d.apis.tiles.superpoints import cut_tile, join_tiles
from unison3d.apis.tiles.survey import Survey, survey
from unison3d.apis.tiles.windows import WindowDecoder
from unison3d.errors import ConfigError
from unison3d.io.json_files import read_json, to_plain
from unison3d.io.point_stream import PointStream, open_points
from unison3d.native.memory import memory_explained
from unison3d.structures import SCANNET20
from unison3d.version import __version__

if TYPE_CHECKING:
    from unison3d.apis.segmenter import Segmenter

#: Tasks that are answered in tiles.
TILED_TASKS = ('semantic', 'instance', 'panoptic', 'open_vocabulary')
_MEMORY_ADVICE = (
    'What is done so far is kept: give the command again with smaller windows (--decode-window 5m) '
    'or on the CPU where a GPU ran out (--device cpu). Smaller tiles (--tile 4m) take less as '
    'well; they begin anew and need --overwrite.'
)


@dataclass(frozen=True)
class TileOptions:
    """How to cut a scan.

    Args:
        tile: longest edge of a tile, metres.
        overlap: metres that tiles and windows are widened by on each side.
        window: longest edge of a part that is decoded at once, metres: about a room, which is what
            decoders learn from. Infinity decodes everything at once.

    Raises:
        ConfigError: a number out of range.
    """

    tile: float = 8.0
    overlap: float = 1.5
    window: float = 8.0

    def __post_init__(self) -> None:
        for name, value in (('tile', self.tile), ('window', self.window)):
            if not value >= 1:
                raise ConfigError(f'{name} is {value} m, expected at least 1 m.')
        if not 0 <= self.overlap <= min(self.tile, self.window) / 2:
            raise ConfigError(
                f'overlap is {self.overlap} m, expected 0 to half a tile or window, '
                f'{min(self.tile, self.window) / 2:g} m.'
            )


@dataclass
class TiledResult:
    """What was written.

    Attributes:
        paths: the files, ``result.json`` last.
        report: content of ``result.json``.
        seconds: by step.
    """

    paths: list[Path]
    report: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)

    def summary(self) -> str:
        """A few lines for people."""
        scene, tiles = self.report['scene'], self.report['tiles']
        lines = [
            f'{scene["name"]}: {scene["num_points"]:,} points, {scene["num_superpoints"]:,} '
            f'superpoints, {tiles["num_tiles"]} tiles'
        ]
        for task, facts in self.report['tasks'].items():
            if 'segments' in facts:
                things = sum(segment['is_thing'] for segment in facts['segments'])
                lines.append(f'  {task:16s} {things} objects')
            elif 'masks' in facts:
                lines.append(f'  {task:16s} {len(facts["masks"])} masks')
            elif 'points' in facts:
                top = sorted(facts['points'].items(), key=lambda item: -item[1])[:6]
                shares = (f'{name} {100 * n / scene["num_points"]:.0f} %' for name, n in top)
                lines.append(f'  {task:16s} ' + ', '.join(shares))
        steps = ', '.join(f'{name} {value:.1f} s' for name, value in self.seconds.items())
        return '\n'.join([*lines, f'  time             {steps}'])


@memory_explained('Segmenting this scan in tiles', _MEMORY_ADVICE)
def segment_tiles(
    segmenter: Segmenter,
    path: str | Path,
    out: str | Path,
    options: TileOptions | None = None,
    *,
    tasks: Sequence[str] | None = None,
    vocabulary: Sequence[str] | None = None,
    on_bad: str = 'raise',
    scale: float = 1.0,
    num_features: int = 6,
    overwrite: bool = False,
    keep_work: bool = False,
    found: Survey | None = None,
) -> TiledResult:
    """Segment a scan that may be larger than memory.

    Args:
        segmenter: gives the model; its scene is not touched.
        path: a scan; binary PLY, NPY and LAS/LAZ are read in pieces.
        out: folder of the result. One with the work files of the same job is gone on with.
        options: how to cut.
        tasks: out of :data:`TILED_TASKS`. Default: those without a prompt, and open vocabulary
            where a vocabulary is given.
        vocabulary: names of the open-vocabulary task; default: those of ``set_vocabulary``.
        on_bad: see ``PointScene.from_arrays``.
        scale: metres per unit of the file.
        num_features: numbers per point of a ``.bin`` file.
        overwrite: replace an earlier result and the work files of another job.
        keep_work: leave the work files.
        found: of :func:`survey` of this scan with the same ``on_bad`` and ``scale``, to save the
            time of another.

    Raises:
        ConfigError: options, tasks or a model that tiles do not work with, a folder that holds
            something else or that another run is at work in, or too little room on the disk.
        FileFormatError, SceneError: the scan cannot be used.
        OutOfMemoryError: a tile or a window is too large.
    """
    options = options or TileOptions()
    tasks, names = _questions(segmenter, tasks, vocabulary)
    out = Path(out)
    check_out(out, overwrite)
    stream = open_points(path, num_features=num_features)
    job = _job(segmenter, stream, options, on_bad, scale, num_features)
    with only_run(out):
        work = claim(out, job, overwrite)
        done = _segment(segmenter, stream, work, options, tasks, names, on_bad, scale, found)
        done.paths = replace_result(out, done.paths)
        if not keep_work:
            shutil.rmtree(work)
    return done


def _segment(
    segmenter: Segmenter,
    stream: PointStream,
    work: Path,
    options: TileOptions,
    tasks: list[str],
    names: list[str],
    on_bad: str,
    scale: float,
    found: Survey | None,
) -> TiledResult:
    """All steps, up to a result in the work folder."""
    steps = _Steps()
    with steps('survey'):
        found = found or survey(stream, on_bad=on_bad, scale=scale)
        if not found.num_points:
            raise ConfigError(
                f'{stream.path}: has no points, so there are no tiles. Leave out --tile.'
            )
    grid = TileGrid.over(found.low, found.high, options.tile, options.overlap)
    store = TileStore(work, grid, found)
    with steps('sorting'):
        store.fill(stream, scale)
    with steps('superpoints'):
        steps.each('superpoints', store.tiles, lambda tile: cut_tile(store, tile))
        facts = join_tiles(store)
    with steps('encoding'):
        steps.each('network', store.tiles, lambda t: encode_tile(store, segmenter.model, t))
        features = gather_features(store, facts)
    with steps('decoding'):
        windows = TileGrid.over(found.low, found.high, options.window, options.overlap)
        folder = _decoded_folder(segmenter, work, options, tasks, names)
        decoder = WindowDecoder(
            folder, found.sample, windows, facts, features, segmenter.model, tasks, names
        )
        found_in = steps.each('decoder', decoder.windows, decoder.answer)
    with steps('merging'):
        answers = _merge(segmenter, tasks, names, decoder, found_in)
    with steps('writing'):
        writer = ResultWriter(stream, store, facts, answers, scale)
        more = {
            'weights': segmenter.metadata.get('weights'),
            'tiles': {
                **{name: to_plain(value) for name, value in asdict(options).items()},
                'overlap': float(grid.margin),
                'num_tiles': len(store.tiles),
                'num_windows': len(decoder.windows),
            },
        }
        result = work / 'result'
        # Of a run that was stopped while it wrote.
        shutil.rmtree(result, ignore_errors=True)
        paths = writer.write(result, more)
    return TiledResult(paths, read_json(result / 'result.json'), steps.seconds)


class _Steps:
    """Times and progress."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str) -> _Steps:
        self._name, self._start = name, time.perf_counter()
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.seconds[self._name] = round(time.perf_counter() - self._start, 3)

    def each(self, what: str, numbers: Sequence[int], work: Callable[[int], Any]) -> list[Any]:
        """Results of the work on every number, with a line in the log now and then."""
        results, told = [], time.perf_counter()
        for done, number in enumerate(numbers, start=1):
            results.append(work(number))
            if time.perf_counter() - told > 10:
                told = time.perf_counter()
                print_log(f'tiles: {what}, {done} of {len(numbers)}', logger='current')
        return results


def _questions(
    segmenter: Segmenter, tasks: Sequence[str] | None, vocabulary: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    model = segmenter.model
    if model.data_preprocessor.keys == 'voxels':
        raise ConfigError(
            'the model of these weights decodes voxels in place of superpoints, which tiles do not '
            'work with. Leave out --tile.'
        )
    vocabulary = as_vocabulary(vocabulary)
    given = {'interactive': False, 'referring': False, 'open_vocabulary': vocabulary is not None}
    unanswered = [n for task in model.tasks.values() for n in getattr(task, 'unanswered', ())]
    wrong = [task for task in tasks or () if task not in TILED_TASKS]
    if wrong:
        raise ConfigError(
            f'in tiles there is no answer for {", ".join(wrong)}; there is for '
            f'{", ".join(TILED_TASKS)}. Leave out --tile, or the task.'
        )
    names = as_tasks(tasks, given, model.tasks.keys(), unanswered)
    if 'open_vocabulary' not in names:
        return names, []
    task = model.tasks['open_vocabulary']
    asked = list(task.test_vocabulary) if vocabulary is None else vocabulary
    # Before hours of work: the names may be ones that no encoder here knows.
    task.prototypes(asked)
    return names, asked


def _merge(
    segmenter: Segmenter, tasks: list[str], names: list[str], decoder: WindowDecoder, found: list
) -> TileAnswers:
    home, sizes = decoder.home, decoder.facts.sizes
    closed = segmenter.model.tasks['closed_set'] if 'closed_set' in segmenter.model.tasks else None
    space = getattr(closed, 'label_space', SCANNET20)
    stuff = getattr(closed, 'panoptic_stuff', None)
    if stuff is None:
        stuff = space.stuff
    merged = TileAnswers(tasks, space, tuple(stuff), names)
    if 'semantic' in tasks:
        merged.maps['semantic'] = merge_maps(found, 'semantic', home)
    if 'panoptic' in tasks:
        least = closed.postprocess.min_points
        both = merge_panoptic(found, home, sizes, merged.stuff, least)
        merged.maps['panoptic_semantic'], merged.maps['panoptic_instance'] = both
    if 'open_vocabulary' in tasks:
        merged.maps['open_semantic'] = merge_maps(found, 'open_semantic', home)
    for task in ('instance', 'open_vocabulary'):
        if task in tasks:
            merged.masks[task] = merge_masks(found, task, home, sizes).rows
    return merged


def _job(
    segmenter: Segmenter,
    stream: PointStream,
    options: TileOptions,
    on_bad: str,
    scale: float,
    num_features: int,
) -> dict[str, Any]:
    """What decides the files of tiles: two jobs with the same description share them."""
    digest = hashlib.sha256()
    for name, tensor in segmenter.model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    facts = stream.path.stat()
    description = {
        'version': __version__,
        'scan': [str(stream.path.resolve()), facts.st_size, facts.st_mtime_ns],
        'tiles': [options.tile, options.overlap],
        'reading': [on_bad, scale, num_features],
        'weights': digest.hexdigest(),
    }
    return to_plain(description)


def _decoded_folder(
    segmenter: Segmenter, work: Path, options: TileOptions, tasks: list[str], names: list[str]
) -> Path:
    """Folder of the answers: other questions about the same tiles have another one."""
    settings = {name: task_settings(task) for name, task in segmenter.model.tasks.items()}
    asked = to_plain([repr(options.window), tasks, names, settings])
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    return work / f'decoded_{digest.hexdigest()[:16]}'
