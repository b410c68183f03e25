"""Segment a scan in tiles, from the file to the files of the result.

Every tile and every window leaves a file in ``tiles.work`` of the output folder, so a run that was
stopped goes on where it was; the folder goes when the result is there.
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
from unison3d.apis.exports import remove_exports
from unison3d.apis.questions import as_tasks, as_vocabulary
from unison3d.apis.result_files import RESULT_FILES
from unison3d.apis.tiles.encoding import encode_tile, gather_features
from unison3d.apis.tiles.grid import TileGrid
from unison3d.apis.tiles.merging import merge_maps, merge_masks, merge_panoptic
from unison3d.apis.tiles.output import OVERVIEW_PLY, ResultWriter, TileAnswers
from unison3d.apis.tiles.store import TileStore
from unison3d.apis.tiles.superpoints import cut_tile, join_tiles
from unison3d.apis.tiles.survey import Survey, survey
from unison3d.apis.tiles.windows import WindowDecoder
from unison3d.errors import ConfigError
from unison3d.io.json_files import read_json, to_plain, write_json
from unison3d.io.point_stream import PointStream, open_points
from unison3d.version import __version__

if TYPE_CHECKING:
    from unison3d.apis.segmenter import Segmenter

WORK_FOLDER = 'tiles.work'
_OWN_FILES = (*RESULT_FILES, OVERVIEW_PLY)
#: Tasks that are answered in tiles.
TILED_TASKS = ('semantic', 'instance', 'panoptic', 'open_vocabulary')


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
            something else, or too little room on the disk.
        FileFormatError, SceneError: the scan cannot be used.
    """
    options = options or TileOptions()
    tasks, names = _questions(segmenter, tasks, vocabulary)
    out = Path(out)
    work = out / WORK_FOLDER
    stream = open_points(path, num_features=num_features)
    job = _job(segmenter, stream, options, on_bad, scale)
    _claim(out, work, job, overwrite)
    steps = _Steps()
    with steps('survey'):
        found = found or survey(stream, on_bad=on_bad, scale=scale)
        if not found.num_points:
            raise ConfigError(f'{path}: has no points, so there are no tiles. Leave out --tile.')
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
                'num_tiles': len(store.tiles),
                'num_windows': len(decoder.windows),
            },
        }
        _clear(out)
        paths = writer.write(out, more)
    if not keep_work:
        shutil.rmtree(work)
    return TiledResult(paths, read_json(out / 'result.json'), steps.seconds)


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
    stuff = getattr(closed, 'panoptic_stuff', None)
    if stuff is None:
        stuff = () if closed is None else closed.label_space.stuff
    space = getattr(closed, 'label_space', None)
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
    segmenter: Segmenter, stream: PointStream, options: TileOptions, on_bad: str, scale: float
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
        'reading': [on_bad, scale],
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


def _claim(out: Path, work: Path, job: dict[str, Any], overwrite: bool) -> None:
    """Make the folders, or see whether what is there belongs to this job.

    Raises:
        ConfigError: a result, or the work files of another job, and ``overwrite`` is off.
    """
    results = [name for name in _OWN_FILES if (out / name).exists()]
    path = work / 'job.json'
    known = read_json(path) if path.is_file() else None
    # Without result.json it is one that an earlier run of this job did not finish.
    if results and not overwrite and (known != job or 'result.json' in results):
        raise ConfigError(
            f'{out} already holds a result ({results[0]}); pass overwrite=True (--overwrite) or '
            'another folder'
        )
    if known == job:
        print_log(f'{work}: going on with the work of an earlier run', logger='current')
    elif work.exists():
        if not overwrite:
            raise ConfigError(
                f'{work} holds work files of another scan, other weights or other options. Pass '
                'overwrite=True (--overwrite) to begin anew, or another folder.'
            )
        shutil.rmtree(work)
    write_json(path, job)


def _clear(out: Path) -> None:
    """Remove an earlier result, ``result.json`` first: from here on the folder claims nothing."""
    for name in _OWN_FILES:
        (out / name).unlink(missing_ok=True)
    remove_exports(out)
