"""Write, read, and get the same; whatever the arrays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unison3d.io import read_npz, read_ply, write_npz_scene, write_ply
from unison3d.structures.point_scene import PointScene

_IDS = st.integers(-(2**31), 2**31 - 1)


@st.composite
def arrays(draw):
    """Arrays of a raw scene, every optional one there or not, 0 to 12 points."""
    n = draw(st.integers(0, 12))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    finite = {'allow_nan': False, 'allow_infinity': False, 'width': 32}
    fields = {'points': draw(hnp.arrays(kind, (n, 3), elements=st.floats(**finite)))}
    if draw(st.booleans()):
        fields['colors'] = draw(hnp.arrays(np.uint8, (n, 3)))
    if draw(st.booleans()):
        unit = st.floats(-1, 1, **finite)
        fields['normals'] = draw(hnp.arrays(np.float32, (n, 3), elements=unit))
    for name in ('superpoints', 'semantic_ids', 'instance_ids', 'part_ids'):
        if draw(st.booleans()):
            fields[name] = draw(hnp.arrays(np.int64, n, elements=_IDS))
    if n and draw(st.booleans()):
        f = draw(st.integers(0, 8))
        fields['faces'] = draw(hnp.arrays(np.int64, (f, 3), elements=st.integers(0, n - 1)))
    if draw(st.booleans()):
        names = draw(st.lists(st.text(max_size=8), min_size=1, max_size=4))
        # NumPy's fixed-width text cannot end in NUL.
        fields['instance_names'] = tuple(name.replace('\0', '') for name in names)
    return fields


def _assert_same(scene, fields):
    for name in ('points', 'colors', 'normals', 'superpoints', 'semantic_ids', 'instance_ids',
                 'part_ids', 'faces'):  # fmt: skip
        written, read = fields.get(name), getattr(scene, name)
        assert (written is None) == (read is None), name
        if written is not None:
            np.testing.assert_array_equal(read, written, err_msg=name)
    assert scene.points.dtype == fields['points'].dtype
    assert scene.instance_names == fields.get('instance_names')
    assert scene.extra == {}


@settings(max_examples=60, deadline=None)
@given(arrays())
def test_ply_write_then_read_is_identity(fields):
    with tempfile.TemporaryDirectory() as folder:
        _assert_same(read_ply(write_ply(Path(folder) / 'a.ply', **fields)), fields)


@settings(max_examples=60, deadline=None)
@given(arrays())
def test_npz_write_then_read_is_identity(fields):
    with tempfile.TemporaryDirectory() as folder:
        _assert_same(read_npz(write_npz_scene(Path(folder) / 'a.npz', **fields)), fields)


@st.composite
def scenes(draw):
    """Small legal scenes."""
    n = draw(st.integers(1, 10))
    near = st.floats(-50, 50, width=32)
    return PointScene.from_arrays(
        draw(hnp.arrays(np.float32, (n, 3), elements=near)),
        draw(hnp.arrays(np.uint8, (n, 3))),
        faces=draw(hnp.arrays(np.int64, (4, 3), elements=st.integers(0, n - 1))),
        superpoints=draw(hnp.arrays(np.int64, n, elements=st.integers(0, 4))),
        instance_ids=draw(hnp.arrays(np.int64, n, elements=st.integers(-1, 3))),
    )


@settings(max_examples=60, deadline=None)
@given(scenes(), st.data())
def test_permuting_points_and_back_is_identity(scene, data):
    order = np.array(data.draw(st.permutations(range(len(scene)))))
    back = scene.select(order).select(np.argsort(order))
    for name in ('points', 'colors', 'faces', 'superpoints', 'instance_ids'):
        np.testing.assert_array_equal(getattr(back, name), getattr(scene, name), err_msg=name)


@settings(max_examples=60, deadline=None)
@given(scenes(), st.data())
def test_permutation_commutes_with_saving(scene, data):
    order = np.array(data.draw(st.permutations(range(len(scene)))))
    with tempfile.TemporaryDirectory() as folder:
        saved = PointScene.from_file(scene.save(Path(folder) / 'a.ply')).select(order)
        other = PointScene.from_file(scene.select(order).save(Path(folder) / 'b.ply'))
    for name in ('points', 'colors', 'faces', 'superpoints', 'instance_ids'):
        np.testing.assert_array_equal(getattr(saved, name), getattr(other, name), err_msg=name)


@settings(max_examples=60, deadline=None)
@given(scenes(), st.data())
def test_dropping_bad_points_equals_selecting_the_good_ones(scene, data):
    bad = data.draw(hnp.arrays(bool, len(scene)))
    points = scene.points.copy()
    points[bad] = np.nan
    dropped = PointScene.from_arrays(
        points,
        scene.colors,
        faces=scene.faces,
        superpoints=scene.superpoints,
        instance_ids=scene.instance_ids,
        on_bad='drop',
    )
    selected = scene.select(~bad)
    for name in ('points', 'colors', 'faces', 'superpoints', 'instance_ids'):
        np.testing.assert_array_equal(getattr(dropped, name), getattr(selected, name), err_msg=name)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_garbage_never_escapes_as_another_error(garbage, with_header):
    from unison3d.errors import FileFormatError

    head = (
        b'ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\n'
        b'property float y\nproperty float z\nelement face 4\n'
        b'property list uint int vertex_indices\nend_header\n'
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'a.ply'
        path.write_bytes((head if with_header else b'ply\n') + garbage)
        try:
            read_ply(path)
        except FileFormatError:
            pass
