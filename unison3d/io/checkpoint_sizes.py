"""A look over a ``.pth`` file before torch reads it: what its numbers would make torch allocate.

``torch.load(weights_only=True)`` runs no code of the file and still believes its numbers: packed
records may grow a thousandfold, a storage may claim more numbers than its record holds, and a few
functions that it allows make room for as many bytes as they are told. All of that is refused here.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

from unison3d.errors import UnreadableCheckpointError
from unison3d.io.files import human_bytes, read_bytes
from unison3d.io.pickle_walk import END_OF_PICKLE, walk_pickle

__all__ = ['check_checkpoint_sizes']

# Bytes per number; other names are of storages that are not read.
_ITEM_SIZES = {
    **dict.fromkeys(('Bool', 'Byte', 'Char', 'QUInt8', 'QInt8', 'Untyped'), 1),
    **dict.fromkeys(('Short', 'Half', 'BFloat16'), 2),
    **dict.fromkeys(('Int', 'Float', 'QInt32'), 4),
    **dict.fromkeys(('Long', 'Double', 'ComplexFloat'), 8),
    'ComplexDouble': 16,
}
# Called with a number they allocate as much.
_MAKE_ROOM = ('bytearray', 'bytes', 'Tensor')
# The pickles in front of the numbers in files of before PyTorch 1.6: the third of them is of sizes
# of types, the fourth the content.
_LEGACY_PICKLES = 4
# What reading a damaged pickle can end in; torch tells the same damage in its own words.
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError),
    *(OverflowError, MemoryError, RecursionError),
)


def check_checkpoint_sizes(path: Path) -> None:
    """Raise where reading the file would take much more memory than it has bytes.

    Raises:
        UnreadableCheckpointError: as said; also for a file with damage that shows here.
    """
    try:
        with path.open('rb') as file:
            is_zip = file.read(4) == b'PK\x03\x04'  # as torch decides
        (_check_archive if is_zip else _check_legacy)(path)
    except (zipfile.BadZipFile, NotImplementedError, OSError, *_DAMAGE) as error:
        raise UnreadableCheckpointError(
            f'{path}: not a complete checkpoint ({error}). Copy it again, or resume from an '
            'earlier one.'
        ) from error


def _check_archive(path: Path) -> None:
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
        scan = _scan(archive.read(contents[0]), path)[0]
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
        scan, end = _scan(data, path, end)
        needed += sum(scan.storages.values())
    if needed > len(data):
        raise _refused(path, f'its storages claim {human_bytes(needed)} out of {len(data):,}')


def _refused(path: Path, why: str) -> UnreadableCheckpointError:
    return UnreadableCheckpointError(
        f'{path}: {why}. It is damaged, or made to fill the memory; get it again from where it '
        'came from, or save it once more with torch.save.'
    )


def _scan(data: bytes, path: Path, start: int = 0) -> tuple[_Scan, int]:
    end = walk_pickle(data, start)
    if end in END_OF_PICKLE:
        raise ValueError(END_OF_PICKLE[end])
    scan = _Scan(io.BytesIO(data[start:end]), path)
    scan.load()
    return scan, end


class _StandIn:
    """In the place of whatever the file names: takes everything, does nothing."""

    def __new__(cls, *args: Any, **options: Any) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    add = append


class _Scan(pickle.Unpickler):
    """Rebuilds nothing: ``storages`` are the bytes that each storage claims, by its key."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file)
        self.storages: dict[Any, int] = {}
        self._path = path

    def find_class(self, module: str, name: str) -> type[_StandIn]:
        path = self._path

        class Named(_StandIn):
            storage = name.removesuffix('Storage')

            def __new__(cls, *args: Any, **options: Any) -> _StandIn:
                if name in _MAKE_ROOM and any(isinstance(arg, int) for arg in args):
                    raise _refused(path, f'it asks for {module}.{name} of {str(args)[:40]}')
                return super().__new__(cls)

        return Named

    def persistent_load(self, pid: Any) -> _StandIn:
        _, storage, key, _, count, *_ = pid
        needed = count * _ITEM_SIZES.get(getattr(storage, 'storage', ''), 1)
        self.storages[key] = max(needed, self.storages.get(key, 0))
        return _StandIn()
