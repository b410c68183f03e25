"""Pickles of plain data, read without running anything that is in them.

Published dataset infos are pickles. A pickle may call any function of any module, so the standard
reader must never see a file from elsewhere. This one rebuilds dictionaries, lists, tuples, sets,
strings, numbers, NumPy arrays, numbers and dtypes, and torch tensors, and refuses everything else
by name. Arrays and tensors are made here from their bytes; neither NumPy's nor torch's own
rebuilding functions are called. What is allocated is bounded by the size of the file, also where
it names the same bytes again and again.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import re
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import check_file, human_bytes, read_bytes
from unison3d.io.pickle_walk import END_OF_PICKLE, walk_pickle

__all__ = ['MAX_PICKLE_BYTES', 'read_pickle']

#: Files above this are refused; the largest published infos are well below.
MAX_PICKLE_BYTES = 4 * 2**30

# What the standard reader raises for a stream that makes no sense.
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError),
    *(OverflowError, MemoryError, RecursionError, ImportError),
)
_DTYPE_CODE = re.compile(r'[<>|=]?([biufcmM?SU])(\d{0,9})(\[[A-Za-z0-9]{1,8}\])?')
# Bytes that may still be made into values; set for every file.
_ALLOWANCE: ContextVar[list[int]] = ContextVar('allowance')
# Of the file that torch writes for a storage inside of a pickle.
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_VERSION = 1001
_STORAGE_TYPES = {
    'BoolStorage': np.bool_,
    'ByteStorage': np.uint8,
    'CharStorage': np.int8,
    'ShortStorage': np.int16,
    'IntStorage': np.int32,
    'LongStorage': np.int64,
    'HalfStorage': np.float16,
    'FloatStorage': np.float32,
    'DoubleStorage': np.float64,
}


def read_pickle(path: str | os.PathLike[str], *, max_bytes: int = MAX_PICKLE_BYTES) -> Any:
    """The content of a pickle of plain data.

    Args:
        path: the file.
        max_bytes: larger files are refused.

    Returns:
        Dictionaries, lists, tuples, sets, strings, bytes, numbers, NumPy arrays and torch tensors.

    Raises:
        FileFormatError: missing, too large, damaged, or it asks for something else; the name of
            that is in the message.
    """
    path = Path(path)
    size = check_file(path).stat().st_size
    if size > max_bytes:
        raise FileFormatError(
            f'{path}: holds {human_bytes(size)}, expected at most {max_bytes:,} for a pickle.'
        )
    data = read_bytes(path)
    end = walk_pickle(data)
    if end in END_OF_PICKLE:
        raise FileFormatError(
            f'{path}: is not a readable pickle: {END_OF_PICKLE[end]} ({len(data):,} bytes).'
        )
    # Older protocols hold bytes as text: they are spent as bytes and again as an array.
    _ALLOWANCE.set([3 * len(data)])
    try:
        return _Settler().settle(_Reader(io.BytesIO(data)).load())
    except _Refused as refused:
        raise FileFormatError(
            f'{path}: refused, because it asks for {refused}. Only dictionaries, lists, strings, '
            'numbers, NumPy arrays and torch tensors are read from a pickle; whatever else it does '
            'may be harmful. Get the file from its authors again, or convert it to JSON where you '
            'trust it.'
        ) from refused
    except _DAMAGE as error:
        raise FileFormatError(
            f'{path}: is not a readable pickle ({type(error).__name__}: {error}). It is damaged, '
            'or no pickle at all.'
        ) from error


def _spend(count: int) -> None:
    left = _ALLOWANCE.get()
    left[0] -= count
    if left[0] < 0:
        raise ValueError('it makes more of its bytes than there are')


class _Refused(Exception):
    """The pickle asks for something that is not plain data."""


class _Maker:
    """Stands for a function that the pickle calls. Nothing can be set on it."""

    __slots__ = ('_make',)

    def __init__(self, make: Any) -> None:
        object.__setattr__(self, '_make', make)

    def __call__(self, *args: Any) -> Any:
        return self._make(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise _Refused('a change of a function')

    def __setstate__(self, state: Any) -> None:
        raise _Refused('a change of a function')


class _Dtype:
    """A dtype on its way; the pickle tells the byte order after it was made."""

    __slots__ = ('value',)

    def __init__(self, code: Any, *_: Any) -> None:
        code = code.decode('ascii') if isinstance(code, bytes) else code
        if code in ('O', 'O8', '|O'):
            self.value = np.dtype(object)
            return
        match = _DTYPE_CODE.fullmatch(code) if isinstance(code, str) else None
        if match is None:
            raise _Refused(f'the dtype {code!r}')
        self.value = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, subarray, names, fields, ...): only the order is plain.
        if state[2] is not None or state[3] is not None or state[4] is not None:
            raise _Refused('a structured dtype')
        if state[1] in ('<', '>') and not self.value.hasobject:
            self.value = self.value.newbyteorder(state[1])


class _Array:
    """An array on its way: first made empty, then given its state."""

    __slots__ = ('value',)

    def __init__(self) -> None:
        self.value: Any = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if dtype.value.hasobject:
            if not isinstance(content, list) or math.prod(shape) != len(content):
                raise ValueError('the list of an array does not fit its shape')
            _spend(len(content))
            self.value = np.empty(len(content), object)
            self.value[:] = content
            self.value = self.value.reshape(shape, order='F' if fortran else 'C')
        else:
            self.value = _array(content, dtype, shape, 'F' if fortran else 'C')


def _array(content: Any, dtype: _Dtype, shape: Any, order: str = 'C') -> np.ndarray:
    if dtype.value.hasobject or not isinstance(content, (bytes, bytearray)):
        raise ValueError('an array without its bytes')
    if any(side < 0 for side in shape):
        raise ValueError(f'an array of shape {shape}')
    count = math.prod(shape)
    if count * dtype.value.itemsize != len(content):
        raise ValueError(f'{len(content)} bytes for an array of shape {shape} of {dtype.value}')
    if count == 0:
        return np.empty(shape, dtype.value)
    _spend(len(content))
    # Copied, so that the array may be written to.
    return np.frombuffer(content, dtype.value, count).copy().reshape(shape, order=order)


def _scalar(dtype: _Dtype, content: bytes) -> Any:
    return _array(content, dtype, (1,))[0]


def _empty_array(kind: Any, *_: Any) -> _Array:
    if kind is not _NDARRAY:
        raise _Refused('an array of a class of its own')
    return _Array()


def _encode(text: str, encoding: str = '') -> bytes:
    # Older protocols write bytes as text. No other codec is needed, and some are dangerous.
    if encoding != 'latin1':
        raise _Refused(f'the codec {encoding!r}')
    _spend(len(text))
    return text.encode('latin1')


def _no_bytes() -> bytes:
    return b''


def _set(items: list) -> set:
    if not isinstance(items, list):
        raise _Refused('a set of other things than strings and numbers')
    _spend(len(items))
    return set(items)


def _plain_dict(pairs: Any = ()) -> dict:
    _spend(len(pairs))
    return dict(pairs)


def _storage(data: bytes) -> np.ndarray:
    """The numbers of a tensor from the five pickles and the raw bytes that torch wrote."""
    _spend(len(data))
    stream, parts, end = io.BytesIO(data), [], 0
    for _ in range(5):
        end = walk_pickle(data, end)
        if end in END_OF_PICKLE:
            raise ValueError(f'a tensor whose storage is damaged: {END_OF_PICKLE[end]}')
        parts.append(_StorageReader(stream).load())
        stream.seek(end)
    magic, version, _, storage, keys = parts
    if magic != _TORCH_MAGIC or version != _TORCH_VERSION:
        raise ValueError('a tensor in a form that is not known')
    dtype, key, count = storage
    if keys != [key]:
        raise ValueError('a tensor whose numbers are not where it says')
    rest = data[end:]
    if len(rest) != 8 + count * dtype.itemsize or int.from_bytes(rest[:8], 'little') != count:
        raise ValueError(f'{len(rest) - 8} bytes for {count} numbers of a tensor')
    return np.frombuffer(rest, dtype, count, offset=8).copy()


def _tensor(numbers: np.ndarray, offset: int, shape: Any, strides: Any, *_: Any) -> Any:
    import torch

    shape, strides = tuple(shape), tuple(strides)
    if offset < 0 or min((*shape, *strides), default=0) < 0 or len(shape) != len(strides):
        raise ValueError(f'a tensor of shape {shape} and strides {strides}')
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
    if math.prod(shape) > len(numbers) or (math.prod(shape) and last >= len(numbers)):
        raise ValueError(f'a tensor of shape {shape} over {len(numbers)} numbers')
    return torch.from_numpy(numbers).as_strided(shape, strides, offset)


_NDARRAY = _Maker(lambda *_: _Array())
_ARRAY_MODULES = ('numpy.core.multiarray', 'numpy._core.multiarray')
_BUILTINS = ('__builtin__', 'builtins')
_MAKERS = {
    **{(module, '_reconstruct'): _Maker(_empty_array) for module in _ARRAY_MODULES},
    **{(module, 'scalar'): _Maker(_scalar) for module in _ARRAY_MODULES},
    ('numpy.core.numeric', '_frombuffer'): _Maker(_array),
    ('numpy._core.numeric', '_frombuffer'): _Maker(_array),
    ('numpy', 'ndarray'): _NDARRAY,
    ('numpy', 'dtype'): _Maker(_Dtype),
    ('_codecs', 'encode'): _Maker(_encode),
    **{(module, 'bytes'): _Maker(_no_bytes) for module in _BUILTINS},
    **{(module, 'set'): _Maker(_set) for module in _BUILTINS},
    ('collections', 'OrderedDict'): _Maker(_plain_dict),
    ('torch._utils', '_rebuild_tensor_v2'): _Maker(_tensor),
    ('torch.storage', '_load_from_bytes'): _Maker(_storage),
}


class _Reader(pickle.Unpickler):
    """Knows the makers above and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        maker = _MAKERS.get((module, name))
        if maker is None:
            raise _Refused(f'{module}.{name}')
        return maker

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused('an object outside of the file')


class _StorageReader(pickle.Unpickler):
    """Of the pickles in the storage of a tensor: plain values, and where the numbers are."""

    def find_class(self, module: str, name: str) -> Any:
        if module == 'torch' and name in _STORAGE_TYPES:
            return np.dtype(_STORAGE_TYPES[name])
        raise _Refused(f'{module}.{name}')

    def persistent_load(self, pid: Any) -> Any:
        what, dtype, key, _, count, _ = pid
        if what != 'storage' or not isinstance(dtype, np.dtype) or not isinstance(count, int):
            raise _Refused('an object outside of the file')
        return dtype, key, count


class _Settler:
    """Puts arrays in the place of what stood for them, in every container."""

    def __init__(self) -> None:
        self._todo: list[Any] = []
        # Shared and cyclic containers are visited once. Originals are kept, so that no number is
        # given to another object.
        self._done: dict[int, tuple[Any, Any]] = {}

    def settle(self, value: Any) -> Any:
        """``value``, changed in place where it is a container that can be changed."""
        settled = self._one(value)
        while self._todo:
            box = self._todo.pop()
            for key, item in list(box.items()) if isinstance(box, dict) else list(enumerate(box)):
                if isinstance(key, _STAND_INS):
                    raise _Refused('a function or an array as a key')
                box[key] = self._one(item)
        return settled

    def _one(self, item: Any) -> Any:
        if isinstance(item, (str, bytes, int, float, type(None))):
            return item
        if id(item) not in self._done:
            self._done[id(item)] = item, item
            self._done[id(item)] = item, self._open(item)
        return self._done[id(item)][1]

    def _open(self, item: Any) -> Any:
        if isinstance(item, _Maker):
            raise _Refused('a function as a value')
        if isinstance(item, (_Array, _Dtype)):
            value = item.value
            if isinstance(value, np.ndarray) and value.dtype == object:
                self._todo.append(value.reshape(-1))  # a view: what is put there is in the array
            return value
        if isinstance(item, tuple):
            return tuple(self._one(part) for part in item)
        if isinstance(item, (set, frozenset)):
            if any(isinstance(part, (*_STAND_INS, tuple)) for part in item):
                raise _Refused('a set of other things than strings and numbers')
        elif isinstance(item, (dict, list)):
            self._todo.append(item)
        return item


_STAND_INS = (_Array, _Dtype, _Maker)
