"""The NumPy formats, read without pickle and with every promised size checked first."""

from __future__ import annotations

import ast
import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write
from unison3d.io.field_names import pick, take_labels
from unison3d.io.files import check_file, human_bytes
from unison3d.io.raw_scene import RawScene

__all__ = [
    'read_npy',
    'read_npy_array',
    'read_npz',
    'read_npz_arrays',
    'write_npz',
    'write_npz_scene',
]

_MAX_HEADER = 1 << 16
#: Deflate cannot do better than this, so a larger claim is a lie.
_MAX_RATIO = 1100

#: What evaluating a damaged header can end in; literals only, so nothing else can happen.
_HEADER_ERRORS = (
    *(ValueError, SyntaxError, KeyError, TypeError, IndexError, MemoryError, RecursionError),
    *(AttributeError, OverflowError),
)
#: What reading a damaged archive can end in, from the table of contents to each compression.
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError, KeyError, IndexError),
)

_POINTS = ('points', 'xyz', 'coord', 'coords', 'coordinates', 'vertices', 'positions', 'pos',
           'means3d')  # fmt: skip
_COLORS = ('colors', 'color', 'rgb', 'colours', 'colour')
_NORMALS = ('normals', 'normal')
_FACES = ('faces', 'triangles')
_ALIGNMENT = ('axis_alignment', 'axis_align_matrix')
#: Under these names nothing else is meant, so they have to fit.
_OWN_LABELS = {'superpoints', 'semantic_ids', 'instance_ids', 'part_ids'}


def read_npy(path: str | os.PathLike[str]) -> RawScene:
    """Read points from a ``.npy`` file.

    (N, 3) is x, y, z; (N, 6) and wider is x, y, z, red, green, blue and further columns, kept in
    ``extra``; (N, 4) and (N, 5) are x, y, z and further columns. Named columns work as in PLY.

    Raises:
        FileFormatError: missing, damaged, pickled, truncated, or another shape.
    """
    path = Path(path)
    array = read_npy_array(path)
    if array.dtype.names:
        arrays = {name: array[name].reshape(-1) for name in array.dtype.names}
        if not {'x', 'y', 'z'} <= arrays.keys():
            raise FileFormatError(f'{path}: columns {", ".join(arrays)[:200]}, expected x, y, z.')
        arrays['points'] = np.stack([arrays.pop(axis) for axis in 'xyz'], axis=1)
        if {'red', 'green', 'blue'} <= arrays.keys():
            rgb = [arrays.pop(name) for name in ('red', 'green', 'blue')]
            arrays['colors'] = np.stack(rgb, axis=1)
        return _from_arrays(arrays, path)
    if array.ndim != 2 or array.shape[1] < 3 or array.dtype.kind not in 'iuf':
        raise FileFormatError(
            f'{path}: shape {array.shape} and type {array.dtype}, expected numbers of shape (N, 3) '
            '(x, y, z) or (N, 6) (x, y, z, red, green, blue).'
        )
    first = 6 if array.shape[1] >= 6 else 3
    extra = {f'column_{i}': array[:, i] for i in range(first, array.shape[1])}
    return RawScene(array[:, :3], array[:, 3:6] if first == 6 else None, extra=extra)


def read_npy_array(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of a ``.npy`` file of any shape, never unpickled.

    Raises:
        FileFormatError: missing, damaged, pickled or truncated.
    """
    path = check_file(path)
    try:
        with path.open('rb') as file:
            return _read_array(file, path.stat().st_size, str(path))
    except OSError as error:
        raise FileFormatError(f'{path}: cannot be read ({error.strerror or error}).') from error


def read_npz(path: str | os.PathLike[str]) -> RawScene:
    """Read a scene from a ``.npz`` file.

    Arrays are found by name: points (also xyz, coord, ...), colors (rgb, ...), normals, faces,
    semantic..., instance..., see :mod:`unison3d.io.field_names`, and exactly superpoints.
    Organised clouds (H, W, 3) are flattened. Other arrays with one row per point are kept in
    ``extra``.

    Raises:
        FileFormatError: missing, damaged, pickled, truncated, or no points in it.
    """
    return _from_arrays(read_npz_arrays(path), Path(path))


def _from_arrays(arrays: dict[str, np.ndarray], path: Path) -> RawScene:
    arrays = dict(arrays)

    def take(names: Sequence[str]) -> np.ndarray | None:
        name = pick(arrays, names)
        return None if name is None else arrays.pop(name)

    points = take(_POINTS)
    if points is None:
        raise FileFormatError(
            f'{path}: holds {", ".join(arrays)[:200] or "nothing"}; expected an array called '
            'points (or xyz, coord).'
        )
    colors, normals, faces, alignment = map(take, (_COLORS, _NORMALS, _FACES, _ALIGNMENT))
    names = take(('instance_names',))
    grid = points.shape[:-1]
    if points.ndim == 1 and not points.size:
        points, grid = points.reshape(0, 3), (0,)
    if points.ndim not in (2, 3) or points.shape[-1] < 3 or points.dtype.kind not in 'iuf':
        raise FileFormatError(
            f'{path}: points have shape {points.shape} and type {points.dtype}, expected (N, 3).'
        )
    if colors is None and points.shape[-1] == 6:
        colors = points[..., 3:]
    count = math.prod(grid)
    per_point = {
        name: array.reshape(count)
        for name, array in arrays.items()
        if array.shape in (grid, (count,), (count, 1)) and array.dtype.kind in 'iufb'
    }
    for name in sorted(_OWN_LABELS & (arrays.keys() - per_point.keys())):
        raise FileFormatError(
            f'{path}: {name} has shape {arrays[name].shape} and type {arrays[name].dtype}, '
            f'expected a number for each of {count:,} points. It is of another scan, or damaged.'
        )
    labels, used = take_labels(per_point, superpoints='superpoints')
    return RawScene(
        points[..., :3].reshape(count, 3),
        _flat(colors, len(grid)),
        _flat(normals, len(grid)),
        None if faces is None or faces.ndim == 0 else faces,
        instance_names=None if names is None else tuple(str(n) for n in names.reshape(-1)),
        axis_alignment=alignment if _is_alignment(alignment) else None,
        extra={name: array for name, array in per_point.items() if name not in used},
        **labels,
    )


def _is_alignment(matrix: np.ndarray | None) -> bool:
    if matrix is None or matrix.shape != (4, 4) or matrix.dtype.kind not in 'iuf':
        return False
    return bool(np.isfinite(matrix).all())


def _flat(array: np.ndarray | None, dims: int) -> np.ndarray | None:
    if array is None or array.ndim == 0:
        return None
    return array.reshape(-1, array.shape[-1]) if dims == 2 and array.ndim == 3 else array


def read_npz_arrays(
    path: str | os.PathLike[str], names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file, never unpickled.

    Args:
        path: the file.
        names: read only these; those that are missing are left out. All by default.

    Raises:
        FileFormatError: missing, not a zip file, pickled content, or a member whose promised size
            does not fit its data.
    """
    path = check_file(path)
    wanted = None if names is None else set(names)
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(members, path)
            for info in members:
                name = info.filename.removesuffix('.npy')
                if wanted is not None and name not in wanted:
                    continue
                where = f'{path}, array "{name[:80]}"'
                if info.file_size > _MAX_RATIO * info.compress_size + 1024:
                    raise FileFormatError(
                        f'{where}: claims {human_bytes(info.file_size)} out of '
                        f'{human_bytes(info.compress_size)}, more than compression can do.'
                    )
                with archive.open(info) as file:
                    arrays[name] = _read_array(file, info.file_size, where)
    except _ZIP_ERRORS as error:
        raise FileFormatError(
            f'{path}: not a readable .npz file ({str(error)[:200]}). It is truncated or damaged; '
            'copy or export it again.'
        ) from error
    return arrays


def _check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse members that share a name, or the bytes of the file: a few would become very many."""
    if len({info.filename for info in members}) < len(members):
        raise FileFormatError(f'{path}: two arrays have one name. It is damaged; export it again.')
    packed = sum(info.compress_size for info in members)
    if packed > path.stat().st_size:
        raise FileFormatError(
            f'{path}: its {len(members):,} arrays claim {human_bytes(packed)} of a file of '
            f'{human_bytes(path.stat().st_size)}. It is damaged; copy or export it again.'
        )


def _read_array(file: IO[bytes], size: int, where: str) -> np.ndarray:
    """One array in NumPy's format. ``size`` is how many bytes there are, header included."""
    dtype, fortran, shape, used = _read_array_header(file, where)
    if dtype.hasobject:
        raise FileFormatError(
            f'{where}: holds pickled Python objects, which are not read because they can run code. '
            'Save plain numeric arrays.'
        )
    if dtype.itemsize == 0:
        raise FileFormatError(
            f'{where}: values of type {dtype} take no bytes, so their number cannot be checked. '
            'NumPy writes no such file; it is damaged.'
        )
    needed = math.prod(shape) * dtype.itemsize
    if needed > size - used:
        raise FileFormatError(
            f'{where}: the header promises shape {shape} of {dtype}, {human_bytes(needed)}; there '
            f'are {human_bytes(max(size - used, 0))}. It is truncated or its header is wrong.'
        )
    data = file.read(needed)
    if len(data) < needed:
        raise FileFormatError(
            f'{where}: ends after {human_bytes(len(data))} of {human_bytes(needed)}. It is '
            'truncated; copy or export it again.'
        )
    array = np.frombuffer(bytearray(data), dtype) if needed else np.zeros(math.prod(shape), dtype)
    try:
        array = array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
    except (ValueError, OverflowError) as error:
        # An array without bytes may still name extents whose product is out of range.
        raise FileFormatError(
            f'{where}: the header promises shape {shape}, which no array can have ({error}). It '
            'is damaged.'
        ) from error
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder('='))


def _read_array_header(file: IO[bytes], where: str) -> tuple[np.dtype, bool, tuple[int, ...], int]:
    magic = file.read(8)
    if magic[:6] != b'\x93NUMPY' or len(magic) < 8:
        raise FileFormatError(f'{where}: begins with {magic[:6]!r}, not a NumPy array.')
    code = '<I' if magic[6] >= 2 else '<H'
    length_bytes = file.read(struct.calcsize(code))
    # A header without its length is as unreadable as one that is far too long.
    length = _MAX_HEADER + 1
    if len(length_bytes) == struct.calcsize(code):
        (length,) = struct.unpack(code, length_bytes)
    text = file.read(length) if length <= _MAX_HEADER else b''
    try:
        header = ast.literal_eval(text.decode('utf-8' if magic[6] >= 3 else 'latin1').strip())
        dtype = np.lib.format.descr_to_dtype(header['descr'])
        fortran, shape = bool(header['fortran_order']), tuple(header['shape'])
        # NumPy knows 64 axes; without a bound a short header can name numbers of any length.
        if len(shape) > 64 or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
            raise ValueError(f'shape {str(shape)[:80]}')
    except _HEADER_ERRORS as error:
        raise FileFormatError(
            f'{where}: its NumPy header is not understood ({error}). It is damaged.'
        ) from error
    return dtype, fortran, shape, 8 + len(length_bytes) + len(text)


def write_npz(path: str | os.PathLike[str], arrays: dict[str, np.ndarray]) -> Path:
    """Write arrays to a compressed ``.npz``, atomically; refuses anything that needs pickle."""
    path = Path(path)
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise FileFormatError(f'{path}: array "{name}" holds Python objects, not numbers.')
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)
    return path


def write_npz_scene(
    path: str | os.PathLike[str],
    points: np.ndarray,
    *,
    instance_names: Sequence[str] | None = None,
    axis_alignment: np.ndarray | None = None,
    **arrays: np.ndarray | None,
) -> Path:
    """Write a scene as ``.npz`` in full precision; :func:`read_npz` gives it back.

    Args:
        path: the file, ending in ``.npz``.
        points: (N, 3).
        instance_names: name of instance id i at place i.
        axis_alignment: (4, 4).
        arrays: further fields of a raw scene by name; None is left out.

    Raises:
        FileFormatError: the path does not end in ``.npz``.
    """
    path = Path(path)
    if path.suffix.lower() != '.npz':
        raise FileFormatError(f'{path}: scenes are written as .ply or .npz, not "{path.suffix}".')
    content = {'points': np.asarray(points)}
    content |= {name: np.asarray(a) for name, a in arrays.items() if a is not None}
    if instance_names is not None:
        content['instance_names'] = np.array([str(n) for n in instance_names], dtype=np.str_)
    if axis_alignment is not None:
        content['axis_alignment'] = np.asarray(axis_alignment, dtype=np.float64)
    return write_npz(path, content)
