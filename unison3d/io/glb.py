"""GLB files with one node per object, for Blender and the viewers of the web.

A root node holds the place of the scene in the world; below it every part is a node of its own with
its name, and with whatever is known about it as custom properties (``extras``). Metres, y up and
linear vertex colours, as glTF demands; Blender turns all three back.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write
from unison3d.io.gltf import Z_UP
from unison3d.io.gltf_colors import srgb_to_linear
from unison3d.io.json_files import to_plain

__all__ = ['GlbPart', 'write_glb']

_FLOAT, _UINT, _USHORT = 5126, 5125, 5123
_VERTICES, _INDICES = 34962, 34963
_MAX_BYTES = (1 << 32) - 1


@dataclass
class GlbPart:
    """One node of a file.

    Args:
        name: of the node; names may repeat, Blender numbers them.
        points: (N, 3), metres, z up, relative to the origin of the file. N may be 0.
        colors: float in [0, 1] or uint8, (N, 3) sRGB, or None.
        normals: (N, 3) or None.
        faces: (F, 3) into ``points``; without any the part is a set of points.
        extras: further facts, ready for JSON. ``instance`` (a number) and ``class`` (a name) are
            read back by :func:`unison3d.io.read_gltf`.
    """

    name: str
    points: np.ndarray
    colors: np.ndarray | None = None
    normals: np.ndarray | None = None
    faces: np.ndarray | None = None
    extras: dict[str, Any] = field(default_factory=dict)


def write_glb(
    path: str | os.PathLike[str],
    parts: Sequence[GlbPart],
    *,
    name: str = 'scene',
    origin: np.ndarray | None = None,
) -> Path:
    """Write parts as the nodes of one scene, atomically.

    Coordinates are stored in single precision relative to ``origin``, which the root node carries
    in double precision.

    Args:
        path: the file, ending in ``.glb``.
        parts: one per node. A part without points becomes a node without a mesh.
        name: of the root node.
        origin: (3,), metres, z up: the world position of the points' zero.

    Returns:
        the path.

    Raises:
        FileFormatError: another ending, arrays that do not fit together, numbers that are not
            finite, or more than the 4 GB that the format can hold.
    """
    path = Path(path)
    if path.suffix.lower() != '.glb':
        raise FileFormatError(f'{path}: expected an ending of .glb.')
    builder = _Builder(path)
    root: dict[str, Any] = {'name': name}
    nodes = [root]
    for part in parts:
        node: dict[str, Any] = {'name': part.name}
        if part.extras:
            node['extras'] = to_plain(part.extras)
        if len(part.points):
            node['mesh'] = builder.add_mesh(part)
        nodes.append(node)
    if len(nodes) > 1:
        root['children'] = list(range(1, len(nodes)))
    if origin is not None and np.any(origin):
        root['translation'] = (Z_UP.T @ np.asarray(origin, np.float64)).tolist()
    content = {
        'asset': {'version': '2.0', 'generator': 'unison3d'},
        'scene': 0,
        'scenes': [{'nodes': [0]}],
        'nodes': nodes,
    }
    text, body = builder.finish(content)
    chunks = struct.pack('<II', len(text), 0x4E4F534A) + text
    if body:
        chunks += struct.pack('<II', len(body), 0x004E4942) + body
    if 12 + len(chunks) > _MAX_BYTES:
        raise FileFormatError(f'{path}: {len(chunks):,} bytes; GLB holds 4 GB. Save as .ply.')
    with atomic_write(path) as file:
        file.write(struct.pack('<4sII', b'glTF', 2, 12 + len(chunks)))
        file.write(chunks)
    return path


class _Builder:
    """Collects meshes with their numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meshes: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.blocks: list[bytes] = []
        self.length = 0

    def add_mesh(self, part: GlbPart) -> int:
        points = self._checked(part, 'points') @ Z_UP
        attributes = {'POSITION': self._add(points.astype('<f4'), _FLOAT, 'VEC3', bounds=True)}
        if part.normals is not None:
            normals = self._checked(part, 'normals') @ Z_UP
            length = np.linalg.norm(normals, axis=1, keepdims=True)
            # The format knows unit normals only; where there is none, up is as good as any.
            normals = np.where(length > 0, normals / np.where(length > 0, length, 1), (0, 1, 0))
            attributes['NORMAL'] = self._add(normals.astype('<f4'), _FLOAT, 'VEC3')
        if part.colors is not None:
            scale = 255.0 if np.asarray(part.colors).dtype == np.uint8 else 1.0
            light = srgb_to_linear(np.clip(self._checked(part, 'colors') / scale, 0.0, 1.0))
            # 16 bits, since 8 would merge dark colours; a fourth value keeps rows aligned.
            table = np.full((len(light), 4), 65535, '<u2')
            table[:, :3] = np.rint(light * 65535)
            attributes['COLOR_0'] = self._add(table, _USHORT, 'VEC4', normalized=True)
        primitive: dict[str, Any] = {'attributes': attributes, 'material': 0, 'mode': 0}
        if part.faces is not None and len(part.faces):
            faces = np.asarray(part.faces).reshape(-1)
            if faces.min() < 0 or faces.max() >= len(points):
                raise FileFormatError(
                    f'{self.path}: part "{part.name}" has faces from {faces.min()} to '
                    f'{faces.max()} for {len(points):,} points.'
                )
            primitive['indices'] = self._add(faces.astype('<u4')[:, None], _UINT, 'SCALAR')
            primitive['mode'] = 4
        self.meshes.append({'name': part.name, 'primitives': [primitive]})
        return len(self.meshes) - 1

    def _checked(self, part: GlbPart, field_name: str) -> np.ndarray:
        array = np.asarray(getattr(part, field_name), np.float64)
        if array.shape != (len(part.points), 3) or not np.isfinite(array).all():
            raise FileFormatError(
                f'{self.path}: {field_name} of part "{part.name}" have shape {array.shape} or hold '
                f'numbers that are not finite, expected ({len(part.points)}, 3) finite ones.'
            )
        return array

    def _add(
        self, table: np.ndarray, code: int, kind: str, *, bounds: bool = False, **facts: Any
    ) -> int:
        # Every row is a multiple of 4 bytes, so all blocks stay aligned without padding.
        block = np.ascontiguousarray(table).tobytes()
        target = _INDICES if kind == 'SCALAR' else _VERTICES
        self.views.append(
            {'buffer': 0, 'byteOffset': self.length, 'byteLength': len(block), 'target': target}
        )
        entry = {'bufferView': len(self.views) - 1, 'componentType': code, 'count': len(table)}
        entry |= {'type': kind, **facts}
        if bounds:
            entry['min'], entry['max'] = table.min(axis=0).tolist(), table.max(axis=0).tolist()
        self.accessors.append(entry)
        self.blocks.append(block)
        self.length += len(block)
        return len(self.accessors) - 1

    def finish(self, content: dict[str, Any]) -> tuple[bytes, bytes]:
        """The JSON, padded as the format wants it, and the numbers."""
        if self.meshes:
            # A scan brings its light along; a renderer should not add any.
            material = {
                'name': 'scan',
                'pbrMetallicRoughness': {'metallicFactor': 0.0, 'roughnessFactor': 1.0},
                'extensions': {'KHR_materials_unlit': {}},
                'doubleSided': True,
            }
            content |= {
                'extensionsUsed': ['KHR_materials_unlit'],
                'materials': [material],
                'meshes': self.meshes,
                'accessors': self.accessors,
                'bufferViews': self.views,
                'buffers': [{'byteLength': self.length}],
            }
        text = json.dumps(content, ensure_ascii=False, allow_nan=False).encode('utf-8')
        return text + b' ' * (-len(text) % 4), b''.join(self.blocks)
