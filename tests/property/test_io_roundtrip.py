"""Write, read, and get the same; whatever the arrays."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from functools import cache
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.good_files import GOOD
from unison3d.errors import InputError
from unison3d.evaluation.benchmark_files import (
    read_benchmark_predictions,
    write_benchmark_predictions,
)
from unison3d.io import (
    CocoMask,
    GlbPart,
    decode_rle,
    encode_rle,
    read_coco_masks,
    read_gltf,
    read_npz,
    read_ply,
    read_scene,
    read_semantickitti_labels,
    write_coco_masks,
    write_glb,
    write_npz_scene,
    write_ply,
    write_semantickitti_labels,
)
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


# ------------------------------------------------------------------ further formats


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(bool, st.integers(0, 400)))
def test_run_lengths_write_then_read_is_identity(mask):
    rle = encode_rle(mask)
    assert rle['counts'].isascii() and '"' not in rle['counts']
    np.testing.assert_array_equal(decode_rle(rle, len(mask)), mask)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.integers(0, 50))
def test_run_lengths_of_any_text_are_a_mask_or_refused(text, count):
    try:
        mask = decode_rle({'size': [count, 1], 'counts': text}, count)
    except InputError:
        return
    assert mask.shape == (count,)


@st.composite
def masks(draw):
    """0 to 4 masks over 0 to 30 points, with class and score."""
    n = draw(st.integers(0, 30))
    score = st.floats(0, 1, width=16)
    row = st.tuples(hnp.arrays(bool, n), st.integers(1, 40), score)
    return n, draw(st.lists(row, max_size=4))


@settings(max_examples=60, deadline=None)
@given(masks(), st.text(max_size=8))
def test_coco_write_then_read_is_identity(drawn, name):
    n, rows = drawn
    items = [CocoMask(mask, category, score, name) for mask, category, score in rows]
    names = {category: f'{name} {category}' for _, category, _ in rows}
    with tempfile.TemporaryDirectory() as folder:
        path = write_coco_masks(Path(folder) / 'a.json', items, num_points=n, categories=names)
        again, categories = read_coco_masks(path, n)
    assert categories == names
    for one, other in zip(items, again, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
        assert (one.category, one.score, one.name) == (other.category, other.score, other.name)


@settings(max_examples=60, deadline=None)
@given(masks())
def test_benchmark_write_then_read_is_identity(drawn):
    n, rows = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = write_benchmark_predictions(Path(folder) / 'a.txt', rows)
        found, labels, scores = read_benchmark_predictions(path)
    assert labels.tolist() == [label for _, label, _ in rows]
    np.testing.assert_allclose(scores, [score for _, _, score in rows], atol=1e-6)
    assert found.shape == ((len(rows), n) if rows else (0, 0))
    np.testing.assert_array_equal(found, np.array([m for m, _, _ in rows]).reshape(found.shape))


_HALF = hnp.arrays(np.int64, st.shared(st.integers(0, 50), key='n'), elements=st.integers(0, 65535))


@settings(max_examples=60, deadline=None)
@given(_HALF, _HALF)
def test_semantickitti_write_then_read_is_identity(semantic, instance):
    with tempfile.TemporaryDirectory() as folder:
        path = write_semantickitti_labels(Path(folder) / 'a.label', semantic, instance)
        again = read_semantickitti_labels(path, len(semantic))
    np.testing.assert_array_equal(again, [semantic, instance])


@st.composite
def parts(draw):
    """1 to 4 nodes of which at least the first has points."""
    found = []
    coordinates = st.floats(-(2.0**40), 2.0**40, width=32)
    for number in range(draw(st.integers(1, 4))):
        n = draw(st.integers(0 if number else 1, 6))
        part = GlbPart(
            draw(st.text(max_size=5)), draw(hnp.arrays(np.float32, (n, 3), elements=coordinates))
        )
        part.colors = draw(hnp.arrays(np.uint8, (n, 3)))
        if n and draw(st.booleans()):
            f = draw(st.integers(0, 4))
            part.faces = draw(hnp.arrays(np.int64, (f, 3), elements=st.integers(0, n - 1)))
        if draw(st.booleans()):
            part.extras = {'instance': number, 'class': draw(st.text(max_size=5))}
        found.append(part)
    return found


@settings(max_examples=80, deadline=None)
@given(parts())
def test_glb_write_then_read_is_identity(given_parts):
    with tempfile.TemporaryDirectory() as folder:
        scene = read_gltf(write_glb(Path(folder) / 'a.glb', given_parts))
    np.testing.assert_array_equal(scene.points, np.concatenate([p.points for p in given_parts]))
    colors = np.concatenate([p.colors for p in given_parts])
    np.testing.assert_array_equal(np.rint(scene.colors * 255), colors)
    starts = np.cumsum([0, *(len(p.points) for p in given_parts)])
    faces = [p.faces + s for p, s in zip(given_parts, starts, strict=False) if p.faces is not None]
    faces = np.concatenate([np.zeros((0, 3), np.int64), *faces])
    np.testing.assert_array_equal(np.zeros((0, 3)) if scene.faces is None else scene.faces, faces)
    for number, part in enumerate(given_parts):
        if part.extras and len(part.points):
            inside = slice(starts[number], starts[number + 1])
            assert (scene.instance_ids[inside] == number).all()
            assert scene.instance_names[number] == part.extras['class']


# ------------------------------------------------------------------ damage


@cache
def _good_bytes(number: int) -> bytes:
    return GOOD[number].make()


_READABLE = [
    number
    for number, good in enumerate(GOOD)
    if good.needs is None or importlib.util.find_spec(good.needs) is not None
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_READABLE), st.data())
def test_flipped_bytes_give_a_scene_or_a_typed_error(number, data):
    content = bytearray(_good_bytes(number))
    places = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / GOOD[number].name
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                raw = read_scene(path)
                assert raw.points.shape == (len(raw), 3)
                PointScene.from_raw(raw, name='flipped', source=path, on_bad='drop')
        except InputError as error:
            assert path.name in str(error)
