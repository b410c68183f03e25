"""glTF 2.0 scenes (``.glb``, ``.gltf``) as raw scenes.

All meshes of the default scene become one cloud or mesh: node transforms are applied, and y up (the
rule of glTF) is turned to z up, (x, y, z) -> (x, -z, y). Colours are the product of colour
attribute, material colour and base colour texture at each vertex. Lines, skins, morph targets and
lights are passed over. Instances come back from files that :func:`unison3d.io.write_glb` wrote.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from unison3d.errors import FileFormatError
from unison3d.io.gltf_colors import vertex_colors
from unison3d.io.gltf_document import GltfDocument
from unison3d.io.raw_scene import RawScene

__all__ = ['Z_UP', 'read_gltf']

#: Maps the y-up axes of glTF to our z-up ones; its transpose maps back.
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6
#: Several nodes may show one mesh. Beyond what the file can store, this many rows may come of it.
_MAX_REPEATED = 1 << 24

#: What a document with entries of wrong types can end in.
_CONTENT_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def read_gltf(path: str | os.PathLike[str]) -> RawScene:
    """Read a ``.glb`` or ``.gltf`` file.

    Raises:
        FileFormatError: missing, truncated, damaged, compressed (Draco, meshopt), or without
            triangles and points.
    """
    path = Path(path)
    document = GltfDocument(path)
    try:
        return _read(document)
    except _CONTENT_ERRORS as error:
        raise FileFormatError(
            f'{path}: an entry of its JSON has a wrong form ({type(error).__name__}: '
            f'{str(error)[:120]}). The file is damaged; export it again.'
        ) from error


def _read(document: GltfDocument) -> RawScene:
    parts: list[dict[str, Any]] = []
    names: dict[int, str] = {}
    pictures: dict[Any, np.ndarray] = {}
    rows = lines = 0
    for node, matrix in _nodes(document):
        if 'mesh' not in node:
            continue
        instance = _instance(node, names)
        for primitive in document.item('meshes', node['mesh'])['primitives']:
            if primitive.get('mode', _TRIANGLES) not in (_POINTS, _TRIANGLES, _STRIP, _FAN):
                lines += 1
                continue
            part = _primitive(document, primitive, matrix, pictures)
            part['instance'] = np.full(len(part['points']), instance, np.int64)
            parts.append(part)
            rows += len(part['points']) + len(part['faces'])
            # A vertex and a face take more than one byte each where they are stored.
            if rows > 2 * document.size + _MAX_REPEATED:
                raise FileFormatError(
                    f'{document.path}: shows its meshes so often that more than {rows:,} vertices '
                    f'and faces come of {document.size:,} bytes. Export a part of the scene.'
                )
    if lines:
        print_log(f'{document.path}: {lines} sets of lines are left out.', logger='current')
    if not parts:
        raise FileFormatError(f'{document.path}: its scene holds no triangles and no points.')
    return _joined(parts, names)


def _instance(node: dict[str, Any], names: dict[int, str]) -> int:
    """The instance that our writer noted at the node, -1 for none; its name is kept."""
    extras = node.get('extras')
    number = extras.get('instance') if isinstance(extras, dict) else None
    if type(number) is not int or not 0 <= number < 1 << 20:
        return -1
    names[number] = str(extras.get('class', ''))
    return number


def _nodes(document: GltfDocument) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Every node of the default scene with its float64 (4, 4) transform to the world."""
    content = document.content
    if content.get('scenes'):
        roots = document.item('scenes', content.get('scene', 0)).get('nodes', [])
    else:
        everything = range(len(content.get('nodes', [])))
        children = {c for i in everything for c in document.item('nodes', i).get('children', [])}
        roots = [i for i in everything if i not in children]
    stack = [(index, np.eye(4)) for index in reversed(roots)]
    seen: set[int] = set()
    while stack:
        index, parent = stack.pop()
        node = document.item('nodes', index)
        if index in seen:
            raise FileFormatError(
                f'{document.path}: node {index} hangs below two others or below itself. The file '
                'is damaged.'
            )
        seen.add(index)
        matrix = parent @ _local(node, f'{document.path}, node {index}')
        yield node, matrix
        stack += [(child, matrix) for child in reversed(node.get('children', []))]


def _local(node: dict[str, Any], where: str) -> np.ndarray:
    """float64, (4, 4): the transform of a node to its parent."""
    if 'matrix' in node:
        matrix = np.array(node['matrix'], np.float64).reshape(4, 4).T
    else:
        matrix = np.eye(4)
        x, y, z, w = (float(value) for value in node.get('rotation', (0, 0, 0, 1)))
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        scale = np.array(node.get('scale', (1, 1, 1)), np.float64).reshape(3)
        matrix[:3, :3] = rotation * scale
        matrix[:3, 3] = np.array(node.get('translation', (0, 0, 0)), np.float64).reshape(3)
    if not np.isfinite(matrix).all():
        raise FileFormatError(f'{where}: its transform is not finite. The file is damaged.')
    return matrix


def _primitive(
    document: GltfDocument,
    primitive: dict[str, Any],
    matrix: np.ndarray,
    pictures: dict[Any, np.ndarray],
) -> dict[str, Any]:
    attributes = primitive['attributes']
    points = _rows(document, attributes['POSITION'], None)
    count = len(points)
    to_world = Z_UP @ matrix[:3, :3]
    part: dict[str, Any] = {
        'points': points.astype(np.float64) @ to_world.T + Z_UP @ matrix[:3, 3],
        'colors': vertex_colors(document, primitive, count, pictures),
    }
    if 'NORMAL' in attributes:
        # Normals turn with the cofactors, which exist where the inverse does not.
        a, b, c = to_world
        cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
        part['normals'] = _rows(document, attributes['NORMAL'], count) @ cofactors.T
    indices = None
    if 'indices' in primitive:
        indices = document.accessor(primitive['indices'])[:, 0].astype(np.int64)
        if len(indices) and indices.max() >= count:
            raise FileFormatError(
                f'{document.path}: a face names vertex {indices.max():,} of {count:,}, counted '
                'from 0. The file is damaged; export it again.'
            )
    mode = primitive.get('mode', _TRIANGLES)
    if mode == _POINTS:
        if indices is not None:
            part = {name: None if a is None else a[indices] for name, a in part.items()}
        part['faces'] = np.zeros((0, 3), np.int64)
    else:
        part['faces'] = _triangles(np.arange(count) if indices is None else indices, mode)
    return part


def _rows(document: GltfDocument, index: Any, count: int | None) -> np.ndarray:
    table = document.accessor(index)
    if table.shape[1] != 3 or (count is not None and len(table) != count):
        raise FileFormatError(
            f'{document.path}: accessor {index} has shape {table.shape}, expected 3 numbers for '
            f'each {"vertex" if count is None else f"of {count:,} vertices"}.'
        )
    return table


def _triangles(indices: np.ndarray, mode: int) -> np.ndarray:
    if mode == _TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    first, second, third = indices[:-2], indices[1:-1], indices[2:]
    if mode == _FAN:
        return np.stack([np.broadcast_to(indices[:1], third.shape), second, third], axis=1)
    # In a strip every other triangle runs the other way round.
    odd = np.arange(len(third)) % 2 == 1
    return np.stack([np.where(odd, second, first), np.where(odd, first, second), third], axis=1)


def _joined(parts: list[dict[str, Any]], names: dict[int, str]) -> RawScene:
    counts = [len(part['points']) for part in parts]
    starts = np.cumsum([0, *counts[:-1]])
    faces = np.concatenate([p['faces'] + start for p, start in zip(parts, starts, strict=True)])
    colors = None
    if any(part['colors'] is not None for part in parts):
        # White is what glTF shows where nothing is said.
        white = [np.ones((count, 3), np.float32) for count in counts]
        given = [part['colors'] for part in parts]
        colors = np.concatenate([w if c is None else c for c, w in zip(given, white, strict=True)])
    normals = None
    if all('normals' in part for part in parts):
        normals = np.concatenate([part['normals'] for part in parts])
    scene = RawScene(np.concatenate([p['points'] for p in parts]), colors, normals)
    scene.faces = faces if len(faces) else None
    if names:
        scene.instance_ids = np.concatenate([part['instance'] for part in parts])
        scene.instance_names = tuple(names.get(i, '') for i in range(max(names) + 1))
    return scene
