"""``unison3d bench``: what a prediction takes on this machine, and where the time goes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'bench',
        parents=[common],
        help='measure time and memory',
        description='Measure all six tasks on a scan, or on a procedural room: start, whole run, '
        'further clicks and sentences, memory; and the time of every part beside the least that '
        'it could take on this machine.',
    )
    parser.add_argument('scan', type=Path, nargs='?', help='default: a procedural room')
    parser.add_argument(
        '--points', type=int, default=100_000, help='of the procedural room (default: %(default)s)'
    )
    parser.add_argument('--weights', help='default: the small model that ships')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    parser.add_argument('--threads', type=int, help='default: as torch chooses')
    parser.add_argument('--repeats', type=int, default=3, help='default: %(default)s')
    parser.add_argument('--json', action='store_true', help='print one JSON object, no tables')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    import json
    import tempfile

    import torch

    from unison3d.apis import Segmenter
    from unison3d.bench import measure_prediction, measure_start_up, procedural_scan
    from unison3d.errors import ConfigError

    for name in ('points', 'threads', 'repeats'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ConfigError(f'--{name} is {value}, expected 1 or more')
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    # First here, where weights that cannot be used end in an error and not in another process.
    segmenter = Segmenter.from_pretrained(args.weights, args.device)
    start_up = measure_start_up(args.weights, args.device)
    with tempfile.TemporaryDirectory() as folder:
        path = args.scan or procedural_scan(Path(folder), args.points)
        report = measure_prediction(segmenter, path, repeats=args.repeats)
    if args.json:
        json.dump({'start_up_s': start_up, **report.as_json()}, sys.stdout, indent=2)
        print()
    else:
        print(f'start-up: {start_up:.2f} s')
        print(report.markdown())
    return 0
