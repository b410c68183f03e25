"""A walk through the pickle of a checkpoint that makes nothing and looks at every call.

``torch.load(weights_only=True)`` calls what a checkpoint names if it is on a list of its own, which
has much that only has to be given a number, or a tensor that repeats one number a billion times, to
fill the memory: ``torch.FloatTensor(n)``, ``bytearray(n)``, ``set(tensor)``. The list here is
shorter, and says with what each may be called: it is what PyTorch 2 writes for state dicts, for the
states of optimisers, schedulers and scalers, and for those of random numbers.
"""

from __future__ import annotations

import io
import math
import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Collection
from typing import Any

__all__ = ['RefusedCall', 'Scan']

# Bytes per number of the storages that are read.
_ITEM_SIZES = {
    **dict.fromkeys(('Bool', 'Byte', 'Char', 'QUInt8', 'QInt8', 'Untyped'), 1),
    **dict.fromkeys(('QUInt4x2', 'QUInt2x4'), 1),
    **dict.fromkeys(('Short', 'Half', 'BFloat16'), 2),
    **dict.fromkeys(('Int', 'Float', 'QInt32'), 4),
    **dict.fromkeys(('Long', 'Double', 'ComplexFloat'), 8),
    'ComplexDouble': 16,
}
# A tensor may show the same number many times; beyond this many per byte of the file it is made to
# be copied.
_MAX_REPEATS = 1000


class RefusedCall(Exception):  # noqa: N818
    """Something is called that checkpoints need not call, or with what they need not hand it."""


class _StandIn:
    """In the place of whatever the file names or makes: takes everything, does nothing."""

    what = ''

    def __new__(cls, *args: Any, **options: Any) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __repr__(self) -> str:
        return f'<{self.what}>'

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    add = append


class _Storage(_StandIn):
    """Numbers in the file: ``count`` of them."""

    what = 'storage'
    count = 0


def _is_anything(args: tuple, size: int) -> bool:
    return True


def _is_nothing(args: tuple, size: int) -> bool:
    return not args


def _is_plain(args: tuple, size: int) -> bool:
    """Python's own values: nothing that has to be made for them is longer than the file."""
    return not any(isinstance(arg, _StandIn) for arg in args)


def _is_text(args: tuple, size: int) -> bool:
    """Text, or bytes, which pickles make of text."""
    return all(isinstance(a, str) or getattr(a, 'what', '') == '_codecs.encode' for a in args)


def _is_latin(args: tuple, size: int) -> bool:
    """As pickles keep bytes; other codecs double what they are given, and that again."""
    return len(args) == 2 and isinstance(args[0], str) and args[1] == 'latin1'


def _is_view(args: tuple, size: int) -> bool:
    """Storage, first number, shape and strides of a tensor: all of it in the storage."""
    storage, first, shape, strides = args[:4]
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        return False
    if not all(type(n) is int and n >= 0 for n in (first, *shape, *strides)):
        return False
    count = math.prod(shape)
    if count == 0:
        return True
    last = first + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    return last < storage.count and count <= max(storage.count, _MAX_REPEATS * size)


def _is_rebuilt(args: tuple, size: int) -> bool:
    """A tensor with attributes: how to rebuild it, and with what, which is looked at as well."""
    rebuild, _, with_what = args[:3]
    if not isinstance(rebuild, type) or not issubclass(rebuild, _StandIn):
        return False
    rebuild(*with_what)
    return True


# What may be called, and a look at what with.
_CALLS = {
    'builtins.bytearray': _is_text,
    'builtins.complex': _is_plain,
    'builtins.set': _is_plain,
    'collections.Counter': _is_plain,
    'collections.OrderedDict': _is_nothing,
    '_codecs.encode': _is_latin,
    'torch.Size': _is_plain,
    'torch.device': _is_plain,
    'torch.serialization._get_layout': _is_plain,
    'torch._utils._rebuild_tensor': _is_view,
    'torch._utils._rebuild_tensor_v2': _is_view,
    'torch._utils._rebuild_tensor_v3': _is_view,
    'torch._utils._rebuild_sparse_tensor': _is_anything,
    'torch._utils._rebuild_parameter': _is_anything,
    'torch._utils._rebuild_parameter_with_state': _is_anything,
    'torch._tensor._rebuild_from_type_v2': _is_rebuilt,
}
# What may be given a state after it is made: the metadata of a state dict.
_WITH_STATE = ('collections.OrderedDict',)


class Scan(pickle.Unpickler):
    """Rebuilds nothing.

    Args:
        file: the pickle.
        size: bytes of the checkpoint that it is in.
        skipped: names of what is not called by the reader, and may therefore be.

    Attributes:
        storages: the bytes that each storage claims, by its key.

    Raises:
        RefusedCall: by ``load()``.
    """

    def __init__(self, file: io.BytesIO, size: int, skipped: Collection[str] = ()) -> None:
        super().__init__(file)
        self.storages: dict[Any, int] = {}
        self._size = size
        self._skipped = skipped

    def find_class(self, module: str, name: str) -> type[_StandIn]:
        # Names of Python 2, which stand in files of Python 3 as well.
        if (module, name) in NAME_MAPPING:
            module, name = NAME_MAPPING[module, name]
        else:
            module = IMPORT_MAPPING.get(module, module)
        what, size = f'{module}.{name}', self._size
        if what in self._skipped:
            return _StandIn
        is_fine = _CALLS.get(what)

        class Named(_StandIn):
            def __new__(cls, *args: Any, **options: Any) -> _StandIn:
                if is_fine is None:
                    raise RefusedCall(f'it asks for {what}, which checkpoints need not call')
                if options or not is_fine(args, size):
                    raise RefusedCall(f'it asks for {what} of {str(args)[:80]}')
                return super().__new__(cls)

            def __setstate__(self, state: Any) -> None:
                if what not in _WITH_STATE:
                    raise RefusedCall(f'it changes a {what}')

        Named.what = what
        return Named

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, _, count, *_ = pid
        if type(count) is not int or count < 0:
            raise ValueError(f'storage {str(key)[:40]} has {str(count)[:40]} numbers')
        needed = count * _ITEM_SIZES[kind.what.rpartition('.')[2].removesuffix('Storage')]
        self.storages[key] = max(needed, self.storages.get(key, 0))
        storage = _Storage()
        storage.count = count
        return storage
