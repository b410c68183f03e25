"""A look over a ``.pth`` file before torch reads it: what its numbers would make torch allocate.

``torch.load(weights_only=True)`` runs no code of the file and still believes its numbers: packed
records may grow a thousandfold, a storage may claim more numbers than its record holds, and many
functions that it allows make room for as many bytes as they are told. All of that is refused here;
of functions, all but the few in :mod:`unison3d.io.checkpoint_calls` that checkpoints are made of.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path

from unison3d.errors import UnreadableCheckpointError
from unison3d.io.checkpoint_calls import RefusedCall, Scan
from unison3d.io.files import human_bytes, read_bytes
from unison3d.io.pickle_walk import END_OF_PICKLE, walk_pickle

__all__ = ['check_checkpoint_sizes']

# The pickles in front of the numbers in files of before PyTorch 1.6: the third of them is of sizes
# of types, the fourth the content.
_LEGACY_PICKLES = 4
# What reading a damaged pickle can end in; torch tells the same damage in its own words.
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError),
    *(OverflowError, MemoryError, RecursionError),
)


def check_checkpoint_sizes(path: Path, skipped: Callable[[], Collection[str]] = tuple) -> None:
    """Raise where reading the file would take much more memory than it has bytes.

    Args:
        path: the ``.pth`` file.
        skipped: gives what the file names, as ``'module.name'``, and the reader replaces by
            something that does nothing. Asked when the records are known to be no larger than
            they should be.

    Raises:
        UnreadableCheckpointError: as said; also for a file with damage that shows here.
    """
    try:
        with path.open('rb') as file:
            is_zip = file.read(4) == b'PK\x03\x04'  # as torch decides
        if is_zip:
            _check_archive(path, skipped)
        else:
            _check_legacy(path)
    except RefusedCall as call:
        raise UnreadableCheckpointError(
            f'{path}: {call}. It is damaged, made to fill the memory, or holds Python objects '
            'besides tensors, which could run code. Save its tensors alone: torch.save('
            "{'state_dict': model.state_dict()}, path). If you trust whoever made "
            'it, train and test read it with --trust.'
        ) from call
    except (zipfile.BadZipFile, NotImplementedError, OSError, *_DAMAGE) as error:
        raise UnreadableCheckpointError(
            f'{path}: not a complete checkpoint ({error}). Copy it again, or resume from an '
            'earlier one.'
        ) from error


def _check_archive(path: Path, skipped: Callable[[], Collection[str]]) -> None:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        packed = next((r for r in records if _is_packed(r)), None)
        if packed is not None:
            raise _refused(path, f'its record {packed.filename[:60]} is packed, and torch packs '
                           'none')  # fmt: skip
        sizes = {record.filename: record.file_size for record in records}
        if len(sizes) < len(records) or sum(sizes.values()) > size:
            raise _refused(path, f'its {len(records):,} records claim '
                           f'{human_bytes(sum(r.file_size for r in records))} out of {size:,}, or '
                           'have the same name')  # fmt: skip
        contents = [name for name in sizes if name.endswith('/data.pkl')]
        if len(contents) != 1:
            raise _refused(path, f'it has {len(contents)} records data.pkl, expected one')
        folder = contents[0].removesuffix('data.pkl')
        scan = _scan(archive.read(contents[0]), size, skipped())[0]
    for key, needed in scan.storages.items():
        there = sizes.get(f'{folder}data/{key}', 0)
        if needed > there:
            raise _refused(path, f'storage {str(key)[:40]} claims {human_bytes(needed)}, its '
                           f'record has {there:,}')  # fmt: skip


def _is_packed(record: zipfile.ZipInfo) -> bool:
    return record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size


def _check_legacy(path: Path) -> None:
    data, end, needed = read_bytes(path), 0, 0
    for _ in range(_LEGACY_PICKLES):
        scan, end = _scan(data, len(data), (), end)
        needed += sum(scan.storages.values())
    if needed > len(data):
        raise _refused(path, f'its storages claim {human_bytes(needed)} out of {len(data):,}')


def _refused(path: Path, why: str) -> UnreadableCheckpointError:
    return UnreadableCheckpointError(
        f'{path}: {why}. It is damaged, or made to fill the memory; get it again from where it '
        'came from, or save it once more with torch.save.'
    )


def _scan(data: bytes, size: int, skipped: Collection[str], start: int = 0) -> tuple[Scan, int]:
    end = walk_pickle(data, start)
    if end in END_OF_PICKLE:
        raise ValueError(END_OF_PICKLE[end])
    scan = Scan(io.BytesIO(data[start:end]), size, skipped)
    scan.load()
    return scan, end
