"""The ways in which the good files of every format are broken."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.faults.good_files import GOOD, e57_bytes, laz_bytes, npy_bytes, npz_bytes
from tests.test_io.format_samples import (
    COLORS,
    POINTS,
    gltf_content,
    make_glb,
    make_las,
    make_pcd,
    pack_glb,
)
from tests.test_io.ply_samples import POLYGONS, make_ply, vertex_rows

HUGE = 2**40


def npy_claiming(shape: str, descr: str = "'<f4'", body: bytes = bytes(60)) -> bytes:
    """An array whose header says anything at all."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head + body


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def e57_claiming(old: bytes, new: bytes) -> bytes:
    """The E57 file with another text in its XML, of one length, and every checksum right again."""
    assert len(old) == len(new)
    data = e57_bytes()
    pages = [data[i : i + 1020] for i in range(0, len(data), 1024)]
    plain = b''.join(pages)
    assert old in plain
    plain = plain.replace(old, new)
    pages = [plain[i : i + 1020] for i in range(0, len(plain), 1020)]
    return b''.join(page + struct.pack('>I', crc32c(page)) for page in pages)


@dataclass
class Bad:
    """A broken file, and a word that the message has to hold."""

    name: str
    why: str
    make: Callable[[], bytes]
    says: str = ''
    needs: str | None = None


def changed_glb(change: Callable[[dict], object]) -> Callable[[], bytes]:
    def make() -> bytes:
        content, body = gltf_content()
        change(content)
        return pack_glb(content, body)

    return make


def ply_claiming(old: bytes, new: bytes, kind: str = 'binary_little_endian') -> Bad:
    data = make_ply(kind, vertex_rows(), faces=POLYGONS)
    assert old in data
    name = f'{kind.split("_")[-1]}.ply'
    return Bad(name, f'{new.decode()} in {kind}', lambda: data.replace(old, new, 1), '')


def _ply_lies() -> Iterator[Bad]:
    for kind in ('ascii', 'binary_little_endian', 'binary_big_endian'):
        for count in (HUGE, 2**63, 10**30, -1, -HUGE, 6):
            yield ply_claiming(b'vertex 5', f'vertex {count}'.encode(), kind)
            yield ply_claiming(b'face 3', f'face {count}'.encode(), kind)
        yield ply_claiming(b'vertex 5', b'vertex five', kind)
        yield ply_claiming(b'vertex 5', b'vertex 5.5', kind)
        yield ply_claiming(b'float y', b'float w', kind)
        yield ply_claiming(b'list uchar', b'list float', kind)
        yield ply_claiming(b'float x', b'string x', kind)
        yield ply_claiming(b'element vertex', b'element corner', kind)
    # A face that says it has four thousand million corners.
    rows = make_ply('binary_little_endian', vertex_rows(), faces=POLYGONS[:1])
    rows = rows.replace(b'list uchar int', b'list uint int')
    body = rows.rindex(b'\x03' + struct.pack('<3i', 0, 1, 2))
    yield Bad('list.ply', 'a list of 2**32', lambda: rows[:body] + b'\xff' * 4 + bytes(64))


def _npy_lies() -> Iterator[Bad]:
    shapes = [f'({HUGE}, 3)', f'({2**62}, {2**62})', '(-1, 3)', '(5.5, 3)', "('a', 3)", '(3,)',
              '(5, 2)', '()', '(5, 3, 1)', '(6, 3)', 'None', f'(1,) * {HUGE}']  # fmt: skip
    for shape in shapes:
        yield Bad('claim.npy', f'shape {shape}', lambda s=shape: npy_claiming(s))
    for descr in ("'|O'", "'<U99999'", "'<c8'", "'|V0'", "'|b1'", "'nonsense'", '[]', '7'):
        data = npy_claiming('(5, 3)', descr, bytes(200))
        yield Bad('type.npy', f'type {descr}', lambda d=data: d)
    # A table of contents with the true sizes, around a header that lies.
    for shape in shapes[:4]:
        yield Bad('claim.npz', f'shape {shape}', lambda s=shape: _npz_of(npy_claiming(s)))
    pickled = np.array([{'a': 1}], dtype=object)
    yield Bad('pickled.npy', 'a pickle', lambda: npy_bytes(pickled, allow_pickle=True), 'pickle')


def _npz_of(member: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('points.npy', member)
    return file.getvalue()


def _npz_misfits() -> Iterator[Bad]:
    wrong = {
        'no points': {'colors': COLORS},
        'points as text': {'points': np.array(['a', 'b', 'c'])},
        'flat points': {'points': np.zeros(4)},
        'two columns': {'points': np.zeros((4, 2))},
        'points as complex': {'points': np.zeros((4, 3), complex)},
        'too few colors': {'points': POINTS, 'colors': COLORS[:3]},
        'too many colors': {'points': POINTS, 'colors': np.concatenate([COLORS, COLORS])},
        'colors below zero': {'points': POINTS, 'colors': COLORS.astype(np.int64) - 9},
        'colors as text': {'points': POINTS, 'colors': np.full((5, 3), 'red')},
        'two normals': {'points': POINTS, 'normals': POINTS[:2]},
        'faces out of range': {'points': POINTS, 'faces': np.array([[0, 1, 5]])},
        'faces below zero': {'points': POINTS, 'faces': np.array([[0, 1, -9]])},
        'faces of two': {'points': POINTS, 'faces': np.zeros((2, 2), int)},
        'far away': {'points': POINTS.astype(np.float64) * 1e300},
    }
    for name in ('superpoints', 'semantic_ids', 'instance_ids', 'part_ids'):
        for length in (0, 4, 6):
            wrong[f'{length} {name}'] = {'points': POINTS, name: np.zeros(length, np.int64)}
    wrong['superpoints as text'] = {'points': POINTS, 'superpoints': np.full(5, 'a')}
    for why, arrays in wrong.items():
        yield Bad('misfit.npz', why, lambda a=arrays: npz_bytes(**a))


def _pcd_lies() -> Iterator[Bad]:
    lines = [
        *({'WIDTH': str(n), 'POINTS': str(n)} for n in (HUGE, 2**62, -1, 6, 'five', 5.5)),
        {'POINTS': '4'},
        {'HEIGHT': str(HUGE)},
        {'COUNT': '1 1 1 1 65536'},
        {'COUNT': '1 1 1 1 -1'},
        {'COUNT': '1 1 1 1'},
        {'SIZE': '8 8 8 8 8'},
        {'SIZE': '3 4 4 4 4'},
        {'TYPE': 'F F F F X'},
        {'TYPE': 'F F F F'},
        {'FIELDS': 'x y w rgb label'},
        {'FIELDS': 'x y z rgb'},
        {'DATA': 'zip'},
    ]
    for kind in ('ascii', 'binary', 'binary_compressed'):
        for line in lines:
            yield Bad(f'{kind}.pcd', f'{line}', lambda k=kind, h=line: make_pcd(k, **h))
    good = make_pcd('binary_compressed')
    start = good.index(b'binary_compressed\n') + 18
    for why, packed, plain in (
        ('packed too long', 2**32 - 1, 100),
        ('plain too long', 20, 2**32 - 1),
        ('packed too short', 20, 100),
        ('nothing packed', 0, 100),
    ):
        data = good[:start] + struct.pack('<II', packed, plain) + good[start + 8 :]
        yield Bad('sizes.pcd', why, lambda d=data: d)
    # The header and the compressed part agree on a size that the compressed bytes cannot give.
    count = 2**32 // 20
    lie = make_pcd('binary_compressed', WIDTH=str(count), POINTS=str(count))
    start = lie.index(b'binary_compressed\n') + 18
    lie = lie[: start + 4] + struct.pack('<I', count * 20) + lie[start + 8 :]
    yield Bad('agreed.pcd', 'both sizes lie', lambda: lie, 'LZF')
    back = good[: start + 8] + bytes([0xE0, 0xFF, 0xFF]) + good[start + 11 :]
    yield Bad('back.pcd', 'copies from before the start', lambda: back)


def _las_lies() -> Iterator[Bad]:
    for count in (6, 2**31, 2**32 - 1):
        yield Bad('count.las', f'{count} points', lambda n=count: make_las(count=n), 'points')
    for count in (1, 2**31, 2**32 - 1):
        yield Bad('records.las', f'{count} records', lambda n=count: make_las(num_vlrs=n))
    for start in (0, 226, 2**31, 2**32 - 1):
        yield Bad('start.las', f'points at {start}', lambda n=start: make_las(start=n))

    def patched(place: int, code: str, *values: int, data: Callable = make_las) -> Callable:
        def make() -> bytes:
            content = bytearray(data())
            struct.pack_into(code, content, place, *values)
            return bytes(content)

        return make

    yield Bad('row.las', 'points of 0 bytes', patched(105, '<H', 0))
    yield Bad('row.las', 'points of 65535 bytes', patched(105, '<H', 65535))
    yield Bad('head.las', 'a header of 65535 bytes', patched(94, '<H', 65535))
    yield Bad('format.las', 'point format 99', patched(104, '<B', 99), needs='laspy')
    yield Bad('short.las', 'points shorter than their format', patched(105, '<H', 20),
              needs='laspy')  # fmt: skip
    yield Bad('version.las', 'LAS 1.4 with a header of 1.2', patched(25, '<B', 4))
    for count in (6, 2**31, 2**32 - 1):
        make = patched(107, '<I', count, data=laz_bytes)
        yield Bad('count.laz', f'{count} points', make, needs='lazrs')

    def chunk_lie(value: int) -> Callable[[], bytes]:
        def make() -> bytes:
            content = bytearray(laz_bytes())
            (start,) = struct.unpack_from('<I', content, 96)
            (place,) = struct.unpack_from('<q', content, start)
            struct.pack_into('<I', content, place + 4, value)
            return bytes(content)

        return make

    for value in (0, 2**31, 2**32 - 1):
        yield Bad('chunks.laz', f'{value} chunks', chunk_lie(value), 'chunks', 'lazrs')

    def without_items() -> bytes:
        # Of the record that tells how points are packed; the decoder panics, which is no Exception.
        content = bytearray(laz_bytes())
        record = content.index(b'laszip encoded') + 52
        struct.pack_into('<H', content, record + 32, 0)
        return bytes(content)

    yield Bad('items.laz', 'points packed of nothing', without_items, '', 'lazrs')
    for place in (-2, 0, HUGE, 2**63 - 1):

        def move(p: int = place) -> bytes:
            content = bytearray(laz_bytes())
            (start,) = struct.unpack_from('<I', content, 96)
            struct.pack_into('<q', content, start, p)
            return bytes(content)

        yield Bad('table.laz', f'table at {place}', move, 'chunks', 'lazrs')


def _e57_lies() -> Iterator[Bad]:
    for old, new in (
        (b'recordCount="5"', b'recordCount="9"'),
        # The blanks of the line after it make room for the digits.
        (b'recordCount="5">\n        <', b'recordCount="99999999">\n <'),
        (b'<cartesianZ', b'<cartesianW'),
        (b'fileOffset="48"', b'fileOffset="99"'),
        (b'type="CompressedVector"', b'type="CompressedVectox"'),
    ):
        yield Bad('lie.e57', new.decode(), lambda o=old, n=new: e57_claiming(o, n), '', 'pye57')


def _obj_misfits() -> Iterator[Bad]:
    texts = {
        'nothing': '',
        'no vertices': 'f 1 2 3\n',
        'two numbers': 'v 1 2\n',
        'eight numbers': 'v 1 2 3 4 5 6 7 8\n',
        'a word': 'v 1 2 three\n',
        'uneven': 'v 1 2 3\nv 1 2 3 4 5 6\n',
        'vertex 0': 'v 1 2 3\nf 0 1 1\n',
        'vertex 9': 'v 1 2 3\nf 1 1 9\n',
        'vertex 2**40': f'v 1 2 3\nf 1 1 {HUGE}\n',
        'vertex 10**30': f'v 1 2 3\nf 1 1 {10**30}\n',
        'vertex -2': 'v 1 2 3\nf 1 1 -2\n',
        'vertex -2**40': f'v 1 2 3\nf 1 1 -{HUGE}\n',
        'half a vertex': 'v 1 2 3\nf 1 1 1.5\n',
        'no index': 'v 1 2 3\nf 1 1 /1\n',
        'binary': 'v 1 2 3\n\0\0\0',
        'not a number': 'v 1 2 nan\n',
        'infinite': 'v 1 2 inf\n',
        'colors of 1e9': 'v 1 2 3 1e9 0 0\n',
    }
    for why, text in texts.items():
        yield Bad('misfit.obj', why, lambda t=text: t.encode())


def _glb_lies() -> Iterator[Bad]:
    changes: dict[str, Callable[[dict], object]] = {}
    for count in (HUGE, 2**63, -1, 6, 5.5, 'five', None):
        for number in range(3):
            name = f'count {count} of accessor {number}'
            count_of = 10 if (count, number) == (6, 2) else count
            changes[name] = lambda c, n=number, v=count_of: c['accessors'][n].update(count=v)
        changes[f'view of {count}'] = lambda c, v=count: c['bufferViews'][0].update(
            byteLength=1 if v in (6, None) else v
        )
        changes[f'view at {count}'] = lambda c, v=count: c['bufferViews'][0].update(
            byteOffset=HUGE if v in (6, None) else v
        )
    for index in (9, -1, HUGE, 1.5, 'a', None, []):
        changes[f'view {index}'] = lambda c, v=index: c['accessors'][0].update(bufferView=v)
        changes[f'mesh {index}'] = lambda c, v=index: c['nodes'][0].update(mesh=v)
        changes[f'node {index}'] = lambda c, v=index: c['scenes'][0].update(nodes=[v])
        changes[f'material {index}'] = lambda c, v=index: c['meshes'][0]['primitives'][0].update(
            material=v
        )
        changes[f'indices {index}'] = lambda c, v=index: c['meshes'][0]['primitives'][0].update(
            indices=v
        )
    for code in (0, 5124, 5126.5, 'float', None):
        changes[f'type {code}'] = lambda c, v=code: c['accessors'][0].update(componentType=v)
    changes |= {
        'a loop of nodes': lambda c: c['nodes'][0].update(children=[0]),
        'children as a number': lambda c: c['nodes'][0].update(children=5),
        'a matrix of 3': lambda c: c['nodes'][0].update(matrix=[1, 2, 3]),
        'a matrix of words': lambda c: c['nodes'][0].update(matrix=['a'] * 16),
        'scale of text': lambda c: c['nodes'][0].update(scale='big'),
        'no primitives': lambda c: c['meshes'][0].update(primitives=[]),
        'primitives as text': lambda c: c['meshes'][0].update(primitives='abc'),
        'no positions': lambda c: c['meshes'][0]['primitives'][0].update(attributes={}),
        'attributes as list': lambda c: c['meshes'][0]['primitives'][0].update(attributes=[0]),
        'meshes as text': lambda c: c.update(meshes='abc'),
        'nodes as numbers': lambda c: c.update(nodes=[1, 2]),
        'no scenes or nodes': lambda c: c.update(scenes=[], nodes=[]),
        'version 1': lambda c: c.update(asset={'version': '1.0'}),
        'draco': lambda c: c.update(extensionsRequired=['KHR_draco_mesh_compression']),
    }
    for why, change in changes.items():
        yield Bad('lie.glb', why, changed_glb(change))
    good = make_glb()
    for place, value in ((8, 2**32 - 1), (12, 2**32 - 1), (4, 1), (16, 0)):
        data = good[:place] + struct.pack('<I', value) + good[place + 4 :]
        yield Bad('words.glb', f'{value} at byte {place}', lambda d=data: d)
    nan = POINTS.astype('<f4').copy()
    nan[1, 2] = np.nan
    data = good.replace(POINTS.astype('<f4').tobytes(), nan.tobytes())
    yield Bad('nan.glb', 'a position that is not finite', lambda: data)


def _not_finite() -> Iterator[Bad]:
    for value in (np.nan, np.inf, -np.inf):
        points = POINTS.copy()
        points[3, 1] = value
        rows = np.concatenate([points, COLORS], axis=1).astype(np.float32)
        yield Bad('bad.npy', f'{value}', lambda p=rows: npy_bytes(p), 'row 3')
        yield Bad('bad.npz', f'{value}', lambda p=points: npz_bytes(points=p), 'row 3')
        yield Bad('bad.bin', f'{value}', lambda p=rows: p.tobytes(), 'row 3')
        for kind in ('ascii', 'binary_little_endian'):
            vertices = [(*p, *row[3:]) for p, row in zip(points, vertex_rows(), strict=True)]
            yield Bad('bad.ply', f'{value} in {kind}', lambda k=kind, v=vertices: make_ply(k, v),
                      'row 3')  # fmt: skip
        if np.isinf(value):  # NaN is PCD's word for "no measurement"
            yield Bad('bad.pcd', f'{value}', lambda p=points: make_pcd('binary', p), 'row 3')


def _other() -> Iterator[Bad]:
    for good in GOOD:
        yield Bad(good.name, 'noise', lambda: bytes(range(7, 256)) * 3, needs=good.needs)
        if good.name != 'table.bin':
            yield Bad(good.name, 'nothing in it', lambda: b'', needs=good.needs)
            yield Bad(good.name, 'zeros', lambda: bytes(5000), needs=good.needs)
    yield Bad('colors.bin', 'no colours', lambda: np.full((4, 6), -7, np.float32).tobytes(), '-7')
    yield Bad('odd.bin', 'five bytes', lambda: bytes(5), 'multiple')


BAD = [
    *_ply_lies(),
    *_npy_lies(),
    *_npz_misfits(),
    *_pcd_lies(),
    *_las_lies(),
    *_e57_lies(),
    *_obj_misfits(),
    *_glb_lies(),
    *_not_finite(),
    *_other(),
]
