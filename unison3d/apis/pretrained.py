"""Folders with a model, its names, its card and their hashes; nothing in them is ever executed.

========================  =========================================================================
``weights.safetensors``   tensors, and the description of the model as text
``config.json``           the same description, to read
``labels.json``           label space, and the vocabulary of the open-vocabulary task
``README.md``             the model card
``SHA256SUMS``            hashes of the files, in the form of the program ``sha256sum``
========================  =========================================================================
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unison3d.engine.checkpoint import save_weights
from unison3d.errors import CheckpointError, ConfigError, FileFormatError
from unison3d.io import atomic_write, read_json, write_json
from unison3d.models import UnifiedSegmentor
from unison3d.version import __version__

__all__ = ['SHIPPED_WEIGHTS', 'check_hash', 'find_weights', 'restore_labels', 'write_folder']

SHIPPED = Path(__file__).parents[1] / 'assets' / 'weights'
SHIPPED_WEIGHTS = SHIPPED / 'unified-s_synth-rooms.safetensors'
WEIGHTS, CONFIG, LABELS, CARD = 'weights.safetensors', 'config.json', 'labels.json', 'README.md'
SUMS = 'SHA256SUMS'
_CHUNK = 1 << 20


def find_weights(weights: str | Path | None) -> Path:
    """The weights file that a user means, with its hash checked where one is known.

    Args:
        weights: a ``.safetensors`` file, a folder that :func:`write_folder` made, or the name of
            weights that ship; None is the default of these. A file or folder in the way of a name
            goes before it.

    Raises:
        CheckpointError: the folder is incomplete, or a file is not what ``SHA256SUMS`` beside it
            says.
    """
    path = SHIPPED_WEIGHTS if weights is None else Path(weights)
    shipped = SHIPPED / f'{weights}.safetensors'
    if not path.exists() and path.name == str(weights) and shipped.is_file():
        path = shipped
    if path.is_dir():
        for name in (SUMS, WEIGHTS, LABELS):
            if not (path / name).is_file():
                raise CheckpointError(
                    f'{path}: is no complete folder of weights ({name} is missing). Expected one '
                    'that save_pretrained wrote; copy it again, or name a .safetensors file.'
                )
        for name in (CONFIG, LABELS):
            check_hash(path / name)
        path = path / WEIGHTS
    if path.is_file():
        check_hash(path)
    elif weights is not None and path.suffix != '.safetensors' and path.name == str(weights):
        known = ', '.join(sorted(file.stem for file in SHIPPED.glob('*.safetensors')))
        raise CheckpointError(
            f'{weights}: is no file, no folder and no name of weights that ship ({known}).'
        )
    return path


def check_hash(path: Path) -> None:
    """Compare a file with the line for it in ``SHA256SUMS`` beside it, if there is one.

    Raises:
        CheckpointError: they differ.
    """
    sums = path.with_name(SUMS)
    if not sums.is_file() or not path.is_file():
        return
    expected = _read_sums(sums).get(path.name)
    if expected is not None and expected != (found := sha256(path)):
        raise CheckpointError(
            f'{path}: its SHA-256 is {found[:16]}..., expected {expected[:16]}... ({SUMS}). It was '
            'damaged or changed after it was saved. Get it again; if the change was meant, write '
            f'its new hash into {SUMS} (sha256sum {path.name}).'
        )


def sha256(path: Path) -> str:
    """The hash of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def restore_labels(model: UnifiedSegmentor, weights: Path) -> None:
    """Ask the open-vocabulary task for the names that the folder of a weights file was saved with.

    Raises:
        CheckpointError: ``labels.json`` has another form, or is not the one that was saved.
    """
    path = weights.with_name(LABELS)
    if weights.name != WEIGHTS or not path.is_file() or 'open_vocabulary' not in model.tasks:
        return
    check_hash(path)
    try:
        labels = read_json(path)
        names, synonyms = labels['vocabulary'], labels['synonyms']
        if not names or not _are_texts(names) or not all(map(_are_texts, synonyms.values())):
            raise ValueError('expected names, and phrases by name')
    except (FileFormatError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f'{path}: not usable ({error}). Save the folder again with save_pretrained.'
        ) from error
    task = model.tasks['open_vocabulary']
    # Not by set_vocabulary, which encodes: an encoder may be missing where no names are asked for.
    task.test_vocabulary = list(names)
    task.synonyms = {str(name): list(phrases) for name, phrases in synonyms.items()}


def write_folder(
    folder: str | Path,
    model: UnifiedSegmentor,
    metadata: Mapping[str, str],
    card: str | None = None,
) -> Path:
    """Write a folder that appears under its name when it is complete.

    Tensors whose every number float16 holds exactly are written so, the others as they are: the
    model that is read back is the same, bit for bit.

    Args:
        folder: does not exist yet, or is empty.
        model: the model.
        metadata: its ``model`` is the description as JSON; the other entries go along.
        card: text of the model card; by default one is made of what is known.

    Returns:
        The folder.

    Raises:
        ConfigError: the folder has files, or the model has no description.
    """
    folder = Path(folder).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f'{folder}: exists already. Choose another folder, or remove this one.')
    if 'model' not in metadata:
        raise ConfigError(
            'this model has no description, without which a folder could not be read again. Load '
            'it from weights that have one, or give Segmenter(model, {"model": JSON of its config})'
        )
    facts = {k: v for k, v in metadata.items() if k not in ('weights', 'format')}
    temporary = folder.with_name(f'.{folder.name}.{secrets.token_hex(4)}.tmp')
    temporary.mkdir(parents=True)
    try:
        state = {name: _smallest(value) for name, value in model.state_dict().items()}
        save_weights(temporary / WEIGHTS, state, facts)
        config = {'unison3d_version': __version__, 'model': json.loads(metadata['model'])}
        write_json(temporary / CONFIG, config)
        labels = _labels(model)
        write_json(temporary / LABELS, labels)
        with atomic_write(temporary / CARD, 'w') as file:
            file.write(card or _card(folder.name, model, facts, labels))
        _write_sums(temporary, (WEIGHTS, CONFIG, LABELS, CARD))
        # An empty folder of this name gives way.
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _smallest(value: Tensor) -> Tensor:
    half = value.half() if value.dtype == torch.float32 else value
    return half if torch.equal(half.to(value.dtype), value) else value


def _labels(model: UnifiedSegmentor) -> dict[str, Any]:
    closed_set = model.tasks['closed_set'] if 'closed_set' in model.tasks else None
    space = getattr(closed_set, 'label_space', None)
    open_task = model.tasks['open_vocabulary'] if 'open_vocabulary' in model.tasks else None
    return {
        'label_space': None if space is None else space.name,
        'classes': [] if space is None else list(space.classes),
        'vocabulary': list(getattr(open_task, 'test_vocabulary', ())),
        'synonyms': dict(getattr(open_task, 'synonyms', {})),
    }


def _card(
    name: str, model: UnifiedSegmentor, facts: Mapping[str, str], labels: dict[str, Any]
) -> str:
    numbers = sum(parameter.numel() for parameter in model.parameters())
    rows = {
        'parameters': f'{numbers:,}',
        'tasks': ', '.join(model.tasks),
        'label space': f'{labels["label_space"]} ({len(labels["classes"])} classes)',
        'voxels': f'{model.data_preprocessor.voxel_size} m',
        **{key: value for key, value in facts.items() if key != 'model' and '\n' not in value},
        'training data': 'not stated',
        'licence': 'not stated',
    }
    table = '\n'.join(f'| {key} | {value} |' for key, value in rows.items())
    return (
        f'# {name}\n\nWeights of a Unison3D model: `Segmenter.from_pretrained({name!r})`.\n\n'
        f'| | |\n| --- | --- |\n{table}\n\nSay here what it was trained on, how well it does on '
        'which data, and what it should not be used for.\n'
    )


def _write_sums(folder: Path, names: tuple[str, ...]) -> None:
    with atomic_write(folder / SUMS, 'w') as file:
        file.writelines(f'{sha256(folder / name)}  {name}\n' for name in names)


def _read_sums(path: Path) -> dict[str, str]:
    """Hashes by file name; of files in the same folder only."""
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        return {name.lstrip('*'): digest.lower() for digest, name in pairs}
    except ValueError as error:
        raise CheckpointError(
            f'{path}: not a list of hashes ({error}). Expected lines of a SHA-256 and a name.'
        ) from error


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)
