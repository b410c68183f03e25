"""Small scans in every format, written by hand, independent of the package's own writers."""

from __future__ import annotations

import json
import struct

import numpy as np

POINTS = np.array([[0, 0, 0], [1, 0, 0.25], [1, 2, 0], [-3, 0.5, 4], [2, 2, 2]], np.float32)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30], [255, 255, 255]], np.uint8)
LABELS = np.array([3, 0, 3, 7, 1], np.uint32)
FACES = [(0, 1, 2), (0, 2, 3), (2, 3, 4)]


# ---------------------------------------------------------------------------- PCD


def packed_colors() -> np.ndarray:
    """uint32 words 0x00RRGGBB."""
    red, green, blue = COLORS.astype(np.uint32).T
    return red << 16 | green << 8 | blue


def lzf_literals(data: bytes) -> bytes:
    """A legal LZF stream that copies nothing from before."""
    blocks = [data[i : i + 32] for i in range(0, len(data), 32)]
    return b''.join(bytes([len(block) - 1]) + block for block in blocks)


def make_pcd(kind: str = 'binary', points: np.ndarray = POINTS, **header: str) -> bytes:
    """x y z rgb label; ``header`` replaces lines (a value of '' removes one)."""
    count = len(points)
    colors = np.resize(packed_colors(), count).astype('<u4')
    labels = np.resize(LABELS, count).astype('<u4')
    lines = {
        'VERSION': '0.7',
        'FIELDS': 'x y z rgb label',
        'SIZE': '4 4 4 4 4',
        'TYPE': 'F F F F U',
        'COUNT': '1 1 1 1 1',
        'WIDTH': str(count),
        'HEIGHT': '1',
        'VIEWPOINT': '0 0 0 1 0 0 0',
        'POINTS': str(count),
        'DATA': kind,
    }
    lines |= header
    head = '# .PCD v0.7\n' + ''.join(f'{k} {v}\n' for k, v in lines.items() if v)
    columns = [points[:, 0], points[:, 1], points[:, 2], colors.view('<f4'), labels]
    if kind == 'ascii':
        rows = zip(*columns, strict=True)
        # Nine digits give every float32 back.
        text = [' '.join([*(f'{v:.9g}' for v in row[:4]), str(row[4])]) for row in rows]
        return head.encode() + ('\n'.join(text) + '\n').encode()
    blocks = [np.asarray(c).astype(c.dtype.newbyteorder('<')).tobytes() for c in columns]
    if kind == 'binary_compressed':
        plain = b''.join(blocks)
        packed = lzf_literals(plain)
        return head.encode() + struct.pack('<II', len(packed), len(plain)) + packed
    rows = [b''.join(block[4 * i : 4 * i + 4] for block in blocks) for i in range(count)]
    return head.encode() + b''.join(rows)


# ---------------------------------------------------------------------------- OBJ


def make_obj() -> bytes:
    lines = ['# by hand', 'mtllib none.mtl', 'o thing']
    for point, color in zip(POINTS, COLORS / 255, strict=True):
        lines.append('v ' + ' '.join(f'{v:.6f}' for v in (*point, *color)))
    lines += ['vt 0.5 0.5', 'vn 0 0 1', 's off', 'usemtl x']
    lines += [f'f {a + 1}/1/1 {b + 1}/1/1 {c + 1}/1/1' for a, b, c in FACES]
    return ('\n'.join(lines) + '\n').encode()


# ---------------------------------------------------------------------------- LAS


def make_las(count: int | None = None, num_vlrs: int = 0, start: int = 227) -> bytes:
    """LAS 1.2, point format 2 (with colours): millimetres, offset (400000, 5000000, 0)."""
    rows = b''.join(
        struct.pack('<iiiHBBbBHHHH', *(round(v * 1000) for v in point), 100 + i, 0, 2 + i, 0, 0, 0,
                    *(int(v) * 257 for v in color))
        for i, (point, color) in enumerate(zip(POINTS.tolist(), COLORS, strict=True))
    )  # fmt: skip
    count = len(POINTS) if count is None else count
    head = struct.pack('<4sHHIHH8sBB', b'LASF', 0, 0, 0, 0, 0, bytes(8), 1, 2)
    head += struct.pack('<32s32sHHHII', b'hand', b'hand', 1, 2020, 227, start, num_vlrs)
    head += struct.pack('<BHI5I', 2, 26, count, count, 0, 0, 0, 0)
    head += struct.pack('<6d', 1e-3, 1e-3, 1e-3, 4e5, 5e6, 0)
    low, high = POINTS.min(axis=0).tolist(), POINTS.max(axis=0).tolist()
    head += struct.pack('<6d', *(v for pair in zip(high, low, strict=True) for v in pair))
    assert len(head) == 227
    return head + rows


# ---------------------------------------------------------------------------- glTF


def pack_glb(content: dict, body: bytes) -> bytes:
    text = json.dumps(content).encode()
    text += b' ' * (-len(text) % 4)
    body += bytes(-len(body) % 4)
    chunks = struct.pack('<II', len(text), 0x4E4F534A) + text
    chunks += struct.pack('<II', len(body), 0x004E4942) + body
    return struct.pack('<4sII', b'glTF', 2, 12 + len(chunks)) + chunks


def gltf_content() -> tuple[dict, bytes]:
    """POINTS as a mesh of FACES with white, 8-bit colours; JSON and buffer."""
    faces = np.array(FACES, '<u2')
    colors = np.concatenate([COLORS, np.full((5, 1), 255, np.uint8)], axis=1)
    blocks = [POINTS.astype('<f4').tobytes(), colors.tobytes(), faces.tobytes()]
    starts = np.cumsum([0, *map(len, blocks)]).tolist()
    views = [
        {'buffer': 0, 'byteOffset': s, 'byteLength': len(b)}
        for s, b in zip(starts, blocks, strict=False)
    ]
    content = {
        'asset': {'version': '2.0'},
        'scene': 0,
        'scenes': [{'nodes': [0]}],
        'nodes': [{'mesh': 0}],
        'meshes': [
            {'primitives': [{'attributes': {'POSITION': 0, 'COLOR_0': 1}, 'indices': 2}]},
        ],
        'accessors': [
            {'bufferView': 0, 'componentType': 5126, 'count': 5, 'type': 'VEC3'},
            {'bufferView': 1, 'componentType': 5121, 'count': 5, 'type': 'VEC4',
             'normalized': True},
            {'bufferView': 2, 'componentType': 5123, 'count': 9, 'type': 'SCALAR'},
        ],
        'bufferViews': views,
        'buffers': [{'byteLength': starts[-1]}],
    }  # fmt: skip
    return content, b''.join(blocks)


def make_glb() -> bytes:
    return pack_glb(*gltf_content())
