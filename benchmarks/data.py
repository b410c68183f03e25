"""How long data takes on its way to the model: processor time of one thread.

Run with OMP_NUM_THREADS=1.

python benchmarks/data.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from unison3d.bench.machine import machine_line
from unison3d.datasets import SceneDataset
from unison3d.datasets.transforms import AddSuperPointAnnotations
from unison3d.registry import DATASETS
from unison3d.structures import SCANNET20
from unison3d.superpoints import compute_superpoints
from unison3d.synth import make_scene

CONFIGS = Path(__file__).parents[1] / 'configs' / '_base_' / 'datasets'


def write_processed_rooms(root: Path, num_points: int, count: int) -> None:
    """Procedural rooms of exactly ``num_points`` points in the processed form of ScanNet.

    The points of a scan are repeated with a little noise, or left out, until the number fits.
    """
    rng = np.random.default_rng(0)
    table = np.array([*SCANNET20.raw_ids, 0])
    for number in range(count):
        room = make_scene(number, spacing=0.02, max_points=num_points)
        rows = np.arange(len(room.points))
        if len(rows) < num_points:
            rows = np.concatenate([rows, rng.choice(rows, num_points - len(rows))])
        points = (room.points[rows] + rng.normal(0, 0.002, (num_points, 3))).astype(np.float32)
        colors = np.full_like(points, 0.5) if room.colors is None else room.colors[rows]
        files = {
            'points': np.concatenate([points, np.rint(colors * 255)], axis=1).astype('<f4'),
            'super_points': compute_superpoints(points, colors).astype('<i8'),
            'semantic_mask': table[room.semantic[rows]].astype('<i8'),
            'instance_mask': (room.instances[rows] + 1).astype('<i8'),
        }
        for folder, array in files.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / f'room_{number}.bin').write_bytes(array.tobytes())


def sample_rows(num_points: int = 100_000, repeats: int = 5) -> list[tuple[str, float]]:
    """Milliseconds to load and transform one sample, by config and step.

    Each of five rooms is drawn four times with other random numbers; the best of some repeats
    counts for every step of a draw, and the mean over the draws is given.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_processed_rooms(root, num_points, count=5)
        for name in ('scannet', 'scannet_mixed', 'scannet_published'):
            config = Config.fromfile(CONFIGS / f'{name}.py')
            for phase in ('train', 'test')[: 1 if name == 'scannet_mixed' else 2]:
                dataset = _build(config[f'{phase}_dataloader'].dataset, root)
                steps = step_milliseconds(dataset, 4 * len(dataset), repeats)
                rows.append((f'{name}, {phase}', sum(steps.values())))
                rows += [(f'- {step}', duration) for step, duration in steps.items()]
    return rows


def _build(config: dict, root: Path) -> SceneDataset:
    options = dict(data_root=str(root), ann_file='')
    if config.get('text_encoder') is not None:
        options['text_encoder'] = None  # the language model is measured elsewhere
    dataset = DATASETS.build({**config, **options})
    for transform in dataset.pipeline.transforms:
        if isinstance(transform, AddSuperPointAnnotations):
            transform.merge_ov = False  # procedural rooms have no pseudo masks
    return dataset


def step_milliseconds(dataset: SceneDataset, draws: int, repeats: int) -> dict[str, float]:
    """Mean time of loading and of every transform; the first draw is for compiling."""
    total: dict[str, float] = {}
    for draw in [0, *range(draws)]:
        runs = [_one_draw(dataset, draw) for _ in range(repeats)]
        if total or draw:
            for step in runs[0]:
                total[step] += min(run[step] for run in runs)
        else:
            total = dict.fromkeys(runs[0], 0.0)
    return {step: 1e3 * duration / draws for step, duration in total.items()}


def _one_draw(dataset: SceneDataset, draw: int) -> dict[str, float]:
    clock = [time.process_time()]
    results = dataset.load_scene(dataset.get_data_info(draw % len(dataset)))
    clock.append(time.process_time())
    results.update(rng=np.random.default_rng(draw), draw_scene=dataset.draw_scene)
    for transform in dataset.pipeline.transforms:
        results = transform(results)
        clock.append(time.process_time())
    names = ['load', *(type(transform).__name__ for transform in dataset.pipeline.transforms)]
    return dict(zip(names, np.diff(clock).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--points', type=int, default=100_000)
    parser.add_argument('--repeats', type=int, default=5, help='the best of these counts')
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(machine_line('cpu'))
    print(f'\nOne sample of {args.points:,} points, loaded and transformed\n')
    print('| config, phase | CPU ms |\n| --- | ---: |')
    for name, duration in sample_rows(args.points, args.repeats):
        print(f'| {name} | {duration:.1f} |')


if __name__ == '__main__':
    main()
