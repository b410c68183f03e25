"""What ``train`` and ``test`` share: reading a config and its overrides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every verb with a config takes."""
    parser.add_argument('config', metavar='CONFIG', type=Path, help='a config file (.py)')
    parser.add_argument(
        '--work-dir', type=Path, help='folder for logs and checkpoints. Default: work_dirs/<config>'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='override settings, such as optim_wrapper.optimizer.lr=0.001',
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='how several processes were started. Default: none',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)


def read_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the overrides of the command line.

    Raises:
        ConfigError: the file is missing or no config, or an override is not ``key=value``.
    """
    from mmengine.config import Config
    from mmengine.config.utils import ConfigParsingError

    if not args.config.is_file():
        raise ConfigError(f'{args.config}: this config does not exist. See the folder configs/.')
    try:
        config = Config.fromfile(args.config)
    except (ConfigParsingError, SyntaxError, NameError, KeyError, TypeError, OSError) as error:
        raise ConfigError(f'{args.config}: not a usable config ({error}).') from error
    if args.cfg_options:
        config.merge_from_dict(_parse_options(args.cfg_options))
    config.launcher = args.launcher
    if args.work_dir is not None:
        config.work_dir = str(args.work_dir)
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / args.config.stem)
    config.setdefault('default_scope', 'unison3d')
    return config


def make_runner(config: Config):
    """Build the runner that a config asks for, :class:`SafeRunner` unless it names another."""
    from unison3d.engine import SafeRunner
    from unison3d.registry import RUNNERS

    if 'runner_type' in config:
        return RUNNERS.build(config)
    return SafeRunner.from_cfg(config)


def _parse_options(options: list[str]) -> dict:
    from mmengine.config import DictAction

    for option in options:
        if '=' not in option:
            raise ConfigError(f'--cfg-options: {option!r} is not KEY=VALUE.')
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    return parser.parse_args(['--options', *options]).options
