"""The options of verbs that work through many scans."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from unison3d.jobs import Crew

# Named here as well, so that --help needs no torch.
ENGINES = ('local', 'ray')
# By the name of the parsed argument. None has a default, so that one can tell what was given.
_OPTIONS = {
    'engine': '--engine',
    'workers': '--workers',
    'threads': '--threads',
    'retries': '--retries',
    'max_memory': '--max-memory',
    'ray_address': '--ray-address',
}


def add_job_options(group: argparse._ArgumentGroup, workers: str) -> None:
    """Add the options to a group.

    Args:
        group: where to.
        workers: the default number of workers in words.
    """
    group.add_argument(
        '--engine', choices=ENGINES, help='processes of this machine, or Ray. Default: local'
    )
    group.add_argument(
        '-j', '--workers', type=int, metavar='N', help=f'scans at a time. Default: {workers}'
    )
    group.add_argument(
        '--threads',
        type=int,
        metavar='N',
        help='threads of each worker. Default: the cores of this machine shared out',
    )
    group.add_argument(
        '--retries',
        type=int,
        metavar='N',
        help='further attempts at a scan that failed or whose process died. Default: 1',
    )
    group.add_argument(
        '--max-memory',
        type=float,
        metavar='GB',
        help='replace a local worker process that holds more than this after a scan',
    )
    group.add_argument(
        '--ray-address',
        metavar='ADDRESS',
        help='a Ray cluster that is running, such as auto or ray://head:10001. Default: start '
        'Ray on this machine for this job',
    )


def make_crew(args: argparse.Namespace, workers: int, gpus: bool = False) -> Crew:
    """Who does the work.

    Args:
        args: parsed arguments with the options of :func:`add_job_options`.
        workers: their number where the option is not given.
        gpus: every worker of Ray takes a GPU.

    Raises:
        ConfigError: a number out of range, or options that do not fit together.
    """
    from unison3d.jobs import Crew

    workers = workers if args.workers is None else args.workers
    if workers < 1:
        raise ConfigError(f'{workers} workers, expected 1 or more.')
    return Crew(
        engine=args.engine or 'local',
        workers=workers,
        retries=1 if args.retries is None else args.retries,
        threads=args.threads,
        max_memory=None if args.max_memory is None else int(args.max_memory * 1e9),
        gpus=gpus,
        address=args.ray_address,
    )


def is_many(scan: str) -> bool:
    """Whether a path names many scans: a list of them, or a folder that is not one scan."""
    path = Path(scan).expanduser()
    if not path.is_dir():
        return path.suffix.lower() == '.txt'
    from unison3d.apis.scan_files import is_single_scan

    return not is_single_scan(path)


def refuse_places(args: argparse.Namespace) -> None:
    """Refuse options of ``infer`` that make sense for one scan only.

    Raises:
        ConfigError: a click or a box.
    """
    if args.click or args.box:
        option = '--click' if args.click else '--box'
        raise ConfigError(
            f'{option} is a place in one scan, and {args.scan} holds many. Name one scan.'
        )


def refuse_job_options(args: argparse.Namespace) -> None:
    """Refuse options of ``infer`` that make sense for many scans only.

    Raises:
        ConfigError: an option of a job.
    """
    given = [option for name, option in _OPTIONS.items() if getattr(args, name) is not None]
    if given:
        raise ConfigError(
            f'{given[0]} is for a folder or a list of scans, and {args.scan} is one. Leave it out.'
        )
