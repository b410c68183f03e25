"""PLY files as raw scenes.

Read: ascii and both binary orders; coordinates of any number type; colours as 8-bit, 16-bit or
float, with or without alpha; normals; triangles and polygons; labels under the usual names
(:mod:`unison3d.io.field_names`); superpoints under the name that :func:`write_ply` gives them.
Properties that are not known are kept in ``extra``.
Written: binary little endian, see :func:`write_ply`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write
from unison3d.io.colors import colors_to_uint8
from unison3d.io.field_names import pick, take_labels
from unison3d.io.files import read_bytes
from unison3d.io.ply_body import Columns, Ragged, read_body, triangulate
from unison3d.io.ply_header import PlyHeader, parse_header
from unison3d.io.raw_scene import RawScene

__all__ = ['read_ply', 'read_ply_faces', 'write_ply']

_COLORS = (
    ('red', 'green', 'blue'),
    ('r', 'g', 'b'),
    ('diffuse_red', 'diffuse_green', 'diffuse_blue'),
)
_NORMALS = (('nx', 'ny', 'nz'), ('normal_x', 'normal_y', 'normal_z'))
_FACES = ('vertex_indices', 'vertex_index')

#: Fields of a raw scene as they are called in our files.
_WRITTEN_LABELS = {
    'semantic_ids': 'semantic',
    'instance_ids': 'instance',
    'superpoints': 'superpoint',
    'part_ids': 'part',
}
_NAME_COMMENT = 'instance_name '
_ALIGNMENT_COMMENT = 'axis_alignment '


def read_ply(path: str | os.PathLike[str]) -> RawScene:
    """Read a PLY file.

    Raises:
        FileFormatError: missing, not PLY, truncated, a header that promises more than the file
            holds, or no x, y, z.
    """
    return read_ply_faces(path)[0]


def read_ply_faces(path: str | os.PathLike[str]) -> tuple[RawScene, Ragged | None, Columns]:
    """Read a PLY file with what stands at its faces, such as an object id.

    Returns:
        the scene as of :func:`read_ply`; corners of each polygon as they stand in the file
        (vertex indices, not checked), None where there is no face element; and the other
        properties of the faces by name, a row per polygon.

    Raises:
        FileFormatError: as :func:`read_ply`.
    """
    path = Path(path)
    data = read_bytes(path)
    header = parse_header(data, path)
    if header.element('vertex') is None:
        raise FileFormatError(f'{path}: has no vertex element, so it holds no points.')
    blocks = read_body(data, header, path)
    scene = _vertices(blocks['vertex'], path)
    columns = dict(blocks.get('face', {}))
    name = pick(columns, _FACES)
    polygons = None if name is None else columns.pop(name)
    polygons = polygons if isinstance(polygons, Ragged) else None
    scene.faces = None if polygons is None else triangulate(polygons)
    _read_comments(header, scene)
    if path.name.endswith('.labels.ply') and scene.semantic_ids is not None:
        _settle_scannet_labels(scene)
    return scene, polygons, columns


def _vertices(columns: Columns, path: Path) -> RawScene:
    scalars = {name: v for name, v in columns.items() if not isinstance(v, Ragged)}
    points = _triple(scalars, ('x', 'y', 'z'))
    if points is None:
        raise FileFormatError(
            f'{path}: vertices have {", ".join(columns) or "no properties"}, expected x, y, z.'
        )
    colors = next((c for n in _COLORS if (c := _triple(scalars, n)) is not None), None)
    normals = next((n for t in _NORMALS if (n := _triple(scalars, t)) is not None), None)
    if not scalars.keys().isdisjoint(('alpha', 'a')) and colors is not None:
        scalars.pop('alpha', None)
        scalars.pop('a', None)
    labels, used = take_labels(scalars, superpoints=_WRITTEN_LABELS['superpoints'])
    extra = {name: value for name, value in scalars.items() if name not in used}
    return RawScene(points, colors, normals, extra=extra, **labels)


def _triple(scalars: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray | None:
    """Three columns as one (N, 3) array, taken out of ``scalars``; None when one is missing."""
    found = [pick(scalars, (name,)) for name in names]
    if None in found:
        return None
    return np.stack([scalars.pop(name) for name in found], axis=1)  # type: ignore[arg-type]


def _read_comments(header: PlyHeader, scene: RawScene) -> None:
    """Instance names and alignment, as :func:`write_ply` leaves them; other comments are passed."""
    names: list[str] = []
    for comment in header.comments:
        if comment.startswith(_NAME_COMMENT):
            try:
                name = json.loads(comment.removeprefix(_NAME_COMMENT))
            except ValueError:
                continue
            names.append(str(name))
        elif comment.startswith(_ALIGNMENT_COMMENT):
            try:
                values = [float(w) for w in comment.removeprefix(_ALIGNMENT_COMMENT).split()]
            except ValueError:
                continue
            if len(values) == 16 and np.isfinite(values).all():
                scene.axis_alignment = np.array(values).reshape(4, 4)
    scene.instance_names = tuple(names) if names else None


def _settle_scannet_labels(scene: RawScene) -> None:
    """ScanNet's ``*.labels.ply`` holds NYU40 ids; its first release held another table."""
    ids = scene.semantic_ids
    if len(ids) and int(ids.max()) > 40:
        scene.extra['label'] = ids
    else:
        scene.nyu40_ids = ids
    scene.semantic_ids = None


def write_ply(
    path: str | os.PathLike[str],
    points: np.ndarray,
    *,
    colors: np.ndarray | None = None,
    normals: np.ndarray | None = None,
    faces: np.ndarray | None = None,
    superpoints: np.ndarray | None = None,
    semantic_ids: np.ndarray | None = None,
    instance_ids: np.ndarray | None = None,
    part_ids: np.ndarray | None = None,
    instance_names: Sequence[str] | None = None,
    axis_alignment: np.ndarray | None = None,
) -> Path:
    """Write a binary little-endian PLY that common viewers open, atomically.

    Args:
        path: the file; missing folders are made.
        points: (N, 3). float64 is written as double, everything else as float.
        colors: uint8 or float in [0, 1], (N, 3), or None.
        normals: (N, 3) or None.
        faces: (F, 3) or None.
        superpoints: (N,), written as int32 ``superpoint``.
        semantic_ids: (N,), written as int32 ``semantic``.
        instance_ids: (N,), written as int32 ``instance``; -1 is none.
        part_ids: (N,), written as int32 ``part``.
        instance_names: written as comments, read back by :func:`read_ply`.
        axis_alignment: (4, 4), written as a comment, read back by :func:`read_ply`.

    Returns:
        the path.

    Raises:
        FileFormatError: an array whose length differs, or ids that do not fit in 32 bits.
    """
    path = Path(path)
    rows = ply_rows(
        path,
        points,
        colors=colors,
        normals=normals,
        superpoints=superpoints,
        semantic_ids=semantic_ids,
        instance_ids=instance_ids,
        part_ids=part_ids,
    )
    triangles = None if faces is None else _triangle_rows(np.asarray(faces), path)
    head = header_text(rows.dtype, len(rows), triangles, instance_names, axis_alignment)
    with atomic_write(path) as file:
        file.write(head.encode('utf-8'))
        file.write(rows.tobytes())
        if triangles is not None:
            file.write(triangles.tobytes())
    return path


def ply_rows(
    path: Path,
    points: np.ndarray,
    *,
    colors: np.ndarray | None = None,
    normals: np.ndarray | None = None,
    superpoints: np.ndarray | None = None,
    semantic_ids: np.ndarray | None = None,
    instance_ids: np.ndarray | None = None,
    part_ids: np.ndarray | None = None,
) -> np.ndarray:
    """Vertices as they stand in the file, (N,) of named fields; see :func:`write_ply`."""
    points = np.asarray(points)
    kind = '<f8' if points.dtype == np.float64 else '<f4'
    fields: list[tuple[str, str]] = [(axis, kind) for axis in 'xyz']
    parts: list[np.ndarray] = [points.reshape(-1, 3)]
    if normals is not None:
        fields += [(f'n{axis}', '<f4') for axis in 'xyz']
        parts.append(np.asarray(normals))
    if colors is not None:
        fields += [(name, '|u1') for name in _COLORS[0]]
        parts.append(colors_to_uint8(colors))
    labels = {
        'semantic_ids': semantic_ids,
        'instance_ids': instance_ids,
        'superpoints': superpoints,
        'part_ids': part_ids,
    }
    for field, ids in labels.items():
        if ids is not None:
            fields.append((_WRITTEN_LABELS[field], '<i4'))
            parts.append(_int32(np.asarray(ids), field, path)[:, None])
    rows = np.empty(len(points), dtype=fields)
    names = iter(rows.dtype.names)
    for part in parts:
        if len(part) != len(points):
            raise FileFormatError(
                f'{path}: an array of {len(part)} rows for {len(points)} points. '
                'Give one row per point.'
            )
        for column in range(part.shape[1]):
            rows[next(names)] = part[:, column]
    return rows


def _int32(ids: np.ndarray, field: str, path: Path) -> np.ndarray:
    if ids.size and (ids.min() < -(2**31) or ids.max() >= 2**31):
        raise FileFormatError(
            f'{path}: {field} reach {ids.max()}, more than PLY holds (32 bits). Save as .npz.'
        )
    return ids.astype(np.int32)


def _triangle_rows(faces: np.ndarray, path: Path) -> np.ndarray:
    rows = np.empty(len(faces), dtype=[('count', 'u1'), ('corners', '<i4', (3,))])
    rows['count'] = 3
    rows['corners'] = _int32(faces.reshape(-1, 3), 'faces', path)
    return rows


def header_text(
    dtype: np.dtype,
    num_points: int,
    triangles: np.ndarray | None = None,
    instance_names: Sequence[str] | None = None,
    axis_alignment: np.ndarray | None = None,
) -> str:
    """The head of a file with vertices of a type (see :func:`ply_rows`) and perhaps triangles."""
    words = {'<f8': 'double', '<f4': 'float', '|u1': 'uchar', '<i4': 'int'}
    lines = ['ply', 'format binary_little_endian 1.0', 'comment written by unison3d']
    if axis_alignment is not None:
        numbers = ' '.join(repr(float(v)) for v in np.asarray(axis_alignment).reshape(-1))
        lines.append(f'comment {_ALIGNMENT_COMMENT}{numbers}')
    # JSON keeps odd names on one line of plain ascii.
    lines += [f'comment {_NAME_COMMENT}{json.dumps(str(n))}' for n in instance_names or ()]
    lines.append(f'element vertex {num_points}')
    lines += [f'property {words[dtype[name].newbyteorder("<").str]} {name}' for name in dtype.names]
    if triangles is not None:
        lines.append(f'element face {len(triangles)}')
        lines.append('property list uchar int vertex_indices')
    return '\n'.join([*lines, 'end_header', ''])
