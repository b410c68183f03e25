"""The ways in which the downloads of :mod:`tests.faults.raw_layouts` are broken."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.faults.good_files import npz_bytes
from tests.faults.raw_layouts import LAYOUTS, npz_arrays

Change = Callable[[bytes], bytes]

#: What is put in the place of every part of a JSON file.
WRONG_VALUES = (None, True, -1, 2**70, 1.5, float('nan'), 'text', '', [], {'a': 1})


def wrong_types(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every kind of place in a JSON file with every value of another type in it."""
    content = json.loads(data)
    seen = set()
    for place in list(_places(content, ())):
        kind = tuple('*' if isinstance(key, int) else key for key in place)
        if kind in seen:
            continue
        seen.add(kind)
        for value in WRONG_VALUES:
            yield f'{"/".join(kind) or "all"} is {value!r}', _replaced(data, place, value)
        if place:
            yield f'{"/".join(kind)} is missing', _replaced(data, place)


def _places(content: Any, place: tuple) -> Iterator[tuple]:
    yield place
    inner = enumerate(content) if isinstance(content, list) else ()
    inner = content.items() if isinstance(content, dict) else inner
    for key, value in inner:
        yield from _places(value, (*place, key))


def _replaced(data: bytes, place: tuple, *value: Any) -> bytes:
    content = [json.loads(data)]
    holder = content
    for key in (0, *place)[:-1]:
        holder = holder[key]
    last = (0, *place)[-1]
    if value:
        holder[last] = value[0]
    else:
        del holder[last]
    return json.dumps(content[0]).encode()


def text(old: str, new: str) -> Change:
    """Another text in the place of the first."""

    def change(data: bytes) -> bytes:
        assert old.encode() in data, old
        return data.replace(old.encode(), new.encode(), 1)

    return change


def whole(content: Any) -> Change:
    """Another file."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda _: data


def part(key: str, content: Any) -> Change:
    """Another value of a key of a JSON object."""
    return lambda data: json.dumps({**json.loads(data), key: content}).encode()


def first(key: str, content: dict) -> Change:
    """Other values of some keys of the first entry of a list in a JSON object."""

    def change(data: bytes) -> bytes:
        whole = json.loads(data)
        whole[key][0].update(content)
        return json.dumps(whole).encode()

    return change


def segments(change: Callable[[list], list]) -> Change:
    return lambda data: json.dumps({'segIndices': change(json.loads(data)['segIndices'])}).encode()


def patched(offset: int, code: str, *values: float, end: bool = False) -> Change:
    """Bytes behind the header of a binary PLY file, or before its end."""

    def change(data: bytes) -> bytes:
        result = bytearray(data)
        start = len(data) if end else data.index(b'end_header\n') + 11
        struct.pack_into(code, result, start + offset, *values)
        return bytes(result)

    return change


def count_of(element: str, value: object) -> Change:
    def change(data: bytes) -> bytes:
        result, times = re.subn(rb'element %s \d+' % element.encode(),
                                f'element {element} {value}'.encode(), data)  # fmt: skip
        assert times == 1
        return result

    return change


def _mesh(path: str, binary: bool = True) -> Iterator[tuple[str, str, Change]]:
    for element in ('vertex', 'face'):
        for value in (0, 1, 10**4, 2**40, 10**30, -1, 'many'):
            yield path, f'{value} of {element}', count_of(element, value)
    yield path, 'another format', whole(b'solid thing')
    yield path, 'no face', text('element face', 'element edge')
    yield path, 'no x', text('float x', 'float w')
    yield path, 'no vertex', text('element vertex', 'element corner')
    if binary:
        for value in (np.nan, np.inf):
            yield path, f'a point is {value}', patched(4, '<f', value)
        for value in (10**6, -1):
            yield path, f'a face names vertex {value}', patched(-4, '<i', value, end=True)
        yield path, 'a face of 200 corners', patched(-13, 'B', 200, end=True)
        return
    for value in ('nan', 'inf', '1e300', 'one'):
        yield path, f'a point is {value}', text('\n0 0 0 ', f'\n{value} 0 0 ')


def _groups(path: str, name: str) -> Iterator[tuple[str, str, Change]]:
    """Groups of segments, as ScanNet has them."""
    yield path, 'an unknown segment', first('segGroups', {'segments': [10**6]})
    yield path, 'objectId below 0', first('segGroups', {'objectId': -1})
    yield path, 'objectId of 2**40', first('segGroups', {'objectId': 2**40})
    yield path, 'objectId of 2**80', first('segGroups', {'objectId': 2**80})
    yield path, 'objectId is true', first('segGroups', {'objectId': True})
    yield path, 'objectId is text', first('segGroups', {'objectId': '1'})
    yield path, 'objectId is 1.5', first('segGroups', {'objectId': 1.5})
    yield path, 'no label', first('segGroups', {'label': None})
    yield path, 'segments as text', first('segGroups', {'segments': ['1']})
    yield path, 'segments are NaN', first('segGroups', {'segments': [float('nan')]})
    yield path, 'groups as text', part('segGroups', 'abc')
    yield path, f'{name} is a list', whole([])
    yield path, f'{name} is binary', whole(bytes(range(256)))
    yield path, f'{name} is deep', whole(b'[' * 100_000)


def _segments(path: str) -> Iterator[tuple[str, str, Change]]:
    yield path, 'one segment less', segments(lambda ids: ids[:-1])
    yield path, 'one segment more', segments(lambda ids: [*ids, ids[0]])
    yield path, 'no segments', segments(lambda ids: [])
    yield path, 'a segment is NaN', segments(lambda ids: [*ids[:-1], float('nan')])
    yield path, 'a segment is 1.5', segments(lambda ids: [*ids[:-1], 1.5])
    yield path, 'a segment is text', segments(lambda ids: [*ids[:-1], '1'])
    yield path, 'a segment is 2**80', segments(lambda ids: [*ids[:-1], 2**80])
    yield path, 'other segments', segments(lambda ids: [i + 10**6 for i in ids])


def _scannet() -> Iterator[tuple[str, str, Change]]:
    mesh, segs, groups, info, table, train = LAYOUTS['scannet'].files
    yield from _mesh(mesh)
    yield mesh, 'no colours', text('uchar red', 'uchar rot')
    # Segments that no object names are allowed, so another file of them is told by the objects.
    yield from (c for c in _segments(segs) if c[1] != 'other segments')
    yield from _groups(groups, 'aggregation')
    yield groups, 'an unknown label', first('segGroups', {'label': 'spaceship'})
    rows = ' '.join(f'{v}' for v in np.eye(4).ravel())
    for why, numbers in {
        'none': '',
        '15': rows[:-4],
        '17': f'{rows} 1',
        'words': 'one two',
        'nan': rows.replace('1.0', 'nan'),
        'too large': rows.replace('1.0', '1e200'),
        'scaled': rows.replace('1.0', '2.0'),
        'mirrored': rows.replace('1.0', '-1.0', 1),
        'zeros': rows.replace('1.0', '0.0'),
        'sheared': rows.replace('0.0', '0.5', 1),
    }.items():
        yield info, f'alignment: {why}', whole(f'axisAlignment = {numbers}\n'.encode())
    yield info, 'another key', whole(b'colorWidth = 4\n')
    head = 'raw_category\tnyu40id\tid\n'
    for why, content in {
        'no column': 'raw_category\n',
        'no row': head,
        'no ids': f'{head}chair\t\t\n',
        'ids too large': f'{head}chair\t41\t1358\n',
        'words': f'{head}chair\tfive\ttwo\n',
        'a huge field': f'{head}{"w" * 200_000}',
        'a huge header': 'w' * 200_000,
        'a label less': f'{head}wall\t1\t1\n',
    }.items():
        yield table, why, whole(content.encode())
    yield train, 'a scan of both lists', text('\n', '\nscene0568_00\n')


def _sentences() -> Iterator[tuple[str, str, Change]]:
    def entry(**changes: Any) -> Change:
        return lambda data: json.dumps([{**json.loads(data)[0], **changes}]).encode()

    for why, value in {
        **{'null': None, 'true': True, 'a fraction': 1.5, 'NaN': float('nan')},
        **{'infinite': float('inf'), 'a list': [1], 'a word': 'one', 'odd digits': '²'},
        **{'long': '9' * 5000, 'below 0': -1, 'empty': ''},
    }.items():
        yield 'refer.json', f'object_id is {why}', entry(object_id=value)
    for value in (None, 5, [], {}, ''):
        yield 'refer.json', f'description is {value!r}', entry(description=value)
        yield 'refer.json', f'scene_id is {value!r}', entry(scene_id=value)


def _tables() -> Iterator[tuple[str, str, Change]]:
    for why, old, new in (
        ('target is a word', ',1\n', ',one\n'),
        ('target is empty', ',1\n', ',\n'),
        ('target is a fraction', ',1\n', ',1.5\n'),
        ('target is NaN', ',1\n', ',nan\n'),
        ('no target', ',1\n', '\n'),
        ('a cell more', ',1\n', ',1,1\n'),
        ('no column', 'target_id', 'target'),
        ('no sentence', 'the floor', ''),
        ('no scan', 'scene0191_00', ''),
        ('a huge field', 'the floor', 'w' * 200_000),
        ('a huge header', 'utterance', 'w' * 200_000),
    ):
        yield 'nr3d.csv', why, text(old, new)


def _scannetpp() -> Iterator[tuple[str, str, Change]]:
    mesh, segs, groups, classes, table, train = LAYOUTS['scannetpp'].files
    yield from _mesh(mesh)
    yield mesh, 'no colours', text('uchar red', 'uchar rot')
    yield from (c for c in _segments(segs) if c[1] != 'other segments')
    yield from _groups(groups, 'segments_anno')
    yield groups, 'an object twice', text('"objectId": 2', '"objectId": 1')
    yield classes, 'a class twice', text('wall', 'cup')
    yield table, 'no column', text('class', 'name')
    yield table, 'a huge header', text('class', 'w' * 200_000)
    yield train, 'a scene of both lists', text('\n', '\nval0\n')


def _s3dis() -> Iterator[tuple[str, str, Change]]:
    path = list(LAYOUTS['s3dis'].files)[1]
    for line in (
        *('1 2 3 4 5', '1 2 3 4 5 6 7', '1 2 3 4 5 256', '1 2 3 4 5 -1', '1 2 3 4 5 0.5'),
        *('nan 2 3 4 5 6', 'inf 2 3 4 5 6', '1e300 2 3 4 5 6', '1e999 2 3 4 5 6', 'one 2 3 4 5 6'),
        *('1,2,3,4,5,6', '1 2 3 4 5 6 # end', '--1 2 3 4 5 6', '1 2 3 nan 5 6', '\0' * 30),
    ):
        yield path, f'a line is {line!r}', lambda data, row=line: f'{row}\n'.encode() + data
    yield path, 'blank lines', whole(b'\n\n \n')


def _replica() -> Iterator[tuple[str, str, Change]]:
    mesh, info = LAYOUTS['replica'].files
    yield from _mesh(mesh, binary=False)
    yield mesh, 'no colours', text('uchar red', 'uchar rot')
    yield mesh, 'no object_id', text('int object_id', 'int object')
    yield mesh, 'object_id is a fraction', text('\n4 0 5 6 1 0', '\n4 0 5 6 1 0.5')
    yield mesh, 'a face names vertex 25', text('\n4 0 5 6 1', '\n4 0 5 6 25')
    yield mesh, 'a face names vertex -1', text('\n4 0 5 6 1', '\n4 0 5 6 -1')
    yield info, 'an object twice', first('objects', {'id': 7})
    yield info, 'object id below 0', first('objects', {'id': -1})
    yield info, 'object id of 2**30', first('objects', {'id': 2**30})
    yield info, 'an unknown class', first('objects', {'class_id': 41})
    yield info, 'a class without a name', first('classes', {'name': None})
    yield info, 'objects of another scene', part('objects', [{'id': 99, 'class_id': 20}])
    yield info, 'no object', part('objects', [])
    yield info, 'classes as text', part('classes', 'abc')


def _matterport3d() -> Iterator[tuple[str, str, Change]]:
    mesh, segs, groups, table, _ = LAYOUTS['matterport3d'].files
    yield from _mesh(mesh, binary=False)
    yield mesh, 'no colours', text('uchar red', 'uchar rot')
    yield from _segments(segs)
    yield from _groups(groups, 'semseg')
    yield mesh, 'a face names vertex 25', text('\n4 0 5 6 1', '\n4 0 5 6 25')
    for why, content in {
        'no column': 'raw_category\n',
        'no row': 'raw_category\tnyu40id\n',
        'ids too large': 'raw_category\tnyu40id\nfloor\t41\n',
    }.items():
        yield table, why, whole(content.encode())


def _rscan3() -> Iterator[tuple[str, str, Change]]:
    rooms, mesh, names, obj, mtl, png = LAYOUTS['3rscan'].files
    yield from _mesh(mesh, binary=False)
    yield mesh, 'no objectId', text('objectId', 'object')
    yield mesh, 'no NYU40', text('NYU40', 'class')
    yield mesh, 'NYU40 of 41', text(' 9 2\n', ' 9 41\n')
    yield mesh, 'objectId of 900', text(' 1 9 2\n', ' 900 9 2\n')
    yield mesh, 'objectId below 0', text(' 1 9 2\n', ' -1 9 2\n')
    yield mesh, 'a face names vertex 6', text('3 3 4 5', '3 3 4 6')
    yield from (c for c in _groups(names, 'semseg') if 'unknown segment' not in c[1])
    for why, content in {
        'is an object': {},
        'of numbers': [1],
        'unknown split': [{'reference': 'room-a', 'type': 'x', 'scans': []}],
        'no reference': [{'type': 'train', 'scans': []}],
        'rescans as text': [{'reference': 'room-a', 'type': 'train', 'scans': 'abc'}],
        'rescans of numbers': [{'reference': 'room-a', 'type': 'train', 'scans': [1]}],
    }.items():
        yield rooms, why, whole(content)
    for why, old, new in (
        ('no materials', 'mtllib', '# mtllib'),
        ('other materials', 'usemtl paint', 'usemtl wood'),
        ('a word', 'v 1.0 1 0.01', 'v 1.0 1 low'),
        ('nan', 'v 1.0 1 0.01', 'v 1.0 1 nan'),
        ('texture is nan', 'vt 0.1 0.9', 'vt 0.1 nan'),
        ('vertex 9', 'f 2/1', 'f 9/1'),
        ('texture coordinate 9', 'f 2/1', 'f 2/9'),
        ('texture coordinate 2**70', 'f 2/1', f'f 2/{2**70}'),
        ('texture coordinate of words', 'f 2/1', 'f 2/x'),
    ):
        yield obj, why, text(old, new)
    yield obj, 'another place', lambda data: re.sub(rb'v (\d)\.0 ', rb'v 1\1.0 ', data)
    yield mtl, 'no texture', text('map_Kd', 'map_Ks')
    yield mtl, 'another texture', text('mesh.refined_0', 'mesh.refined_1')
    yield png, 'no image', whole(b'no image')


def _arkitscenes() -> Iterator[tuple[str, str, Change]]:
    mesh, boxes = LAYOUTS['arkitscenes'].files
    # Its first point has other coordinates than that of the other meshes.
    yield from (c for c in _mesh(mesh, binary=False) if 'a point is' not in c[1])
    for value in ('nan', 'inf', '1e300', 'one'):
        yield mesh, f'a point is {value}', text('\n0.3 0.5 ', f'\n{value} 0.5 ')
    yield mesh, 'no colours', text('uchar red', 'uchar rot')
    yield mesh, 'a face names vertex 9', text('\n3 6 7 8', '\n3 6 7 9')
    yield boxes, 'a box of no size', text('[1.2, 0.8, 0.8]', '[1.2, 0, 0.8]')
    yield boxes, 'axes of another length', text('[0, 1, 0, -1,', '[0, 2, 0, -1,')


def _custom() -> Iterator[tuple[str, str, Change]]:
    mesh, names, train = LAYOUTS['custom'].files
    yield from (c for c in _mesh(mesh) if c[1] not in ('no face', '0 of face'))
    yield mesh, 'a colour is nan', lambda data: _floating_colors(data)
    yield mesh, 'an unknown id', patched(15, '<i', 5)
    for why, value in (('scaled', '2.0'), ('mirrored', '-1.0'), ('too large', '1e200')):
        yield mesh, f'alignment: {why}', text('axis_alignment 1.0', f'axis_alignment {value}')
    for why, content in {
        'is a list': [],
        'is empty': {},
        'a word': {'one': 'wall'},
        'below 0': {'-1': 'wall'},
        'a number': {'1': 2},
        'twice': {'1': 'wall', '2': 'wall'},
        'long': {'9' * 5000: 'wall'},
    }.items():
        yield names, why, whole(content)
    yield train, 'a scan that is not there', text('a\n', 'c\n')


def _floating_colors(data: bytes) -> bytes:
    for name in (b'red', b'green', b'blue'):
        data = data.replace(b'property uchar ' + name, b'property float ' + name)
    start = data.index(b'end_header\n') + 11
    kind = [('xyz', '<f4', 3), ('rgb', 'u1', 3), ('ids', '<i4', 3)]
    rows = np.frombuffer(data, kind, 60, start)
    wide = np.zeros(60, [('xyz', '<f4', 3), ('rgb', '<f4', 3), ('ids', '<i4', 3)])
    for name in ('xyz', 'ids'):
        wide[name] = rows[name]
    wide['rgb'][7] = np.nan
    return data[:start] + wide.tobytes() + data[start + rows.nbytes :]


def _custom_npz() -> Iterator[tuple[str, str, Change]]:
    good = npz_arrays()
    count = len(good['points'])
    for why, changes in {
        'no points': {'points': None},
        'a point is nan': {'points': np.where(good['points'] > 0.9, np.nan, good['points'])},
        'far away': {'points': good['points'] * 1e300},
        'faces out of range': {'faces': np.array([[0, 1, count]])},
        'faces below 0': {'faces': np.array([[0, 1, -1]])},
        'faces of two': {'faces': np.zeros((2, 2), int)},
        'faces as text': {'faces': np.full((2, 3), 'a')},
        'faces as fractions': {'faces': np.full((2, 3), 0.5)},
        'colours below 0': {'colors': np.full((count, 3), -9)},
        'colours are nan': {'colors': np.full((count, 3), np.nan)},
        'colours too large': {'colors': np.full((count, 3), 10**6)},
        'colours as text': {'colors': np.full((count, 3), 'red')},
        'superpoints below 0': {'superpoints': np.full(count, -1)},
        'an unknown id': {'semantic_ids': np.full(count, 9)},
        'an id of 2**62': {'semantic_ids': np.full(count, 2**62)},
        'instances of 2**63 - 1': {'instance_ids': np.full(count, 2**63 - 1)},
    }.items():
        arrays = {k: v for k, v in {**good, **changes}.items() if v is not None}
        yield 'a.npz', why, whole(npz_bytes(**arrays))
    for name in ('colors', 'superpoints', 'semantic_ids', 'instance_ids'):
        for rows in (0, count - 1, count + 1):
            array = np.resize(good[name], (rows, *good[name].shape[1:]))
            yield 'a.npz', f'{rows} {name}', whole(npz_bytes(**{**good, name: array}))
    for name in ('superpoints', 'semantic_ids', 'instance_ids'):
        for why, array in {
            'text': np.full(count, 'a'),
            'fractions': np.full(count, 0.5),
            'nan': np.full(count, np.nan),
        }.items():
            yield 'a.npz', f'{name} as {why}', whole(npz_bytes(**{**good, name: array}))


_TABLE: dict[str, Callable[[], Iterator[tuple[str, str, Change]]]] = {
    'scannet': _scannet,
    'scanrefer': _sentences,
    'referit3d': _tables,
    'scannetpp': _scannetpp,
    's3dis': _s3dis,
    'replica': _replica,
    'matterport3d': _matterport3d,
    '3rscan': _rscan3,
    'arkitscenes': _arkitscenes,
    'custom': _custom,
    'custom npz': _custom_npz,
}
#: Layout, file, what is wrong, and how it is made so.
BAD_RAW = [(layout, *row) for layout, rows in _TABLE.items() for row in rows()]
