"""Time and memory of all six tasks on one scan, and where the time goes.

    python benchmarks/infer.py ../shared/data/scannet_scene0000_00/scene0000_00_vh_clean_2.ply
    python benchmarks/infer.py SCAN --published            # published size, 2 cm, random weights
    python benchmarks/infer.py --points 150000             # a procedural scan
    python benchmarks/infer.py SCAN --device cuda --json out/infer.json

``start-up`` is a fresh interpreter up to loaded weights. ``all six tasks`` runs from the file to
the answers in a warm process (``first run`` is the same, the first time). ``further click`` is one
more click on the scene that is already encoded, asking for the click alone; ``further sentence``
the same of a sentence that was never asked, and ``asked before`` of one whose words are in memory,
which leaves out the language model; ``with the rest`` asks for the default tasks, so semantic,
instance and panoptic are given along with a click. Memory is the peak of the process, and ``masks``
what the masks of all answers take of it.

A click or a sentence is some hundred small operations. Time them on an idle machine, and with
``--threads 1`` as well: there is little that threads can share.

The second table has the parts of the same run and their floors; benchmarks/parts.py says how they
are counted. ``write`` is on top of the run: result.json, result.npz and a PLY file per task.

The model of published size has random weights, its class and sentence vectors are random too (768
numbers), and it answers open vocabulary as the sixth task. So its masks are no objects, and it says
nothing about the text tower. ``--cpu-time`` counts seconds of the processor instead of the clock,
for a machine with other work to do; use one thread, or the seconds of all threads are added up.

What was learned: see docs/speed.md.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from measure import machine_line
from mmengine.config import Config
from parts import PARTS, Machine, count_parts, measure_parts
from torch import Tensor

from unison3d import Segmenter
from unison3d.io.json_files import write_json
from unison3d.models.text.base import TextEncoder
from unison3d.registry import MODELS, TEXT_ENCODERS
from unison3d.structures import SCANNET20, PointScene
from unison3d.synth import make_scene

TASKS = ['semantic', 'instance', 'panoptic', 'interactive', 'referring', 'open_vocabulary']
TEXTS = ['the chair next to the table']
FURTHER_TEXTS = ('the {} chair', 'the table behind the {} box')
ADJECTIVES = ('red', 'blue', 'green', 'black', 'white', 'grey', 'brown', 'yellow', 'small', 'large')
START_UP = 'from unison3d import Segmenter; Segmenter.from_pretrained({weights!r}, {device!r})'
PUBLISHED = Path(__file__).parent.parent / 'configs/_base_/models/uniseg3d.py'


@TEXT_ENCODERS.register_module()
class RandomTextEncoder(TextEncoder):
    """A random vector of length one per phrase, always the same."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    @property
    def name(self) -> str:
        return f'random-{self._dim}'

    @property
    def dim(self) -> int:
        return self._dim

    def _encode(self, phrases: Sequence[str]) -> Tensor:
        rows = []
        for phrase in phrases:
            seed = int.from_bytes(hashlib.sha256(phrase.encode()).digest()[:4], 'little')
            rows.append(torch.randn(self._dim, generator=torch.Generator().manual_seed(seed)))
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


def published_model() -> torch.nn.Module:
    """The model of published size with random weights and the sixth task."""
    config = copy.deepcopy(Config.fromfile(PUBLISHED).model.to_dict())
    dim = config['decoder']['embedding_dim']
    encoder = {'type': 'RandomTextEncoder', 'dim': dim}
    tasks = config['tasks']
    for name in ('num_prototypes', 'embedding_dim'):
        tasks['closed_set'].pop(name)
    tasks['closed_set']['text_encoder'] = encoder
    tasks['text']['text_encoder'] = encoder
    tasks['open_vocabulary'] = {
        'type': 'OpenVocabularyTask',
        'text_encoder': encoder,
        'vocabulary': list(SCANNET20.classes),
        'postprocess': tasks['closed_set']['postprocess'],
    }
    torch.manual_seed(0)
    return MODELS.build(config)


def procedural_scan(folder: Path, num_points: int) -> Path:
    """A room of about this many points in a file, without its labels and superpoints."""
    room = make_scene(1, spacing=0.01, max_points=num_points)
    scene = PointScene.from_arrays(room.points, room.colors)
    return scene.save(folder / f'room_{len(scene)}.ply')


def seconds(step: Callable[[], object], clock: Callable[[], float], repeats: int = 1) -> float:
    """Median duration of a step."""
    durations = []
    for _ in range(repeats):
        start = clock()
        step()
        durations.append(clock() - start)
    return statistics.median(durations)


def peak_gigabytes() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if platform.system() == 'Darwin' else 2**20)


def measure(
    segmenter: Segmenter, path: Path, repeats: int, clock: Callable[[], float]
) -> tuple[dict[str, str], list[dict]]:
    """What it takes, and the parts of it."""
    device = str(segmenter.device)

    def everything() -> object:
        segmenter.set_scene(path)
        points = segmenter.scene.world_points
        return segmenter.predict(TASKS, clicks=[tuple(points[len(points) // 2])], texts=TEXTS)

    def with_files() -> None:
        with tempfile.TemporaryDirectory() as folder:
            everything().save(folder)

    def known_sentence() -> None:
        segmenter.predict(['referring'], texts=TEXTS)

    first = seconds(everything, clock)
    memory = peak_gigabytes()
    warm = seconds(everything, clock, repeats)
    points = segmenter.scene.world_points
    places = iter(range(0, len(points), max(len(points) // 50, 1)))
    texts = iter([form.format(a) for form in FURTHER_TEXTS for a in ADJECTIVES])

    def click(tasks: list[str] | None) -> None:
        segmenter.predict(tasks, clicks=[tuple(points[next(places)])])

    alone = seconds(lambda: click(['interactive']), clock, 20)
    with_rest = seconds(lambda: click(None), clock, 20)
    sentence = seconds(lambda: segmenter.predict(['referring'], texts=[next(texts)]), clock, 20)
    known = seconds(known_sentence, clock, 20)
    masks = sum(masks.superpoint_masks.nbytes for masks, _ in everything().mask_sets().values())
    scene = segmenter.scene
    facts = {
        'points': f'{len(scene):,}',
        'superpoints': f'{int(scene.superpoints.max(initial=-1)) + 1:,}',
        'threads': str(torch.get_num_threads()),
        'first run': f'{first:.2f} s',
        'all six tasks': f'{warm:.2f} s',
        'further click': f'{1000 * alone:.0f} ms',
        '  with the rest': f'{1000 * with_rest:.0f} ms',
        'further sentence': f'{1000 * sentence:.0f} ms',
        '  asked before': f'{1000 * known:.0f} ms',
        'masks': f'{masks / 1e6:.2f} MB',
        'peak memory': f'{memory:.2f} GB',
    }
    taken = measure_parts(segmenter, with_files, device, repeats, clock)
    count = count_parts(segmenter, with_files, device, Machine.measured(device, clock))
    total = sum(taken.values())
    parts = [
        {
            'part': name,
            'ms': 1000 * taken.get(name, 0.0),
            'share': taken.get(name, 0.0) / total,
            'gflop': count.flops[name] / 1e9,
            'floor_ms': 1000 * count.floor[name],
        }
        for name in PARTS
    ]
    return facts, parts


def print_tables(facts: dict[str, str], parts: list[dict]) -> None:
    """Both tables in Markdown."""
    print(f'| {"what":16} | {"value":>10} |\n|{"-" * 18}|{"-" * 11}:|')
    for name, value in facts.items():
        print(f'| {name:16} | {value:>10} |')
    print(
        '\n| part        |     ms | share | GFLOP | floor ms |\n| --- | ---: | ---: | ---: | ---: |'
    )
    for row in parts:
        print(
            f'| {row["part"]:11} | {row["ms"]:6.0f} | {row["share"]:5.0%} | {row["gflop"]:5.1f} | '
            f'{row["floor_ms"]:8.1f} |'
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('scan', type=Path, nargs='?', help='a file that PointScene.from_file reads')
    parser.add_argument('--points', type=int, help='points of a procedural scan instead')
    parser.add_argument('--weights', default=None, help='checkpoint; default: the shipped weights')
    parser.add_argument('--published', action='store_true', help='published size, random weights')
    parser.add_argument('--max-queries', type=int, help='max_queries_test of the closed set')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--cpu-time', action='store_true', help='seconds of the processor')
    parser.add_argument('--json', type=Path, help='also write the numbers to this file')
    options = parser.parse_args()
    if (options.scan is None) == (options.points is None):
        parser.error('give a scan or --points')
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    facts = {}
    if options.published:
        segmenter = Segmenter(published_model().to(options.device))
    else:
        code = START_UP.format(weights=options.weights, device=options.device)
        start_up = seconds(
            lambda: subprocess.run([sys.executable, '-c', code], check=True), time.perf_counter
        )
        facts['start-up'] = f'{start_up:.2f} s'
        segmenter = Segmenter.from_pretrained(options.weights, options.device)
    segmenter.model.tasks['closed_set'].make_queries.max_queries_test = options.max_queries
    with tempfile.TemporaryDirectory() as folder:
        path = options.scan or procedural_scan(Path(folder), options.points)
        measured, parts = measure(segmenter, path, options.repeats, clock)
    facts |= measured
    print(machine_line(options.device))
    print_tables(facts, parts)
    if options.json is not None:
        machine = machine_line(options.device)
        write_json(options.json, {'machine': machine, 'facts': facts, 'parts': parts})


if __name__ == '__main__':
    main()
