"""``unison3d test``: measure weights on the test set of a config."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from unison3d.cli.configs import add_config_arguments, make_runner, read_config


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
    parser.add_argument('--out', type=Path, help='write the numbers to this JSON file as well')
    parser.add_argument('--json', action='store_true', help='print one JSON object, no prose')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure."""
    config = read_config(args)
    config.load_from = str(args.checkpoint)
    config.resume = False
    if args.json:
        # The log goes to standard output as well; the file in the work folder keeps it.
        config.log_level = 'ERROR'
    metrics = {key: float(value) for key, value in make_runner(config).test().items()}
    if args.out is not None:
        from unison3d.io.atomic import atomic_write

        with atomic_write(args.out, 'w') as file:
            json.dump(metrics, file, indent=2)
    if args.json:
        json.dump(metrics, sys.stdout, indent=2)
        print()
        return 0
    width = max((len(key) for key in metrics), default=0)
    for key, value in metrics.items():
        print(f'{key:{width}s}  {value:.4f}')
    return 0
