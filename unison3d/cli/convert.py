"""``unison3d convert``: published checkpoints to ours and back."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unison3d.errors import CheckpointError, ConfigError
from unison3d.version import __version__

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

    from unison3d.convert import System, Translation

# Written here and not imported: the tables need torch, and --help answers without it.
LAYOUTS = ('auto', 'krsc', 'rsck', 'minkowski')
SCHEMA = 'unison3d-converted/1'
OURS = '.safetensors'
THEIRS = ('.pth', '.pt', '.tar', '.ckpt')


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'convert',
        parents=[common],
        help='translate a published checkpoint',
        description='Translate a published checkpoint to the names and layouts of this package, or '
        'back with --reverse. Every tensor is accounted for; what does not fit is refused.',
    )
    parser.add_argument('system', metavar='SYSTEM', nargs='?', help='published system, see --list')
    parser.add_argument('source', metavar='IN', nargs='?', type=Path, help='file to translate')
    parser.add_argument(
        'out',
        metavar='OUT',
        nargs='?',
        type=Path,
        help=f'file to write: {OURS}, with --reverse .pth. Not needed with --dry-run',
    )
    parser.add_argument('--list', action='store_true', help='print the systems and stop')
    parser.add_argument('--reverse', action='store_true', help='from our names to published ones')
    parser.add_argument(
        '--layout',
        choices=LAYOUTS,
        default='auto',
        help='axes of the published kernels. auto finds it by shape, and with --reverse writes '
        'krsc where there is a choice. Default: auto',
    )
    parser.add_argument(
        '--allow-partial', action='store_true', help='write what fits although something does not'
    )
    parser.add_argument(
        '--keep-unused',
        action='store_true',
        help='store tensors that no model here uses as well, as published.<name>, so that '
        '--reverse gives the whole file back',
    )
    parser.add_argument(
        '--config',
        type=Path,
        help='config of the model that the weights fill. The file then describes the model, and '
        '`unison3d infer --weights OUT` needs no config',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='override settings of --config',
    )
    parser.add_argument('--dry-run', action='store_true', help='report, write nothing')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT')
    parser.add_argument('--json', action='store_true', help='print one JSON object, no prose')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Translate, report, write."""
    if args.list:
        return list_systems(args.json)
    check_paths(args)

    from unison3d.convert import get_system

    system = get_system(args.system)
    translation, metadata = (read_back if args.reverse else read_forth)(system, args)
    report = translation.report
    fits = report.complete or args.allow_partial
    if args.config is not None and fits:
        translation, metadata = describe_model(system, translation, metadata, args)
    written = None if args.dry_run or not fits else args.out
    if written is not None:
        # Before the report, which says that it is there.
        if args.reverse:
            write_theirs(written, translation, system)
        else:
            write_ours(written, translation, metadata)
    if args.json:
        config = None if args.config is None else str(args.config)
        paths = {'source': str(args.source), 'written': written and str(written), 'config': config}
        json.dump({**paths, **report.as_json()}, sys.stdout, indent=2)
        print()
    elif fits:
        print(report.describe())
        print('Nothing written.' if written is None else f'Written: {written}')
        if written is not None and args.config is not None:
            print(f'Use it: unison3d infer SCAN --weights {written}')
        elif written is not None and not args.reverse and system.describable:
            print('`unison3d infer` needs a description of the model in it: add --config CONFIG.')
    if not fits:
        report.require_complete(str(args.source))
    return 0


def list_systems(as_json: bool) -> int:
    """Print what can be translated, one line each."""
    from unison3d.convert import SYSTEMS

    if as_json:
        rows = [
            {'name': s.name, 'summary': s.summary, 'target': s.target} for s in SYSTEMS.values()
        ]
        json.dump({'systems': rows}, sys.stdout, indent=2)
        print()
        return 0
    width = max(map(len, SYSTEMS))
    for name, system in SYSTEMS.items():
        print(f'{name:{width}s}  {system.summary}; for {system.target}')
    return 0


def check_paths(args: argparse.Namespace) -> None:
    """Refuse early what would fail, or destroy something, after the work.

    Raises:
        ConfigError: an argument is missing, or OUT has a wrong ending, is there already, or is IN.
    """
    needed = {'SYSTEM': args.system, 'IN': args.source, 'OUT': args.dry_run or args.out}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ConfigError(
            f'{" and ".join(missing)} missing. Expected: unison3d convert SYSTEM IN OUT; '
            '`unison3d convert --list` prints the systems.'
        )
    if args.config is not None and (args.reverse or args.keep_unused):
        raise ConfigError(
            '--config is for files that a model here can use, and what --reverse and --keep-unused '
            'write is for the published system. Leave one of them out.'
        )
    if args.reverse and args.keep_unused:
        raise ConfigError('--keep-unused is for the way here; --reverse gives back what was kept.')
    out = args.out
    if out is None or args.dry_run:
        return
    endings = THEIRS if args.reverse else (OURS,)
    if out.suffix not in endings:
        way = 'with' if args.reverse else 'without'
        raise ConfigError(f'{out}: expected the ending {" or ".join(endings)} {way} --reverse.')
    if out.is_dir():
        raise ConfigError(f'{out} is a folder, expected a file. Choose another name.')
    if out.exists() and args.source.exists() and out.samefile(args.source):
        raise ConfigError(f'{out}: IN and OUT are the same file. Choose another name.')
    if out.exists() and not args.overwrite:
        raise ConfigError(
            f'{out} is already there. Pass --overwrite to replace it, or choose another name.'
        )


def read_forth(system: System, args: argparse.Namespace) -> tuple[Translation, dict[str, str]]:
    """Read and translate a published file.

    Returns:
        The translation, complete or not, and the text that goes into our file.

    Raises:
        CheckpointError: the file is missing, damaged, holds code, or is of another system.
    """
    from unison3d.convert import translate, unwrap
    from unison3d.engine.checkpoint import read_weights

    path = args.source
    content = read_weights(path)[0] if path.suffix == OURS else read_published(path)
    with about(path):
        published, beside = unwrap(system, content)
        translation = translate(
            system, published, args.layout, strict=False, keep_unused=args.keep_unused
        )
    report = dataclasses.replace(translation.report, beside=tuple(beside))
    metadata = {
        'schema': SCHEMA,
        'system': system.name,
        'source': path.name,
        'layout': report.layout,
        'published_prefix': report.prefix,
        'unison3d': __version__,
    }
    return dataclasses.replace(translation, report=report), metadata


def describe_model(
    system: System,
    translation: Translation,
    metadata: Mapping[str, str],
    args: argparse.Namespace,
) -> tuple[Translation, dict[str, str]]:
    """Complete the weights for the model of ``--config``, and put the model into the metadata.

    Raises:
        CheckpointError: the weights do not fit the config.
        ConfigError: the config cannot be used, see also
            :func:`~unison3d.apis.converted_model.complete_weights`.
    """
    from unison3d.apis.converted_model import complete_weights
    from unison3d.cli.configs import load_config

    config = load_config(args.config, args.cfg_options, ('model',), verb='convert')
    weights, description = complete_weights(
        system,
        translation.tensors,
        config.model,
        class_embeddings=_class_embeddings(config),
        source=str(args.config),
    )
    translation = dataclasses.replace(translation, tensors=weights)
    return translation, {**metadata, 'config': args.config.stem, 'model': description}


def _class_embeddings(config: Config) -> str | Path | None:
    """The file that the hook of a config reads class embeddings from; None without a hook."""
    hooks = [
        hook
        for hook in config.get('custom_hooks') or []
        if str(hook.get('type')).rpartition('.')[2] == 'ClassEmbeddingsHook'
    ]
    if len(hooks) > 1:
        raise ConfigError(
            f'{config.filename}: custom_hooks has {len(hooks)} of the type ClassEmbeddingsHook, '
            'expected one at most. Keep that of the file the weights were trained with.'
        )
    if hooks and not hooks[0].get('path'):
        raise ConfigError(
            f'{config.filename}: the ClassEmbeddingsHook in custom_hooks has no path. Name the '
            'file of the class embeddings: dict(type="ClassEmbeddingsHook", path=...).'
        )
    return hooks[0]['path'] if hooks else None


def read_back(system: System, args: argparse.Namespace) -> tuple[Translation, dict[str, str]]:
    """Read a file of ours and translate it to published names.

    Returns:
        The translation, complete or not, and the text of our file.

    Raises:
        CheckpointError: the file is missing, damaged, holds code, or is of another architecture.
        ConfigError: the file says that it comes from another system.
    """
    from unison3d.convert import translate_back
    from unison3d.engine.checkpoint import read_weights

    path = args.source
    ours, metadata = read_weights(path)
    if metadata.get('system', system.name) != system.name:
        raise ConfigError(
            f'{path}: converted from {metadata["system"]}, not from {system.name}. Name that '
            'system: the tables differ.'
        )
    with about(path):
        translation = translate_back(
            system, ours, args.layout, prefix=metadata.get('published_prefix'), strict=False
        )
    return translation, metadata


def read_published(path: Path) -> dict[str, object]:
    """Read the tensors of a published file, whatever objects its framework put beside them."""
    from unison3d.engine.checkpoint import read_checkpoint

    return read_checkpoint(path, skip_objects=True)


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Name the file in what the translation has to say about its tensors."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from error


def write_ours(path: Path, translation: Translation, metadata: Mapping[str, str]) -> None:
    """Write translated tensors as safetensors, atomically.

    Not ``save_weights``: what is kept for the way back may hold infinities, as the attention mask
    of a text tower does.

    Raises:
        CheckpointError: a weight that is used is not finite.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from unison3d.convert import UNUSED_PREFIX
    from unison3d.io.atomic import atomic_path, writing

    for name, value in translation.tensors.items():
        used = value.is_floating_point() and not name.startswith(UNUSED_PREFIX)
        if used and not torch.isfinite(value).all():
            raise CheckpointError(
                f'{name} holds values that are not finite, so nothing was written. The training '
                'that made the file has diverged, or the file is damaged.'
            )
    with atomic_path(path) as temporary, writing(path, SafetensorError):
        save_file(_unshared(translation.tensors), temporary, {**metadata, 'format': 'pt'})


def write_theirs(path: Path, translation: Translation, system: System) -> None:
    """Write published names where the published programs look for them, atomically."""
    from unison3d.convert import wrap
    from unison3d.engine.checkpoint import write_checkpoint

    tensors = _unshared(translation.tensors)
    write_checkpoint(path, wrap(system, tensors, translation.report.layout))


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Memory of its own for each: views would drag their base along, or be refused."""
    import torch

    return {name: v.clone(memory_format=torch.contiguous_format) for name, v in tensors.items()}
