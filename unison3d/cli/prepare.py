"""``unison3d prepare``: bring a dataset to the processed form, and check one."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from unison3d.cli.engine_option import add_engine_option
from unison3d.cli.job_options import add_job_options, make_crew
from unison3d.cli.progress import ProgressLines
from unison3d.errors import ConfigError, InputError


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'prepare',
        parents=[common],
        help='bring a dataset to the processed form, or check one',
        description='Bring a dataset as it is downloaded to the processed form of OpenMMLab '
        '(points/ instance_mask/ semantic_mask/ super_points/ and info files). Scans that are '
        'there already are left alone, so an interrupted job goes on where it stopped. Scans that '
        'fail are listed at the end, and the exit status is 3 then.',
        epilog='The layout of each dataset: data/<dataset>/README.md.',
    )
    parser.add_argument('dataset', help='such as scannet; a name that is not known lists all')
    parser.add_argument(
        '--root', type=Path, help='folder of the dataset as downloaded; not needed to --verify only'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for the processed form')
    add_job_options(parser.add_argument_group('how to run'), '1')
    parser.add_argument(
        '--split', nargs='+', metavar='SPLIT', help='only these, such as: train val'
    )
    parser.add_argument(
        '--sentences',
        type=Path,
        nargs='+',
        default=[],
        metavar='FILE',
        help='ScanRefer (.json) and Nr3D/Sr3D (.csv) files to put into the info files',
    )
    parser.add_argument('--tag', help='first part of the info file names. Default: the dataset')
    add_engine_option(parser)
    parser.add_argument('--overwrite', action='store_true', help='make existing scans again')
    parser.add_argument(
        '--verify', action='store_true', help='check the result: sizes, numbers, ids, infos'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare, verify, or both."""
    from unison3d.datasets.prepare import get_layout

    layout = get_layout(args.dataset)
    if args.root is None and not args.verify:
        raise ConfigError('prepare: --root is missing. Give the folder of the dataset.')
    status = 0
    if args.root is not None:
        status = _prepare(layout, args)
    if args.verify:
        status = _verify(args.out) or status
    return status


def _prepare(layout, args: argparse.Namespace) -> int:
    from unison3d.datasets.prepare import prepare_dataset
    from unison3d.jobs import Crew

    crew = make_crew(args, workers=1)
    if crew == Crew(workers=1, retries=crew.retries):
        # A process of its own would only take time to start.
        crew = replace(crew, workers=0)
    start = time.perf_counter()
    report = prepare_dataset(
        layout,
        args.root,
        args.out,
        splits=args.split,
        crew=crew,
        sentence_files=args.sentences,
        tag=args.tag,
        overwrite=args.overwrite,
        on_scan=ProgressLines(),
    )
    counts = [sum(o.status == s for o in report.outcomes) for s in ('made', 'kept', 'failed')]
    seconds = time.perf_counter() - start
    print('{} scans made, {} there already, {} failed'.format(*counts), f'in {seconds:.1f} s.')
    for line in (*report.notes, *(f'wrote {path}' for path in report.infos)):
        print(f'  {line}')
    for outcome in report.failures:
        print(f'failed: {outcome.unit.name} ({outcome.unit.split}): {outcome.reason}')
    return InputError.exit_code if report.failures else 0


def _verify(out: Path) -> int:
    from unison3d.datasets.prepare import verify_folder

    result = verify_folder(out)
    for name, count in result.scans.items():
        print(f'{name}: {count} scans')
    if result.colorless:
        print(f'{len(result.colorless)} scans have no colours: all are zeros.')
    for finding in result.findings:
        print(f'  {finding}')
    print(f'{len(result.findings)} findings.' if result.findings else 'No findings.')
    return InputError.exit_code if result.findings else 0
