"""Even samples on boxes, cones, discs and sheets, in the frame of their object.

Every sampler takes the rows (R, ...) of its family as ``primitives`` records them, the areas that
get samples, (R,) or (R, 6) for the faces of boxes, and a density; it returns the int32 (N,) row of
every sample, float points (N, 3), normals (N, 3) of any length, and (N, 2) metres along the
surface.

Powers and waves are numpy's and the rest is compiled: sines of compiled code differ from numpy's
in the last bit, and seeds of published rooms have to give the same rooms.
"""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

# Steps of the two-dimensional low-discrepancy (R2) sequence: even coverage without a grid.
_STEP_U, _STEP_V = 0.7548776662466927, 0.5698402909980532


@kernel
def _fill(counts, shift, step_u, step_v, owner, u, v):
    at = 0
    for k in range(len(counts)):
        for i in range(counts[k]):
            x, y = shift[k, 0] + i * step_u, shift[k, 1] + i * step_v
            owner[at], u[at], v[at] = k, x - np.floor(x), y - np.floor(y)
            at += 1


def _spread(area: np.ndarray, density: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Turn areas into sample counts; return owner int32 (N,), u and v float32 (N,)."""
    counts = np.floor(area * density + rng.random(area.shape)).astype(np.int64).ravel()
    shift = rng.random((counts.size, 2))
    n = int(counts.sum())
    owner, u, v = np.empty(n, np.int32), np.empty(n, np.float32), np.empty(n, np.float32)
    _fill(counts, shift, _STEP_U, _STEP_V, owner, u, v)
    return owner, u, v


@kernel
def _on_cube(owner, u, v, half, row, q, n, st):
    """Points and normals on the faces of the unit cube."""
    for i in range(len(owner)):
        r, face = owner[i] // 6, owner[i] % 6
        axis, sign = face // 2, np.float32(face % 2 * 2 - 1)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        row[i] = r
        q[i, axis], q[i, a], q[i, b] = sign, 2 * u[i] - 1, 2 * v[i] - 1
        n[i, axis], n[i, a], n[i, b] = sign, 0, 0
        st[i, 0], st[i, 1] = 2 * u[i] * half[r, a], 2 * v[i] * half[r, b]


@kernel
def _on_boxes(row, q, n, half, taper, turn, place, points, normals):
    """From the unit cube to tapered and turned boxes; ``n`` is overwritten."""
    one = np.float32(1)
    for i in range(len(row)):
        r = row[i]
        h, t = half[r], turn[r]
        top = (q[i, 2] + one) / np.float32(2)
        slope_x = (one - taper[r, 0]) * h[0] / (np.float32(2) * h[2])
        slope_y = (one - taper[r, 1]) * h[1] / (np.float32(2) * h[2])
        n[i, 2] += abs(n[i, 0]) * slope_x + abs(n[i, 1]) * slope_y
        x = q[i, 0] * (one + (taper[r, 0] - one) * top) * h[0]
        y = q[i, 1] * (one + (taper[r, 1] - one) * top) * h[1]
        z = q[i, 2] * h[2]
        for d in range(3):
            points[i, d] = (t[d, 0] * x + t[d, 1] * y + t[d, 2] * z) + place[r, d]
            normals[i, d] = t[d, 0] * n[i, 0] + t[d, 1] * n[i, 1] + t[d, 2] * n[i, 2]


def _sample_box(r: np.ndarray, area: np.ndarray, density: float, rng: np.random.Generator):
    owner, u, v = _spread(area, density, rng)
    half = r[:, 12:15].astype(np.float32)
    row, st = np.empty(len(owner), np.int32), np.empty((len(owner), 2), np.float32)
    q, n = np.empty((len(owner), 3), np.float32), np.empty((len(owner), 3), np.float32)
    _on_cube(owner, u, v, half, row, q, n, st)
    power = r[:, 15].astype(np.float32)[row]
    soft = np.flatnonzero(power > 0)
    if len(soft):
        k = power[soft, None]
        mag = np.abs(q[soft])
        q[soft] *= (mag**k).sum(1, keepdims=True) ** (-1 / k)
        n[soft] = np.sign(q[soft]) * np.abs(q[soft]) ** (k - 1) / half[row[soft]]
    points, normals = np.empty(q.shape), np.empty(q.shape, np.float32)
    taper, turn = r[:, 16:18].astype(np.float32), r[:, 3:12].reshape(-1, 3, 3).astype(np.float32)
    _on_boxes(row, q, n, half, taper, turn, r[:, :3], points, normals)
    return row, points, normals, st


def _sample_cone(r: np.ndarray, area: np.ndarray, density: float, rng: np.random.Generator):
    length = np.linalg.norm(r[:, 3:6], axis=1)
    row, u, v = _spread(area, density, rng)
    angle = 2 * np.pi * u
    out = np.cos(angle)[:, None] * r[row, 6:9] + np.sin(angle)[:, None] * r[row, 9:12]
    radius = r[row, 12] + (r[row, 13] - r[row, 12]) * v
    p = r[row, :3] + v[:, None] * r[row, 3:6] + radius[:, None] * out
    lean = ((r[:, 12] - r[:, 13]) / np.maximum(length, 1e-6) ** 2)[row]
    st = np.stack([angle * radius, v * length[row]], 1)
    return row, p, out + lean[:, None] * r[row, 3:6], st


def _sample_disc(r: np.ndarray, area: np.ndarray, density: float, rng: np.random.Generator):
    normal = np.cross(r[:, 3:6], r[:, 6:9])
    row, u, v = _spread(area, density, rng)
    radius, angle = np.sqrt(u), 2 * np.pi * v
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    p = r[row, :3] + x[:, None] * r[row, 3:6] + y[:, None] * r[row, 6:9]
    st = np.stack(
        [x * np.linalg.norm(r[row, 3:6], axis=1), y * np.linalg.norm(r[row, 6:9], axis=1)], 1
    )
    return row, p, normal[row], st


@kernel
def _on_sheets(row, u, v, r, normal, lengths, waves, points, normals, st):
    """Waves (N, 3): offset along the normal, slope along both edges."""
    for i in range(len(row)):
        k = row[i]
        st[i, 0], st[i, 1] = u[i] * lengths[k, 0], v[i] * lengths[k, 1]
        offset, du, dv = waves[i]
        for d in range(3):
            a, b = r[k, 3 + d], r[k, 6 + d]
            points[i, d] = r[k, d] + u[i] * a + v[i] * b + offset * normal[k, d]
            normals[i, d] = normal[k, d] - du * a - dv * b


def _sample_sheet(r: np.ndarray, area: np.ndarray, density: float, rng: np.random.Generator):
    normal = np.cross(r[:, 3:6], r[:, 6:9])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    lengths = np.stack([np.linalg.norm(r[:, 3:6], axis=1), np.linalg.norm(r[:, 6:9], axis=1)], 1)
    row, u, v = _spread(area, density, rng)
    waves = np.zeros((len(row), 3))
    # Most sheets, walls and floors among them, are flat.
    rows = np.flatnonzero(((r[:, 9] != 0) | (r[:, 12] != 0))[row])
    wave, folds, phase, bend, flare = r[row[rows], 9:14].T
    la, lb = np.maximum(lengths[row[rows]], 1e-6).T
    turn = 2 * np.pi * folds * u[rows] + phase
    grow = 1 + flare * (2 * v[rows] - 1)
    waves[rows, 0] = wave * grow * np.sin(turn) + bend * 4 * v[rows] * (1 - v[rows])
    waves[rows, 1] = wave * grow * np.cos(turn) * 2 * np.pi * folds / la**2
    waves[rows, 2] = (bend * (4 - 8 * v[rows]) + wave * 2 * flare * np.sin(turn)) / lb**2
    points, normals = np.empty(waves.shape), np.empty(waves.shape)
    st = np.empty((len(row), 2), np.float32)
    _on_sheets(row, u, v, r, normal, lengths, waves, points, normals, st)
    return row, points, normals, st


SAMPLERS = {'box': _sample_box, 'cone': _sample_cone, 'disc': _sample_disc, 'sheet': _sample_sheet}


@kernel
def to_world(p, n, row, owner, cos, sin, move):
    """Turn and move samples of objects into the room.

    Args:
        p: float (N, 3) points in the frames of the objects.
        n: float (N, 3) normals of any length.
        row: int32 (N,) primitive.
        owner: int (R,) object of every primitive.
        cos: float32 (M,) of the heading of every object; likewise ``sin``.
        sin: see above.
        move: float32 (M, 3).

    Returns:
        Points and unit normals, float32 (N, 3).
    """
    points, normals = np.empty((len(row), 3), np.float32), np.empty((len(row), 3), np.float32)
    for i in range(len(row)):
        k = owner[row[i]]
        c, s = cos[k], sin[k]
        points[i, 0] = np.float32(c * p[i, 0] - s * p[i, 1]) + move[k, 0]
        points[i, 1] = np.float32(s * p[i, 0] + c * p[i, 1]) + move[k, 1]
        points[i, 2] = np.float32(p[i, 2]) + move[k, 2]
        x, y = np.float32(c * n[i, 0] - s * n[i, 1]), np.float32(s * n[i, 0] + c * n[i, 1])
        z = np.float32(n[i, 2])
        length = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-9))
        normals[i, 0], normals[i, 1], normals[i, 2] = x / length, y / length, z / length
    return points, normals
