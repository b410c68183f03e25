"""The NumPy formats, honest and hostile."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from conftest import data_files

from unison3d.errors import FileFormatError
from unison3d.io import (
    read_npy,
    read_npy_array,
    read_npz,
    read_npz_arrays,
    write_npz,
    write_npz_scene,
)


def _points(n=7):
    return np.random.default_rng(1).normal(size=(n, 3)).astype(np.float32)


@pytest.mark.parametrize('names', [('points', 'colors'), ('xyz', 'rgb'), ('coord', 'color')])
def test_npz_names(tmp_path, names):
    points, colors = _points(), np.arange(21, dtype=np.uint8).reshape(7, 3)
    path = tmp_path / 'a.npz'
    np.savez(path, **dict(zip(names, (points, colors), strict=True)))
    scene = read_npz(path)
    np.testing.assert_array_equal(scene.points, points)
    np.testing.assert_array_equal(scene.colors, colors)


def test_npz_labels_extra_and_names(tmp_path):
    n = 4
    path = tmp_path / 'a.npz'
    np.savez(
        path,
        xyz=_points(n),
        nyu40=np.arange(n, dtype=np.uint8),
        instance=np.array([0, 1, 2, 0], np.uint16),
        superpoint=np.arange(n),
        superpoints=np.arange(n)[::-1],
        intensity=np.ones(n),
        clicks=np.arange(2),
        faces=np.array([[0, 1, 2]]),
        instance_names=np.array(['chair', 'table']),
    )
    scene = read_npz(path)
    np.testing.assert_array_equal(scene.nyu40_ids, range(n))
    np.testing.assert_array_equal(scene.instance_ids, [-1, 0, 1, -1])
    np.testing.assert_array_equal(scene.superpoints, [3, 2, 1, 0])
    assert scene.semantic_ids is None and set(scene.extra) == {'intensity', 'superpoint'}
    assert scene.instance_names == ('chair', 'table')


@pytest.mark.parametrize('values', [[0.5, 1.0], [np.inf, 1.0], [np.nan, 1.0], [1e300, 1.0]])
def test_labels_that_are_no_whole_numbers_are_no_labels(tmp_path, values):
    np.savez(tmp_path / 'a.npz', points=_points(2), label=values, instance=values)
    scene = read_npz(tmp_path / 'a.npz')
    assert scene.semantic_ids is None and scene.instance_ids is None
    assert set(scene.extra) == {'label', 'instance'}


@pytest.mark.parametrize('name', ['segment', 'segments', 'Superpoints', 'scalar_superpoints'])
def test_superpoints_under_a_name_that_we_do_not_write_are_an_extra(tmp_path, name):
    np.savez(tmp_path / 'a.npz', points=_points(3), **{name: np.zeros(3, int)})
    scene = read_npz(tmp_path / 'a.npz')
    assert scene.superpoints is None and set(scene.extra) == {name}


def test_organised_cloud_is_flattened(tmp_path):
    grid = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    np.savez(
        tmp_path / 'a.npz', xyz=grid, rgb=np.zeros((4, 5, 3), np.uint8), label=np.ones((4, 5), int)
    )
    scene = read_npz(tmp_path / 'a.npz')
    np.testing.assert_array_equal(scene.points, grid.reshape(-1, 3))
    assert scene.colors.shape == (20, 3) and scene.semantic_ids.shape == (20,)


@pytest.mark.parametrize('order', ['C', 'F'])
@pytest.mark.parametrize('dtype', ['<f4', '>f4', '<f8', '>i2'])
def test_npy_layouts(tmp_path, order, dtype):
    table = np.asarray(np.arange(18).reshape(3, 6), dtype=dtype, order=order)
    np.save(tmp_path / 'a.npy', table)
    scene = read_npy(tmp_path / 'a.npy')
    np.testing.assert_array_equal(scene.points, table[:, :3])
    np.testing.assert_array_equal(scene.colors, table[:, 3:])
    assert scene.points.dtype.isnative


@pytest.mark.parametrize('width', [3, 4, 5, 6, 9])
def test_npy_widths(tmp_path, width):
    np.save(tmp_path / 'a.npy', np.ones((2, width)))
    scene = read_npy(tmp_path / 'a.npy')
    assert (scene.colors is not None) == (width >= 6)
    assert len(scene.extra) == width - (6 if width >= 6 else 3)


def test_npy_named_columns(tmp_path):
    table = np.zeros(3, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('red', 'u1'), ('green', 'u1'),
                         ('blue', 'u1'), ('label', 'i4')])  # fmt: skip
    table['z'], table['label'] = [1, 2, 3], 5
    np.save(tmp_path / 'a.npy', table)
    scene = read_npy(tmp_path / 'a.npy')
    np.testing.assert_array_equal(scene.points[:, 2], [1, 2, 3])
    np.testing.assert_array_equal(scene.semantic_ids, 5)


def test_empty(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((0, 3)))
    assert read_npy(tmp_path / 'a.npy').points.shape == (0, 3)
    np.savez(tmp_path / 'a.npz', points=np.zeros(0))
    assert read_npz(tmp_path / 'a.npz').points.shape == (0, 3)


@pytest.mark.parametrize('shape', [(3,), (4, 2), (2, 2, 3), ()])
def test_npy_other_shapes_are_refused(tmp_path, shape):
    np.save(tmp_path / 'a.npy', np.zeros(shape))
    with pytest.raises(FileFormatError, match='shape'):
        read_npy(tmp_path / 'a.npy')


# -------------------------------------------------------------------------- hostile


def test_pickles_are_never_loaded(tmp_path):
    fired = []

    class Bomb:
        def __reduce__(self):
            return (fired.append, (1,))

    bomb = np.array([[Bomb(), 0, 0]], dtype=object)
    np.save(tmp_path / 'a.npy', bomb, allow_pickle=True)
    np.savez(tmp_path / 'a.npz', points=bomb)
    (tmp_path / 'b.npz').write_bytes(b'\x80\x04.')
    for path, read in (('a.npy', read_npy), ('a.npz', read_npz), ('b.npz', read_npz)):
        with pytest.raises(FileFormatError):
            read(tmp_path / path)
    assert not fired


def _npy_bytes(shape, descr="'<f4'", body=b'\0' * 24) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text + body


@pytest.mark.parametrize(
    'shape', ['(1099511627776, 3)', '(3, 3)', '(-1, 3)', '(2.0, 3)', '(True, 3)', '"ab"', '5']
)
def test_npy_promises_are_checked(tmp_path, shape):
    path = tmp_path / 'a.npy'
    path.write_bytes(_npy_bytes(shape))
    with pytest.raises(FileFormatError):
        read_npy(path)
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
        archive.writestr('points.npy', _npy_bytes(shape))
    with pytest.raises(FileFormatError):
        read_npz(tmp_path / 'a.npz')


@pytest.mark.parametrize(
    ('shape', 'descr'),
    [
        ('(1099511627776, 3)', "'|S0'"),
        ('(1099511627776, 3)', "'<U0'"),
        ('(1099511627776, 3)', '[]'),
        ('(1099511627776, 3)', "'|V0'"),
        (f'({10**22}, 0)', "'<f4'"),
        (f'({10**4000}, 0)', "'<f4'"),
        (f'({10**400}, 3)', "'<f4'"),
        (f'({2**62}, {2**62}, 0)', "'<f4'"),
        ('(0,' + '1,' * 80 + ')', "'<f4'"),
        ('(2, 3)', "'<U99999999999999999999'"),
        ('(1, 3)', "('<f4', (2,))"),
        ('(1, 3)', '5'),
        ('(1, 3)', '[1, 2]'),
    ],
)
def test_npy_types_and_extents_that_no_array_has(tmp_path, shape, descr):
    (tmp_path / 'a.npy').write_bytes(_npy_bytes(shape, descr))
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
        archive.writestr('points.npy', _npy_bytes(shape, descr))
    for path, read in (('a.npy', read_npy), ('a.npz', read_npz), ('a.npy', read_npy_array)):
        with pytest.raises(FileFormatError):
            read(tmp_path / path)


@pytest.mark.parametrize('text', [b'{', b'__import__("os")', b'\xff' * 9, b'{}', b'(' * 3000])
def test_npy_header_garbage(tmp_path, text):
    path = tmp_path / 'a.npy'
    path.write_bytes(b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text)
    with pytest.raises(FileFormatError):
        read_npy(path)


def test_every_truncation_is_a_typed_error(tmp_path):
    np.save(tmp_path / 'a.npy', _points())
    np.savez_compressed(tmp_path / 'a.npz', points=_points(), colors=_points())
    for name, read in (('a.npy', read_npy), ('a.npz', read_npz)):
        content = (tmp_path / name).read_bytes()
        for length in range(len(content)):
            (tmp_path / f'cut_{name}').write_bytes(content[:length])
            with pytest.raises(FileFormatError):
                read(tmp_path / f'cut_{name}')


def test_flipped_bytes_never_escape_as_another_error(tmp_path):
    np.savez_compressed(tmp_path / 'a.npz', points=_points(), label=np.arange(7))
    content = (tmp_path / 'a.npz').read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), 150):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        (tmp_path / 'b.npz').write_bytes(damaged)
        try:
            read_npz(tmp_path / 'b.npz')
        except FileFormatError:
            pass


def test_no_points_lists_what_is_there(tmp_path):
    np.savez(tmp_path / 'a.npz', prob=np.zeros(3))
    with pytest.raises(FileFormatError, match='holds prob'):
        read_npz(tmp_path / 'a.npz')


# -------------------------------------------------------------------------- writing


def test_scene_round_trip_in_full_precision(tmp_path):
    points = _points().astype(np.float64) + 5e6
    colors = np.random.default_rng(0).random((7, 3)).astype(np.float32)
    path = write_npz_scene(
        tmp_path / 'a.npz',
        points,
        colors=colors,
        instance_ids=np.arange(7) - 1,
        faces=None,
        instance_names=['a', 'ü'],
        axis_alignment=np.eye(4),
    )
    scene = read_npz(path)
    np.testing.assert_array_equal(scene.points, points)
    np.testing.assert_array_equal(scene.colors, colors)
    np.testing.assert_array_equal(scene.instance_ids, np.arange(7) - 1)
    assert scene.instance_names == ('a', 'ü') and scene.faces is None
    np.testing.assert_array_equal(scene.axis_alignment, np.eye(4))


def test_writing_is_repeatable_and_refuses_objects(tmp_path):
    arrays = {'a': np.arange(5), 'b': np.array(['x', 'yy'])}
    first = write_npz(tmp_path / '1.npz', arrays).read_bytes()
    assert write_npz(tmp_path / '2.npz', arrays).read_bytes() == first
    back = read_npz_arrays(tmp_path / '1.npz', names=['b', 'missing'])
    assert list(back) == ['b'] and back['b'].tolist() == ['x', 'yy']
    with pytest.raises(FileFormatError, match='objects'):
        write_npz(tmp_path / '3.npz', {'a': np.array([None])})
    with pytest.raises(FileFormatError, match='npz'):
        write_npz_scene(tmp_path / '3.txt', np.zeros((1, 3)))


@pytest.mark.parametrize('path', data_files('.', '*/points.npz'))
def test_real_files(path):
    scene = read_npz(path)
    assert len(scene) > 10_000 and np.isfinite(scene.points).all()
    assert len(scene.instance_ids) == len(scene)
