"""Time and memory of all six tasks on one scan.

    python benchmarks/infer.py ../shared/data/scannet_scene0000_00/scene0000_00_vh_clean_2.ply

``start-up`` is a fresh interpreter up to loaded weights. ``all six tasks`` runs from the file to
the answers in a warm process (``first run`` is the same, the first time). ``further click`` is one
more click on the scene that is already encoded, asking for the click alone; ``with the rest`` asks
for the default tasks, so semantic, instance and panoptic are given along with it. Memory is the
peak of the process.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from unison3d import Segmenter

TEXTS = ['the chair next to the table']
START_UP = 'from unison3d import Segmenter; Segmenter.from_pretrained({weights!r}, {device!r})'


def seconds(step: Callable[[], object], repeats: int = 1) -> float:
    """Median duration of a step."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def peak_gigabytes() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if platform.system() == 'Darwin' else 2**20)


def measure(path: Path, weights: str | None, device: str, repeats: int) -> list[tuple[str, str]]:
    """Rows of the table: what, and how much."""
    code = START_UP.format(weights=weights, device=device)
    start_up = seconds(lambda: subprocess.run([sys.executable, '-c', code], check=True))
    segmenter = Segmenter.from_pretrained(weights, device)

    def everything() -> None:
        segmenter.set_scene(path)
        points = segmenter.scene.world_points
        segmenter.predict(
            ['semantic', 'instance', 'panoptic', 'interactive', 'referring', 'open_vocabulary'],
            clicks=[tuple(points[len(points) // 2])],
            texts=TEXTS,
        )

    first = seconds(everything)
    memory = peak_gigabytes()
    warm = seconds(everything, repeats)
    steps = dict(segmenter.timing)
    points = segmenter.scene.world_points
    places = iter(range(0, len(points), max(len(points) // 50, 1)))

    def click(tasks: list[str] | None) -> None:
        segmenter.predict(tasks, clicks=[tuple(points[next(places)])])

    alone = seconds(lambda: click(['interactive']), 20)
    with_rest = seconds(lambda: click(None), 20)
    scene = segmenter.scene
    return [
        ('points', f'{len(scene):,}'),
        ('superpoints', f'{int(scene.superpoints.max(initial=-1)) + 1:,}'),
        ('threads', str(torch.get_num_threads())),
        ('start-up', f'{start_up:.2f} s'),
        ('first run', f'{first:.2f} s'),
        ('all six tasks', f'{warm:.2f} s'),
        *((f'  {name.removesuffix("_s")}', f'{value:.2f} s') for name, value in steps.items()),
        ('further click', f'{1000 * alone:.0f} ms'),
        ('  with the rest', f'{1000 * with_rest:.0f} ms'),
        ('peak memory', f'{memory:.2f} GB'),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('scan', type=Path, help='any file that PointScene.from_file reads')
    parser.add_argument('--weights', default=None, help='checkpoint; default: the shipped weights')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=3)
    options = parser.parse_args()
    rows = measure(options.scan, options.weights, options.device, options.repeats)
    print(f'| {"step":15} | {"value":>10} |\n|{"-" * 17}|{"-" * 11}:|')
    for name, value in rows:
        print(f'| {name:15} | {value:>10} |')


if __name__ == '__main__':
    main()
