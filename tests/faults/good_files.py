"""Good files in every format; see :mod:`tests.faults.bad_files` for how they are broken."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.test_io.format_samples import (
    COLORS,
    POINTS,
    gltf_content,
    make_glb,
    make_las,
    make_obj,
    make_pcd,
)
from tests.test_io.ply_samples import POLYGONS, make_ply, vertex_rows


@dataclass
class Good:
    """A legal file.

    Args:
        name: its name, whose ending says the format.
        make: gives its content.
        needs: package without which it cannot be made or read.
        prefix: a part of the file can be a legal, shorter file (formats without any length).
        tail: bytes at the end whose loss nobody can see, such as the digits of the last number.
    """

    name: str
    make: Callable[[], bytes]
    needs: str | None = None
    prefix: bool = False
    tail: int = 0


def npy_bytes(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz_bytes(packed: bool = True, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def table() -> np.ndarray:
    return np.concatenate([POINTS, COLORS], axis=1).astype(np.float32)


def gltf_text() -> bytes:
    content, body = gltf_content()
    uri = 'data:application/octet-stream;base64,' + base64.b64encode(body).decode()
    content['buffers'][0]['uri'] = uri
    return json.dumps(content).encode()


@cache
def laz_bytes() -> bytes:
    import laspy

    las = laspy.read(io.BytesIO(make_las()))
    file = io.BytesIO()
    las.write(file, do_compress=True, laz_backend=laspy.LazBackend.Lazrs)
    return file.getvalue()


@cache
def e57_bytes() -> bytes:
    import pye57

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'a.e57'
        file = pye57.E57(str(path), mode='w')
        file.write_scan_raw({f'cartesian{a}': POINTS[:, i] for i, a in enumerate('XYZ')})
        file.close()
        return path.read_bytes()


GOOD = [
    Good('ascii.ply', lambda: make_ply('ascii', vertex_rows(), faces=POLYGONS), tail=2),
    Good('little.ply', lambda: make_ply('binary_little_endian', vertex_rows(), faces=POLYGONS)),
    Good('big.ply', lambda: make_ply('binary_big_endian', vertex_rows(), faces=POLYGONS)),
    Good('cloud.ply', lambda: make_ply('binary_little_endian', vertex_rows())),
    Good('table.npy', lambda: npy_bytes(table())),
    Good('packed.npz', lambda: npz_bytes(points=POINTS, colors=COLORS)),
    Good('stored.npz', lambda: npz_bytes(False, points=POINTS, colors=COLORS)),
    Good('table.bin', lambda: table().tobytes(), prefix=True),
    Good('ascii.pcd', lambda: make_pcd('ascii'), tail=2),
    Good('binary.pcd', lambda: make_pcd('binary')),
    Good('compressed.pcd', lambda: make_pcd('binary_compressed')),
    Good('airborne.las', make_las, needs='laspy'),
    Good('airborne.laz', laz_bytes, needs='lazrs'),
    Good('scanner.e57', e57_bytes, needs='pye57'),
    Good('mesh.obj', make_obj, prefix=True),
    Good('mesh.glb', make_glb),
    Good('mesh.gltf', gltf_text),
]
