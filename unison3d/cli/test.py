"""``unison3d test``: measure weights on the test set of a config."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from unison3d.cli.configs import (
    add_config_arguments,
    make_runner,
    read_config,
    settings_explained,
)
from unison3d.errors import ConfigError

METRICS_FILE = 'metrics.json'


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
        '--overwrite', action='store_true', help=f'replace a {METRICS_FILE} in --out'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object, no prose')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure."""
    config = read_config(args, ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'))
    if args.out is not None:
        check_out_folder(args.out, args.overwrite)
    config.load_from = str(args.checkpoint)
    config.resume = False
    if args.json:
        # The log goes to standard output as well; the file in the work folder keeps it.
        config.log_level = 'ERROR'
    runner = make_runner(config)
    with settings_explained(config):
        found = runner.test()
    metrics = {key: float(value) for key, value in found.items()}

    from mmengine.dist import is_main_process

    from unison3d.io.json_files import to_plain, write_json

    # Every process has the numbers; one reports them.
    if not is_main_process():
        return 0
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / METRICS_FILE, metrics)
    if args.json:
        # A number that does not exist, such as the AP of a class without objects, becomes null.
        json.dump(to_plain(metrics), sys.stdout, indent=2, allow_nan=False)
        print()
        return 0
    width = max((len(key) for key in metrics), default=0)
    for key, value in metrics.items():
        print(f'{key:{width}s}  {value:.4f}')
    return 0


def check_out_folder(out: Path, overwrite: bool) -> None:
    """Refuse before minutes of work what would fail or destroy something after them.

    Raises:
        ConfigError: ``out`` is a file, or holds numbers already while ``overwrite`` is off.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f'--out {out} is a file, expected a folder. Choose another name.')
    if (out / METRICS_FILE).exists() and not overwrite:
        raise ConfigError(
            f'{out / METRICS_FILE} exists. Pass --overwrite to replace it, or choose another '
            'folder.'
        )
