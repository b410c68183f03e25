"""What ``train`` and ``test`` share: reading a config, its overrides, and saying what is wrong."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

# A config is a program of the user's, so reading one raises what programs raise.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
# What constructors raise about settings of a wrong type, name or size.
_UNBUILDABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
# Where MMEngine raises when it cannot make sense of a setting. Errors from deeper are of the part
# that was being built or run, and not for us to explain away.
_READERS_OF_SETTINGS = (
    'addict',
    'mmengine.config',
    'mmengine.optim.optimizer.default_constructor',
    'mmengine.registry',
    'mmengine.runner',
)
_UNKNOWN_TYPE = re.compile(r"'?(?P<type>\S+) is not in the (?P<scope>\w+)::(?P<registry>.+?) regis")


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every verb with a config takes."""
    parser.add_argument(
        'config',
        metavar='CONFIG',
        type=Path,
        help='a config file (.py), or PACKAGE::FOLDER/CONFIG.py',
    )
    parser.add_argument(
        '--work-dir', type=Path, help='folder for logs and checkpoints. Default: work_dirs/<config>'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
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
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read checkpoints with Python objects, which runs their code; for files of people '
        'you trust',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)


def read_config(args: argparse.Namespace, required: Sequence[str] = ()) -> Config:
    """Read the config of a run and apply the command line.

    Args:
        args: parsed arguments of :func:`add_config_arguments`.
        required: settings that the verb cannot do without.

    Raises:
        ConfigError: see :func:`load_config`.
    """
    if args.local_rank is not None:
        # Launchers that pass the rank in words; MMEngine reads it from the environment.
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config = load_config(args.config, args.cfg_options, required, verb=args.verb)
    config.launcher = args.launcher
    if args.trust:
        config.trust = True
    if args.work_dir is not None:
        config.work_dir = str(args.work_dir)
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / Path(config.filename).stem)
    return config


def load_config(
    path: Path, options: Sequence[str] = (), required: Sequence[str] = (), *, verb: str
) -> Config:
    """Read a config and apply overrides.

    Args:
        path: a file, or ``PACKAGE::FOLDER/CONFIG.py``.
        options: overrides, ``KEY=VALUE``.
        required: settings that cannot be missing.
        verb: what they are needed for.

    Raises:
        ConfigError: the file is missing or no config, a required setting is missing, or an
            override does not fit.
    """
    import yaml

    from unison3d.io.config_files import find_package_config, read_config_file

    if '::' in str(path):
        path = find_package_config(str(path))
    if not path.is_file():
        raise ConfigError(f'{path}: this config does not exist. See the folder configs/.')
    try:
        config = read_config_file(path)
    except (*_UNREADABLE, yaml.YAMLError) as error:
        is_import = isinstance(error, ImportError)
        advice = 'Install it or put its folder on PYTHONPATH' if is_import else 'Repair it'
        raise ConfigError(
            f'{path}: not a usable config ({_describe(error)}). {advice}; --debug shows the place.'
        ) from error
    for option in options:
        _override(config, option)
    missing = [key for key in required if config.get(key) is None]
    if missing:
        raise ConfigError(
            f'{path}: the setting {missing[0]!r} is missing, `unison3d {verb}` needs '
            f'{", ".join(required)}. Name a config below configs/ as its _base_, or add it.'
        )
    config.setdefault('default_scope', 'unison3d')
    return config


def make_runner(config: Config) -> Runner:
    """Build the runner that a config asks for, :class:`SafeRunner` unless it names another.

    Raises:
        ConfigError: the settings do not make a runner and a model.
    """
    from unison3d.engine import SafeRunner
    from unison3d.registry import RUNNERS

    try:
        with settings_explained(config):
            return RUNNERS.build(config) if 'runner_type' in config else SafeRunner.from_cfg(config)
    except _UNBUILDABLE as error:
        raise ConfigError(
            f'{config.filename}: nothing can be built from it ({_describe(error)}). Correct the '
            'setting; --debug shows the place.'
        ) from error


@contextmanager
def settings_explained(config: Config) -> Iterator[None]:
    """Turn MMEngine's complaints about settings into errors that name the file and the key.

    Most parts are built when training or testing starts, so this goes around that as well.

    Raises:
        ConfigError: a type that no registry knows, or a setting that a part does not take.
    """
    try:
        yield
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
        unknown = _UNKNOWN_TYPE.match(str(error.args[0]) if error.args else '')
        if unknown is not None:
            raise ConfigError(_explain_type(config, **unknown.groupdict())) from error
        place = _raised_in(error)
        if not place.startswith(_READERS_OF_SETTINGS):
            raise
        if 'optim' in place and (name := _unknown_optimizer(config)) is not None:
            explanation = _explain_type(config, name, 'unison3d', 'optimizer')
            raise ConfigError(explanation) from error
        raise ConfigError(
            f'{config.filename}: a setting cannot be used ({_describe(error)}). Correct it; '
            '--debug shows the place.'
        ) from error


def _override(config: Config, option: str) -> None:
    from mmengine.config import DictAction

    key, equals, _ = option.partition('=')
    if not equals or not key.strip('. '):
        raise ConfigError(f'--cfg-options: {option!r} is not KEY=VALUE.')
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    try:
        config.merge_from_dict(parser.parse_args(['--options', option]).options)
    except _UNBUILDABLE as error:
        raise ConfigError(
            f'--cfg-options: {option!r} does not fit the config ({_describe(error)}). Print the '
            'config to see its keys; items of a list are numbered from 0.'
        ) from error


def _describe(error: BaseException) -> str:
    """Type and first line, since ``KeyError('x')`` alone prints as ``'x'``."""
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0]}' if lines else type(error).__name__


def _raised_in(error: BaseException) -> str:
    """Name of the module whose code raised; a call with wrong arguments is raised by the caller."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    modules = [frame.f_globals.get('__name__', '') for frame in frames]
    # The optimizer constructor asks `inspect` about what it did not find.
    modules = [name for name in modules if name != 'inspect']
    return modules[-1] if modules else ''


def _unknown_optimizer(config: Config) -> str | None:
    """Type of the optimizer, if no registry knows it: MMEngine stumbles over it without a word."""
    from unison3d.registry import OPTIMIZERS

    settings = config.optim_wrapper.get('optimizer')
    name = settings.get('type') if isinstance(settings, dict) else None
    return name if isinstance(name, str) and OPTIMIZERS.get(name) is None else None


def _explain_type(config: Config, type: str, scope: str, registry: str) -> str:  # noqa: A002
    places = list(_places_of(config.to_dict(), type))
    where = f'{config.filename}: {places[0]}.type' if places else str(config.filename)
    close = difflib.get_close_matches(type, _known_types(scope, registry), n=3, cutoff=0.5)
    hint = f'Did you mean {" or ".join(close)}?' if close else 'Look at the configs that ship.'
    return (
        f'{where} is {type!r}, which is no {registry} that {scope} knows. {hint} A class of your '
        'own is found when its module is named in custom_imports.'
    )


def _places_of(value: Any, name: str, place: str = '') -> Iterator[str]:
    """Dotted keys of all dicts whose type is ``name``."""
    if isinstance(value, dict):
        if value.get('type') == name:
            yield place
        for key, item in value.items():
            yield from _places_of(item, name, f'{place}.{key}' if place else str(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _places_of(item, name, f'{place}.{index}')


def _known_types(scope: str, name: str) -> list[str]:
    """What a registry and its parents offer."""
    from mmengine import registry as engine_registries

    from unison3d import registry as our_registries

    known: set[str] = set()
    for module in (our_registries, engine_registries):
        for found in vars(module).values():
            if isinstance(found, engine_registries.Registry) and found.name == name:
                while found is not None:
                    known.update(found.module_dict)
                    found = found.parent
    return sorted(known)
