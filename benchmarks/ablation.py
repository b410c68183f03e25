"""What sharing one network costs or gives: the unified model next to each task trained alone.

    python benchmarks/ablation.py configs/unified/unified-t_ablation.py

Every run sees the same rooms in the same order, with the same seed, number of iterations and
optimiser, and answers on the same held-out rooms. Tasks that are left out are not in the model, and
their losses are not computed. Two tasks are halves of another: semantic alone and instance alone
are the closed set with the weights of the other half at 0. Open vocabulary has no loss that teaches
masks, so alone it keeps the masks of the closed set, without their classes.

What follows ± is a standard error: of the number, or of the difference, when the held-out rooms
are drawn again (with repetition, the same draws for both models). It does not hold what another
seed of the training would change; for that compare `unified` with `unified, another seed`.

A finished run is not repeated and an interrupted one continues: call it again with the same
options. `--quick` only shows that everything runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

import unison3d.datasets  # noqa: F401 - registers
from unison3d.bench.machine import machine_line
from unison3d.cli.configs import add_config_arguments, make_runner, read_config
from unison3d.io.json_files import to_plain, write_json
from unison3d.registry import DATASETS, METRICS

RESAMPLES = 200
NO_SEMANTICS = {'closed_set.semantic_weight': 0.0}
NO_INSTANCES = {
    'closed_set.quality_weight': 0.0,
    **{f'closed_set.instance_loss.{part}_weight': 0.0 for part in ('class_loss', 'bce', 'dice')},
}
MASKS_ALONE = {
    **NO_SEMANTICS,
    'closed_set.quality_weight': 0.0,
    'closed_set.instance_loss.class_loss_weight': 0.0,
    'closed_set.matcher.class_weight': 0.0,
}


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        tasks: names of the tasks that stay in the model; none given means all.
        options: settings of these tasks, by ``task.setting``.
        seed: added to the seed of the config.
    """

    tasks: tuple[str, ...] = ()
    options: dict[str, float] = field(default_factory=dict)
    seed: int = 0


RUNS = {
    'unified': Run(),
    'referring': Run(('text',)),
    'clicks': Run(('click',)),
    'open vocabulary': Run(('closed_set', 'open_vocabulary'), MASKS_ALONE),
    'instance': Run(('closed_set',), NO_SEMANTICS),
    'semantic': Run(('closed_set',), NO_INSTANCES),
    'closed set': Run(('closed_set',)),
    'unified, another seed': Run(seed=1),
    'referring, another seed': Run(('text',), seed=1),
}
# Measure, and name of its number.
MEASURES = {
    'semantic mIoU': 'semantic/mIoU',
    'instance AP50': 'instance/AP50',
    'panoptic PQ': 'panoptic/PQ',
    'click IoU@1': 'interactive/IoU@1',
    'referring mIoU': 'referring/mIoU',
    'referring acc@0.25': 'referring/acc@0.25',
    'open vocabulary, seen names, AP50': 'open_vocabulary/seen_AP50',
    'open vocabulary, seen names, mIoU': 'open_vocabulary/seen_mIoU',
}
# Two runs that are compared, in what both can do.
PAIRS = (
    ('unified', 'semantic', ('semantic mIoU',)),
    ('unified', 'instance', ('instance AP50',)),
    ('unified', 'closed set', ('semantic mIoU', 'instance AP50', 'panoptic PQ')),
    ('unified', 'clicks', ('click IoU@1',)),
    ('unified', 'referring', ('referring mIoU', 'referring acc@0.25')),
    ('unified', 'open vocabulary', tuple(MEASURES)[-2:]),
    ('unified', 'unified, another seed', tuple(MEASURES)),
    ('unified, another seed', 'referring, another seed', tuple(MEASURES)[4:6]),
)


def config_of(config: Config, run: Run, folder: Path) -> Config:
    """The config of one run."""
    config = deepcopy(config)
    config.work_dir = str(folder)
    config.experiment_name = folder.name
    config.resume = True
    config.randomness = {**config.randomness, 'seed': config.randomness['seed'] + run.seed}
    config.merge_from_dict({f'model.tasks.{key}': value for key, value in run.options.items()})
    tasks = config.model.tasks
    for name in list(tasks):
        if run.tasks and name not in run.tasks:
            del tasks[name]
    # Measured here, once, and not by the runner.
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.test_cfg = config.test_dataloader = config.test_evaluator = None
    return config


@torch.no_grad()
def measure(model: torch.nn.Module, rooms: object, evaluators: list[dict]) -> dict:
    """Numbers on the held-out rooms, and the same numbers on rooms drawn again."""
    metrics = [METRICS.build(evaluator) for evaluator in evaluators]
    model.eval()
    for index in range(len(rooms)):
        item = rooms[index]
        inputs = {name: [value] for name, value in item['inputs'].items()}
        data = model.data_preprocessor({'inputs': inputs, 'data_samples': [item['data_samples']]})
        samples = model.predict(data['inputs'], data['data_samples'])
        for metric in metrics:
            metric.process(None, samples)
    draws = np.random.default_rng(0).integers(len(rooms), size=(RESAMPLES, len(rooms)))
    return {
        'numbers': numbers(metrics, np.arange(len(rooms))),
        'resampled': [numbers(metrics, draw) for draw in draws],
    }


def numbers(metrics: list, chosen: np.ndarray) -> dict[str, float]:
    """The numbers of the table over some rooms; a task that the model lacks has none."""
    found = {}
    for metric in metrics:
        results = [metric.results[index] for index in chosen]
        if all(result is None for result in results):
            continue
        values = metric.compute_metrics(results)
        found |= {f'{metric.prefix}/{name}': float(value) for name, value in values.items()}
    return {name: found[name] for name in MEASURES.values() if name in found}


def perform(name: str, config: Config, folder: Path) -> dict:
    """Train and measure, or read what an earlier call has measured."""
    path = folder / 'measured.json'
    if path.is_file():
        return json.loads(path.read_text(encoding='utf-8'))
    runner = make_runner(config_of(config, RUNS[name], folder))
    model = runner.train()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    rooms = DATASETS.build(config.test_dataloader.dataset)
    measured = measure(model, rooms, config.test_evaluator)
    write_json(path, to_plain({'run': name, 'parameters': parameters, **measured}))
    return json.loads(path.read_text(encoding='utf-8'))


def compare(measured: dict[str, dict]) -> list[dict]:
    """Rows of the table, for the runs that were made."""
    rows = []
    for run, other, measures in PAIRS:
        if not {run, other} <= measured.keys():
            continue
        for measure_name in measures:
            number = MEASURES[measure_name]
            value, compared = (measured[name]['numbers'].get(number) for name in (run, other))
            if value is None or compared is None:
                continue
            drawn, drawn_compared = (
                np.array([draw[number] for draw in measured[name]['resampled']], dtype=float)
                for name in (run, other)
            )
            rows.append(
                {
                    'measure': measure_name,
                    'run': run,
                    'value': value,
                    'value_error': float(np.nanstd(drawn, ddof=1)),
                    'other': other,
                    'other_value': compared,
                    'difference': value - compared,
                    'difference_error': float(np.nanstd(drawn - drawn_compared, ddof=1)),
                    'relative': (value - compared) / compared if compared else None,
                }
            )
    return rows


def table(rows: list[dict]) -> str:
    """The rows as Markdown, per cent."""
    lines = [
        '| measure | run | value | compared with | value | difference | relative |',
        '| --- | --- | ---: | --- | ---: | ---: | ---: |',
    ]
    for row in rows:
        share = '-' if row['relative'] is None else f'{row["relative"]:+.1%}'
        difference = f'{100 * row["difference"]:+.1f} ± {100 * row["difference_error"]:.1f}'
        value = f'{100 * row["value"]:.1f} ± {100 * row["value_error"]:.1f}'
        lines.append(
            f'| {row["measure"]} | {row["run"]} | {value} | {row["other"]} '
            f'| {100 * row["other_value"]:.1f} | {difference} | {share} |'
        )
    return '\n'.join(lines)


def shortened(config: Config, iterations: int, rooms: int) -> None:
    """Set the length of the runs, and of warm-up and cosine with it."""
    config.train_cfg.max_iters = iterations
    config.train_cfg.val_interval = iterations + 1
    warm_up, cosine = config.param_scheduler
    warm_up.end = cosine.begin = min(warm_up.end, iterations // 2)
    cosine.end = iterations
    config.test_dataloader.dataset.num_scenes = rooms


def small_rooms(config: Config) -> None:
    """Few small rooms without sentences, which need no language model."""
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.update(num_scenes=2, text_encoder=None, camera_share=0.0)
        loader.dataset.scene_options = dict(
            profile='rooms-v1',
            kind='office',
            clutter=0.3,
            spacing=0.05,
            max_points=8_000,
            num_sentences=0,
        )


def keep_settings(folder: Path, settings: dict) -> None:
    """Refuse to mix runs of different settings in one folder."""
    path = folder / 'settings.json'
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, settings)
    elif json.loads(path.read_text(encoding='utf-8')) != settings:
        sys.exit(f'{path}: the runs in this folder have other settings. Choose another --work-dir.')


def main(words: list[str] | None = None) -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parser)
    parser.add_argument('--iterations', type=int, help='of every run. Default: the config')
    parser.add_argument('--rooms', type=int, help='held-out rooms. Default: the config')
    parser.add_argument('--runs', nargs='+', choices=RUNS, default=list(RUNS), metavar='RUN')
    parser.add_argument('--quick', action='store_true', help='2 iterations, 2 small rooms')
    parser.set_defaults(verb='train')
    args = parser.parse_args(words)
    config = read_config(args, ('model', 'train_dataloader', 'test_dataloader', 'test_evaluator'))
    iterations = args.iterations or config.train_cfg.max_iters
    rooms = args.rooms or config.test_dataloader.dataset.num_scenes
    if args.quick:
        iterations = rooms = 2
        small_rooms(config)
    shortened(config, iterations, rooms)

    folder = Path(config.work_dir)
    loaders = ('train_dataloader', 'test_dataloader')
    settings = {key: config[key] for key in ('model', 'optim_wrapper', 'param_scheduler', *loaders)}
    keep_settings(folder, json.loads(json.dumps(to_plain(Config(settings).to_dict()))))
    measured = {
        name: perform(name, config, folder / name.replace(', ', '_').replace(' ', '_'))
        for name in args.runs
    }
    rows = compare(measured)
    write_json(folder / 'ablation.json', {'iterations': iterations, 'rooms': rooms, 'rows': rows})
    print(f'\n{machine_line("cpu")}')
    print(f'{iterations} iterations, {rooms} held-out rooms, per cent\n')
    print(table(rows))


if __name__ == '__main__':
    main()
