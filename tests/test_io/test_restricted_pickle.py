"""Pickles of plain data are read; everything else in a pickle is refused by name."""

from __future__ import annotations

import builtins
import collections
import os
import pickle
import struct

import numpy as np
import pytest
import torch

from unison3d.errors import FileFormatError
from unison3d.io.pickle_walk import END_OF_PICKLE, walk_pickle
from unison3d.io.restricted_pickle import read_pickle

ARRAYS = {
    'table': np.arange(6).reshape(2, 3),
    'columns': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    'other order': np.arange(3, dtype='>i4'),
    'half': np.arange(3, dtype=np.float16),
    'words': np.array(['abc', 'd']),
    'none': np.empty((0, 3), np.float32),
    'bools': np.array([[True, False]]),
}
PLAIN = {
    'numbers': [1, -(2**70), 2.5, True, None],
    'text': ['a', '', 'ünï', b'\x00\xff', b''],
    'boxes': ((1.0, 2.0), {'x'}, set()),
}


def written(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_back(tmp_path, protocol):
    tensors = {'turned': torch.arange(12).reshape(3, 4).t(), 'masks': torch.ones(2, 5) > 0}
    scalars = {'label': np.int64(4), 'score': np.float32(0.5), 'dtype': np.dtype('f4')}
    content = {'plain': PLAIN, 'arrays': ARRAYS, 'tensors': tensors, 'scalars': scalars}
    content['ordered'] = collections.OrderedDict(a=1)
    found = read_pickle(written(tmp_path / 'a.pkl', content, protocol))
    assert found['plain'] == PLAIN
    for name, array in ARRAYS.items():
        assert found['arrays'][name].dtype == array.dtype
        np.testing.assert_array_equal(found['arrays'][name], array, strict=True)
    found['arrays']['table'][0] = 7  # arrays of their own, that can be written to
    for name, tensor in tensors.items():
        assert found['tensors'][name].dtype == tensor.dtype
        assert torch.equal(found['tensors'][name], tensor)
    assert found['scalars'] == scalars
    assert type(found['scalars']['score']) is np.float32
    assert found['ordered'] == {'a': 1}


def test_arrays_of_numpy_1(tmp_path):
    """Published files were written before NumPy 2, which moved its functions."""
    content = {'a': ARRAYS['table'], 'label': np.int64(4)}
    data = pickle.dumps(content, protocol=2).replace(b'numpy._core', b'numpy.core')
    assert b'numpy.core.multiarray' in data and b'_core' not in data
    (tmp_path / 'a.pkl').write_bytes(data)
    found = read_pickle(tmp_path / 'a.pkl')
    np.testing.assert_array_equal(found['a'], content['a'], strict=True)
    assert found['label'] == 4


def test_arrays_are_found_wherever_they_are(tmp_path):
    content = [(np.arange(2), [{'deep': np.arange(3)}]), np.array([{'in': np.arange(4)}, 'x'])]
    content.append(content[0])
    (outer, inner), objects, again = read_pickle(written(tmp_path / 'a.pkl', content))
    assert outer.tolist() == [0, 1] and inner[0]['deep'].tolist() == [0, 1, 2]
    assert objects[0]['in'].tolist() == [0, 1, 2, 3] and objects[1] == 'x'
    assert again[0] is outer


def test_cycles_and_shared_tuples_end(tmp_path):
    cycle: list = []
    cycle.append({'self': cycle})
    shared: tuple = (np.arange(2),)
    for _ in range(200):
        shared = (shared, shared)
    found, nested = read_pickle(written(tmp_path / 'a.pkl', [cycle, shared]))
    assert found[0]['self'] is found
    while len(nested) == 2:
        nested = nested[0]
    assert nested[0].tolist() == [0, 1]


class _Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


CALLS = {
    'posix.system': _Call(os.system, 'touch /tmp/unison3d_was_here'),
    'builtins.eval': _Call(eval, '1 + 1'),
    'builtins.exec': _Call(exec, 'pass'),
    'builtins.getattr': _Call(getattr, 'a', 'upper'),
    'builtins.__import__': _Call(builtins.__import__, 'os'),
    'builtins.bytearray': _Call(bytearray, 10**12),
    'builtins.range': range(3),
    'builtins.complex': 1j,
    'torch.serialization.load': _Call(torch.load, 'x'),
    'numpy.load': _Call(np.load, 'x'),
    'datetime.date': __import__('datetime').date(2020, 1, 1),
    'torch._tensor._rebuild_from_type_v2': torch.nn.Parameter(torch.ones(1)).__reduce_ex__(2)[0],
}


@pytest.mark.parametrize('name', CALLS)
@pytest.mark.parametrize('nested', [False, True])
def test_everything_else_is_refused_by_name(tmp_path, name, nested):
    content = {'data_list': [{'a': CALLS[name]}]} if nested else CALLS[name]
    path = written(tmp_path / 'a.pkl', content)
    if name.startswith('torch'):
        with pytest.raises(FileFormatError, match='asks for torch'):
            read_pickle(path)
        return
    with pytest.raises(FileFormatError, match=f'asks for {name}'):
        read_pickle(path)


def glob(module, name):
    return f'c{module}\n{name}\n'.encode()


RECONSTRUCT = glob('numpy.core.multiarray', '_reconstruct')
NDARRAY, DTYPE = glob('numpy', 'ndarray'), glob('numpy', 'dtype')
FLOATS, BYTES = DTYPE + b"(S'f4'\ntR", DTYPE + b"(S'u1'\ntR"
HANDMADE = {
    'a global that hides as a value': b']' + DTYPE + b'a.',
    'a global as a key': b'}' + DTYPE + b'K\x01s.',
    'a state on a function': RECONSTRUCT + b"}S'x'\nK\x01sb.",
    'attributes of a function': RECONSTRUCT + b"(N}S'__defaults__'\nK\x01stb.",
    'an array of a million millions': RECONSTRUCT
    + b'('
    + NDARRAY
    + b"(K\x00tS'b'\ntR(K\x01(L1000000000000L\nt"
    + FLOATS
    + b"I00\nC\x04aaaatb.",
    'a negative shape': RECONSTRUCT
    + b'('
    + NDARRAY
    + b"(K\x00tS'b'\ntR(K\x01(I-1\nI-1\nt"
    + FLOATS
    + b"I00\nC\x04aaaatb.",
    'a structured dtype': DTYPE + b"(S'f4,i4'\ntR.",
    'another codec': glob('_codecs', 'encode') + b"(S'abc'\nS'zlib_codec'\ntR.",
    'an object elsewhere': b"S'file'\nQ.",
    'a dotted name': b"\x80\x04\x8c\x05numpy\x8c\x09core.load\x93.",
    'an instance': b'(iposix\nsystem\n.',
    'an extension': b'\x82\x01.',
}  # fmt: skip


@pytest.mark.parametrize('name', HANDMADE)
def test_handmade_pickles_are_refused(tmp_path, name):
    path = tmp_path / 'a.pkl'
    path.write_bytes(HANDMADE[name])
    with pytest.raises(FileFormatError, match=str(path)):
        read_pickle(path)


def test_functions_stay_as_they_were(tmp_path):
    for name in ('a state on a function', 'attributes of a function'):
        (tmp_path / 'a.pkl').write_bytes(HANDMADE[name])
        with pytest.raises(FileFormatError, match='a change of a function'):
            read_pickle(tmp_path / 'a.pkl')
    found = read_pickle(written(tmp_path / 'a.pkl', ARRAYS['table']))
    np.testing.assert_array_equal(found, ARRAYS['table'])


@pytest.mark.parametrize(
    'data',
    [
        b'\x80\x04' + b'N' + b'r\xff\xff\xff\xff.',  # memo of 4 thousand million places
        b'Np4294967295\n.',
        b'\x80\x04\x8e' + struct.pack('<Q', 2**62) + b'.',  # bytes
        b'\x80\x05\x96' + struct.pack('<Q', 2**40) + b'.',  # bytearray
        b'\x80\x04\x8d' + struct.pack('<Q', 2**64 - 1) + b'.',  # text
        b'\x80\x04\x95' + struct.pack('<Q', 2**50) + b'N.',  # frame
        b'X\xff\xff\xff\x7f.',
        b'\xfe.',
        b'N',
        b'',
    ],
)
def test_lying_numbers_are_found_before_reading(tmp_path, data):
    assert walk_pickle(data) in END_OF_PICKLE or data[2:3] == b'\x95'
    (tmp_path / 'a.pkl').write_bytes(data)
    with pytest.raises(FileFormatError, match='not a readable pickle'):
        read_pickle(tmp_path / 'a.pkl')


def test_storage_of_a_tensor_is_bounded_too(tmp_path):
    data = pickle.dumps({'t': torch.arange(4)}, protocol=4)
    count = data.rindex(b'K\x04N')  # of the numbers, in the pickle inside
    lie = data[:count] + b'K\xff' + data[count + 2 :]
    (tmp_path / 'a.pkl').write_bytes(lie)
    with pytest.raises(FileFormatError, match='255 numbers'):
        read_pickle(tmp_path / 'a.pkl')


def test_bytes_cannot_be_made_into_arrays_again_and_again(tmp_path):
    """A few bytes for each of many copies of a large array would fill the memory."""
    raw = pickle.dumps(bytes(10_000), protocol=4)[:-1]  # leaves the bytes in memo 0
    one = (
        RECONSTRUCT + b'(' + NDARRAY + b"(K\x00tS'b'\ntR(K\x01(I10000\nt" + BYTES + b'I00\nh\x00tb'
    )
    (tmp_path / 'a.pkl').write_bytes(raw + b'0](' + one + b'e.')
    assert read_pickle(tmp_path / 'a.pkl')[0].shape == (10_000,)
    (tmp_path / 'a.pkl').write_bytes(raw + b'0](' + one * 20 + b'e.')
    with pytest.raises(FileFormatError, match='more of its bytes than there are'):
        read_pickle(tmp_path / 'a.pkl')


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('fill', [0, 255])
def test_honest_large_arrays_are_within_the_bound(tmp_path, protocol, fill):
    content = [np.full(50_000, fill, np.uint8), torch.full((50_000,), fill, dtype=torch.uint8)]
    array, tensor = read_pickle(written(tmp_path / 'a.pkl', content, protocol))
    assert (array == fill).all() and (tensor == fill).all() and len(array) == len(tensor)


def test_truncated_anywhere(tmp_path):
    data = pickle.dumps({'p': PLAIN, 'a': ARRAYS, 't': torch.arange(4)}, protocol=4)
    path = tmp_path / 'a.pkl'
    for end in np.linspace(0, len(data) - 1, 64).astype(int):
        path.write_bytes(data[:end])
        with pytest.raises(FileFormatError):
            read_pickle(path)


def test_flipped_bytes_never_do_anything_else(tmp_path):
    data = pickle.dumps({'a': ARRAYS['table'], 'w': ARRAYS['words'], 't': torch.arange(4)}, 4)
    rng = np.random.default_rng(0)
    path = tmp_path / 'a.pkl'
    for _ in range(600):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 2):
            changed[place] = rng.integers(0, 256)
        path.write_bytes(changed)
        try:
            read_pickle(path)
        except FileFormatError:
            pass


def test_size_is_bounded(tmp_path):
    path = written(tmp_path / 'a.pkl', list(range(1000)))
    with pytest.raises(FileFormatError, match='at most 100'):
        read_pickle(path, max_bytes=100)
    with pytest.raises(FileFormatError, match='not found'):
        read_pickle(tmp_path / 'b.pkl')
