"""The primitives of a scene as triangles, for drawing images of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .primitives import FAMILIES
from .rooms import Room

_ROUND_STEPS = 5  # cells along the side of a rounded box
_MAX_FOLD_STEPS = 72


@dataclass
class Triangles:
    """All triangles of a room, counter-clockwise seen from outside.

    Attributes:
        corners: float32 (T, 3, 3), metres, room frame.
        st: float32 (T, 3, 2), metres along the surface, for patterns.
        primitive: int32 (T,), row of the arrays below.
        color: float32 (P, 3) albedo in [0, 1].
        second: float32 (P, 3), colour of the pattern.
        material: int8 (P,), pattern constants of ``materials``.
        color_name: int8 (P,), index into ``COLOR_NAMES``.
        object: int32 (P,), index into ``room.objects``.
        part: int32 (P,), part id within the object.
        two_sided: bool (P,).
    """

    corners: np.ndarray
    st: np.ndarray
    primitive: np.ndarray
    color: np.ndarray
    second: np.ndarray
    material: np.ndarray
    color_name: np.ndarray
    object: np.ndarray
    part: np.ndarray
    two_sided: np.ndarray


def _grid(steps_u: int, steps_v: int) -> np.ndarray:
    """Corners (2 * steps_u * steps_v, 3, 2) of triangles that tile the unit square."""
    v, u = np.mgrid[:steps_v, :steps_u]
    low = np.stack([u.ravel(), v.ravel()], 1)[:, None]
    first = low + np.array([[0, 0], [1, 0], [1, 1]])
    second = low + np.array([[0, 0], [1, 1], [0, 1]])
    return np.concatenate([first, second]) / np.array([steps_u, steps_v])


def _boxes(rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, k, 3, 3) and pattern coordinates (n, k, 3, 2) of box rows."""
    half, power, taper = rows[:, 12:15], rows[:, 15], rows[:, 16:18]
    points, st = [], []
    for face in range(6):
        axis, sign = face // 2, face % 2 * 2 - 1
        uv = 2 * _grid(steps, steps) - 1
        uv = uv[:, ::sign]  # clockwise on the low side
        q = np.empty((*uv.shape[:2], 3))
        q[..., axis], q[..., (axis + 1) % 3], q[..., (axis + 2) % 3] = sign, uv[..., 0], uv[..., 1]
        q = np.repeat(q[None], len(rows), 0)
        along = half[:, [(axis + 1) % 3, (axis + 2) % 3]]
        st.append((q[..., [(axis + 1) % 3, (axis + 2) % 3]] + 1) * along[:, None, None])
        soft = power > 0
        k = power[soft, None, None, None]
        q[soft] *= (np.abs(q[soft]) ** k).sum(-1, keepdims=True) ** (-1 / k)
        q[..., :2] *= 1 + (taper[:, None, None] - 1) * (q[..., 2:] + 1) / 2
        points.append(q * half[:, None, None])
    turn = rows[:, 3:12].reshape(-1, 3, 3)
    local = np.concatenate(points, 1)
    return (
        np.einsum('nij,nkcj->nkci', turn, local) + rows[:, None, None, :3],
        np.concatenate(st, 1),
    )


def _cones(rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    uv = _grid(steps, 1)
    angle, v = 2 * np.pi * uv[..., 0], uv[..., 1]
    p, h, side, other = (rows[:, None, None, k : k + 3] for k in (0, 3, 6, 9))
    radius = rows[:, None, None, 12] + (rows[:, 13] - rows[:, 12])[:, None, None] * v
    out = np.cos(angle)[..., None] * side + np.sin(angle)[..., None] * other
    length = np.linalg.norm(rows[:, 3:6], axis=1)[:, None, None]
    st = np.stack([angle * radius, np.broadcast_to(v, radius.shape) * length], -1)
    return p + v[..., None] * h + radius[..., None] * out, st


def _discs(rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    angle = 2 * np.pi * np.arange(steps + 1) / steps
    rim = np.stack([np.cos(angle), np.sin(angle)], 1)
    xy = np.stack([np.zeros((steps, 2)), rim[:-1], rim[1:]], 1)
    c, u, v = (rows[:, None, None, k : k + 3] for k in (0, 3, 6))
    lengths = np.stack([np.linalg.norm(rows[:, k : k + 3], axis=1) for k in (3, 6)], 1)
    return c + xy[..., :1] * u + xy[..., 1:] * v, xy * lengths[:, None, None]


def _sheets(rows: np.ndarray, steps: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    uv = _grid(*steps)
    o, a, b = (rows[:, None, None, k : k + 3] for k in (0, 3, 6))
    normal = np.cross(rows[:, 3:6], rows[:, 6:9])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    wave, folds, phase, bend, flare = (rows[:, None, None, k] for k in range(9, 14))
    u, v = uv[..., 0], uv[..., 1]
    offset = wave * (1 + flare * (2 * v - 1)) * np.sin(2 * np.pi * folds * u + phase)
    offset = offset + bend * 4 * v * (1 - v)
    lengths = np.stack([np.linalg.norm(rows[:, k : k + 3], axis=1) for k in (3, 6)], 1)
    points = o + u[..., None] * a + v[..., None] * b + offset[..., None] * normal[:, None, None]
    return points, uv * lengths[:, None, None]


def _fineness(family: str, rows: np.ndarray) -> list:
    """How finely every row is cut: the argument of the function of its family."""
    if family == 'box':
        return [_ROUND_STEPS if power > 0 else 1 for power in rows[:, 15]]
    if family == 'cone':
        return [8 if r < 0.03 else 12 if r < 0.12 else 20 for r in rows[:, 12:14].max(1)]
    if family == 'disc':
        reach = np.linalg.norm(rows[:, 3:9].reshape(-1, 2, 3), axis=2).max(1)
        return [8 if r < 0.03 else 12 if r < 0.12 else 20 for r in reach]
    out = []
    for wave, folds, _, bend, flare in rows[:, 9:14]:
        across = int(min(_MAX_FOLD_STEPS, max(6, np.ceil(8 * abs(folds))))) if wave else 1
        out.append((across, 6 if bend or (wave and flare) else 1))
    return out


_CUTTERS = {'box': _boxes, 'cone': _cones, 'disc': _discs, 'sheet': _sheets}


def triangulate(room: Room, *, without: tuple[str, ...] = ()) -> Triangles:
    """Cut the surfaces of a room into triangles.

    Args:
        room: what to cut.
        without: kinds of objects to leave out, such as ``'ceiling'``.
    """
    corners, st, owners, attributes, objects = [], [], [], [], []
    count = 0
    for family in FAMILIES:
        rows, owner = [], []
        for index, thing in enumerate(room.objects):
            if thing.kind not in without and thing.shape.rows[family]:
                rows += thing.shape.rows[family]
                owner += [index] * len(thing.shape.rows[family])
                attributes += thing.shape.attrs[family]
        if not rows:
            continue
        objects += owner
        table, owner = np.array(rows, dtype=np.float64), np.array(owner)
        fineness = _fineness(family, table)
        for steps in sorted(set(fineness)):
            at = np.array([i for i, f in enumerate(fineness) if f == steps])
            points, along = _CUTTERS[family](table[at], steps)
            points = _to_room(points, [room.objects[k].pose for k in owner[at]])
            corners.append(points.reshape(-1, 3, 3).astype(np.float32))
            st.append(np.broadcast_to(along, (*points.shape[:3], 2)).reshape(-1, 3, 2))
            owners.append(np.repeat(count + at, points.shape[1]))
        count += len(rows)
    table = np.array(attributes, dtype=np.float32).reshape(-1, 10)
    return Triangles(
        np.concatenate(corners),
        np.concatenate(st).astype(np.float32),
        np.concatenate(owners).astype(np.int32),
        table[:, :3],
        table[:, 3:6],
        table[:, 6].astype(np.int8),
        table[:, 7].astype(np.int8),
        np.array(objects, dtype=np.int32),
        table[:, 8].astype(np.int32),
        table[:, 9] > 0,
    )


def _to_room(points: np.ndarray, poses: list) -> np.ndarray:
    """Points (n, k, 3, 3) of n things into the frame of the room."""
    place = np.array([pose[:4] for pose in poses])
    c, s = np.cos(place[:, 3])[:, None, None], np.sin(place[:, 3])[:, None, None]
    x, y = points[..., 0], points[..., 1]
    turned = np.stack([c * x - s * y, s * x + c * y, points[..., 2]], -1)
    return turned + place[:, None, None, :3]
