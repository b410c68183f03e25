"""``unison3d test``: measure weights on the test set of a config."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from unison3d.cli.configs import (
    add_config_arguments,
    make_runner,
    read_config,
    settings_explained,
)
from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

METRICS_FILE, REPORT_FILE = 'metrics.json', 'report.json'


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'test',
        parents=[common],
        help='measure a checkpoint',
        description='Measure weights on the test set of a config.',
    )
    add_config_arguments(parser)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', type=Path, help='.safetensors or .pth')
    parser.add_argument('--out', type=Path, help=f'folder for the numbers, as {METRICS_FILE}')
    parser.add_argument(
        '--clicks',
        metavar='K',
        type=int,
        help='let a simulated user correct every clicked object with up to K clicks in all, and '
        'report IoU@k and NoC@q',
    )
    parser.add_argument(
        '--report',
        metavar='DIR',
        type=Path,
        help='folder for report.md and report.json: tables of every class, pictures of the worst '
        'scenes',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace what --out or --report would write'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object, no prose')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure."""
    config = read_config(args, ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'))
    if args.out is not None:
        check_out_folder('--out', args.out, METRICS_FILE, args.overwrite)
    if args.report is not None:
        check_out_folder('--report', args.report, REPORT_FILE, args.overwrite)
    if args.clicks is not None:
        simulate_clicks(config, args.clicks)
    config.load_from = str(args.checkpoint)
    config.resume = False
    # A config may start training from a part of the weights; a measurement needs all of them.
    if not any(option.partition('=')[0] == 'load_strict' for option in args.cfg_options):
        config.load_strict = True
    if args.json:
        # The log goes to standard output as well; the file in the work folder keeps it.
        config.log_level = 'ERROR'
    runner = make_runner(config)
    with settings_explained(config):
        found = runner.test()
    metrics = {key: float(value) for key, value in found.items()}

    from mmengine.dist import is_main_process

    from unison3d.engine.processes import leave_process_group

    # Every process has the numbers; one reports them.
    if is_main_process():
        _tell(args, runner, metrics)
    leave_process_group()
    return 0


def _tell(args: argparse.Namespace, runner: Runner, metrics: dict[str, float]) -> None:
    """Write and print what was measured."""
    from unison3d.io.json_files import to_plain, write_json

    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / METRICS_FILE, metrics)
    if args.report is not None:
        from unison3d.cli.evaluation_report import make_report

        source = {'config': str(args.config), 'weights': str(args.checkpoint)}
        make_report(runner, metrics, args.report, source)
    if args.json:
        # A number that does not exist, such as the AP of a class without objects, becomes null.
        json.dump(to_plain(metrics), sys.stdout, indent=2, allow_nan=False)
        print()
        return
    width = max((len(key) for key in metrics), default=0)
    for key, value in metrics.items():
        print(f'{key:{width}s}  {value:.4f}')


def simulate_clicks(config: Config, num_clicks: int) -> None:
    """Switch the simulated user on in the click tasks and in the metrics of a config.

    Raises:
        ConfigError: no clicks, or nothing in the config that clicks.
    """
    if num_clicks < 1:
        raise ConfigError(f'--clicks is {num_clicks}, expected 1 or more.')
    tasks = [task for task in config.model.tasks.values() if task['type'] == 'ClickTask']
    evaluators = config.test_evaluator
    evaluators = evaluators if isinstance(evaluators, list) else [evaluators]
    metrics = [metric for metric in evaluators if metric['type'] == 'InteractiveMetric']
    if not tasks or not metrics:
        raise ConfigError(
            '--clicks needs a ClickTask in model.tasks and an InteractiveMetric in test_evaluator; '
            f'this config has {len(tasks)} and {len(metrics)}.'
        )
    for task in tasks:
        task['test_clicks'] = num_clicks
    for metric in metrics:
        metric['limit'] = num_clicks


def check_out_folder(option: str, out: Path, name: str, overwrite: bool) -> None:
    """Refuse before minutes of work what would fail or destroy something after them.

    Raises:
        ConfigError: ``out`` is a file, or holds the file already while ``overwrite`` is off.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f'{option} {out} is a file, expected a folder. Choose another name.')
    if (out / name).exists() and not overwrite:
        raise ConfigError(
            f'{out / name} exists. Pass --overwrite to replace it, or choose another folder.'
        )
