"""Time and memory of all six tasks on one scan, and the parts of that time.

``start-up`` is a fresh interpreter up to loaded weights. ``all six tasks`` runs from the file to
the answers in a warm process (``first run`` is the same, the first time). ``further click`` is one
more click on the scene that is already encoded, asking for the click alone; ``further sentence``
the same of a sentence that was never asked, and ``asked before`` of one whose words are in memory,
which leaves out the language model; ``with the rest`` asks for the default tasks, so semantic,
instance and panoptic are given along with a click. Memory is the peak of the process, and ``masks``
what the masks of all answers take of it.

A click or a sentence is some hundred small operations. Time them on an idle machine, and with one
thread as well: there is little that threads can share.

The second table has the parts of the same run and their floors, see :mod:`unison3d.bench.parts`.
``write`` is on top of the run: result.json, result.npz and a PLY file per task.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from unison3d.apis import TASKS, Segmenter
from unison3d.bench.machine import Machine, machine_line, peak_gigabytes
from unison3d.bench.parts import PARTS, count_parts, measure_parts
from unison3d.errors import ConfigError
from unison3d.structures import PointScene
from unison3d.synth import make_scene

Clock = Callable[[], float]

_TEXTS = ['the chair next to the table']
_FURTHER_TEXTS = ('the {} chair', 'the table behind the {} box')
_ADJECTIVES = ('red', 'blue', 'green', 'black', 'white', 'grey', 'brown', 'yellow', 'small', 'big')
_QUESTIONS = 20
_START_UP = 'from unison3d import Segmenter; Segmenter.from_pretrained({weights!r}, {device!r})'


@dataclass(frozen=True)
class PartRow:
    """One part of a run.

    Attributes:
        part: its name, see :data:`~unison3d.bench.parts.PARTS`.
        ms: milliseconds it took.
        share: of the whole run, 0 to 1.
        gflop: products and sums, in 10^9.
        floor_ms: the least it could take on this machine.
    """

    part: str
    ms: float
    share: float
    gflop: float
    floor_ms: float


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        machine: processor, threads, versions.
        facts: value as text by name, in the order of the table.
        parts: where the time went.
    """

    machine: str
    facts: dict[str, str]
    parts: tuple[PartRow, ...]

    def markdown(self) -> str:
        """Both tables."""
        lines = [self.machine, f'| {"what":16} | {"value":>10} |', f'|{"-" * 18}|{"-" * 11}:|']
        lines += [f'| {name:16} | {value:>10} |' for name, value in self.facts.items()]
        lines += ['', '| part        |     ms | share | GFLOP | floor ms |']
        lines += ['| --- | ---: | ---: | ---: | ---: |']
        lines += [
            f'| {row.part:11} | {row.ms:6.0f} | {row.share:5.0%} | {row.gflop:5.1f} | '
            f'{row.floor_ms:8.1f} |'
            for row in self.parts
        ]
        return '\n'.join(lines)

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return asdict(self)


def procedural_scan(folder: Path, num_points: int) -> Path:
    """Write a room of about this many points, without its labels and superpoints."""
    room = make_scene(1, spacing=0.01, max_points=num_points)
    scene = PointScene.from_arrays(room.points, room.colors)
    return scene.save(folder / f'room_{len(scene)}.ply')


def measure_start_up(weights: str | None, device: str) -> float:
    """Seconds from a fresh interpreter to loaded weights."""
    code = _START_UP.format(weights=weights, device=device)
    start = time.perf_counter()
    subprocess.run([sys.executable, '-c', code], check=True)
    return time.perf_counter() - start


def _seconds(step: Callable[[], object], clock: Clock, repeats: int = 1) -> float:
    """Median duration of a step."""
    durations = []
    for _ in range(repeats):
        start = clock()
        step()
        durations.append(clock() - start)
    return statistics.median(durations)


def measure_prediction(
    segmenter: Segmenter, path: Path, *, repeats: int = 3, clock: Clock = time.perf_counter
) -> Report:
    """Time and memory of all six tasks on a scan.

    Args:
        segmenter: a model that answers all six tasks.
        path: a file that :meth:`PointScene.from_file` reads.
        repeats: runs from the file to the answers; the median counts.
        clock: seconds.

    Raises:
        ConfigError: the scan has no points.
    """
    device = str(segmenter.device)

    def everything() -> object:
        segmenter.set_scene(path)
        points = segmenter.scene.world_points
        if not len(points):
            raise ConfigError(f'{path} has no points, and nothing can be measured on it')
        return segmenter.predict(
            list(TASKS), clicks=[tuple(points[len(points) // 2])], texts=_TEXTS
        )

    def with_files() -> None:
        with tempfile.TemporaryDirectory() as folder:
            everything().save(folder)

    first = _seconds(everything, clock)
    memory = peak_gigabytes()
    warm = _seconds(everything, clock, repeats)
    masks = sum(masks.superpoint_masks.nbytes for masks, _ in everything().mask_sets().values())
    scene = segmenter.scene
    facts = {
        'points': f'{len(scene):,}',
        'superpoints': f'{int(scene.superpoints.max(initial=-1)) + 1:,}',
        'threads': str(torch.get_num_threads()),
        'first run': f'{first:.2f} s',
        'all six tasks': f'{warm:.2f} s',
        **_further_questions(segmenter, clock),
        'masks': f'{masks / 1e6:.2f} MB',
        'peak memory': f'{memory:.2f} GB',
    }
    taken = measure_parts(segmenter, with_files, device, repeats, clock)
    count = count_parts(segmenter, with_files, device, Machine.measured(device, clock))
    total = sum(taken.values())
    parts = tuple(
        PartRow(
            part=name,
            ms=1000 * taken.get(name, 0.0),
            share=taken.get(name, 0.0) / total,
            gflop=count.flops[name] / 1e9,
            floor_ms=1000 * count.floor[name],
        )
        for name in PARTS
    )
    return Report(machine_line(device), facts, parts)


def _further_questions(segmenter: Segmenter, clock: Clock) -> dict[str, str]:
    """What one more click or sentence takes on the scene of the segmenter."""
    points = segmenter.scene.world_points
    places = iter(range(0, len(points), max(len(points) // (3 * _QUESTIONS), 1)))
    texts = iter([form.format(a) for form in _FURTHER_TEXTS for a in _ADJECTIVES])

    def click(tasks: list[str] | None) -> None:
        segmenter.predict(tasks, clicks=[tuple(points[next(places, 0)])])

    def sentence() -> None:
        segmenter.predict(['referring'], texts=[next(texts)])

    def known_sentence() -> None:
        segmenter.predict(['referring'], texts=_TEXTS)

    steps = {
        'further click': lambda: click(['interactive']),
        '  with the rest': lambda: click(None),
        'further sentence': sentence,
        '  asked before': known_sentence,
    }
    return {
        name: f'{1000 * _seconds(step, clock, _QUESTIONS):.0f} ms' for name, step in steps.items()
    }
