"""Even samples on the primitives of a scene.

All shapes are sampled together, one vectorised pass per primitive family, because thousands of
small numpy calls would cost more than the geometry itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .materials import apply_pattern
from .primitives import FAMILIES, Pose, Shape

# Steps of the two-dimensional low-discrepancy (R2) sequence: even coverage without a grid.
_STEP_U, _STEP_V = 0.7548776662466927, 0.5698402909980532


@dataclass
class Samples:
    """Surface samples of a scene, one row per sample."""

    points: np.ndarray  # float32 (N, 3) metres
    normals: np.ndarray  # float32 (N, 3) unit, outward
    colors: np.ndarray  # float32 (N, 3) albedo in [0, 1]
    objects: np.ndarray  # int32 (N,) index of the shape
    parts: np.ndarray  # int32 (N,) part id inside the shape
    materials: np.ndarray  # int8 (N,)
    color_names: np.ndarray  # int8 (N,) index into COLOR_NAMES
    two_sided: np.ndarray  # bool (N,)

    def __len__(self) -> int:
        return len(self.points)

    def select(self, index: np.ndarray) -> Samples:
        return Samples(*(getattr(self, f)[index] for f in self.__dataclass_fields__))


def _spread(area: np.ndarray, density: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Turn areas into sample counts; return owner (N,), u (N,) and v (N,)."""
    counts = np.floor(area * density + rng.random(area.shape)).astype(np.int64).ravel()
    owner = np.repeat(np.arange(counts.size), counts)
    i = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    shift = rng.random((counts.size, 2))
    u = (shift[owner, 0] + i * _STEP_U) % 1.0
    v = (shift[owner, 1] + i * _STEP_V) % 1.0
    return owner, u.astype(np.float32), v.astype(np.float32)


def _sample_box(r: np.ndarray, area: np.ndarray, density: float, rng: np.random.Generator):
    half = r[:, 12:15]
    owner, u, v = _spread(area, density, rng)
    row, face = owner // 6, owner % 6
    axis, sign = face // 2, (face % 2 * 2 - 1).astype(np.float32)
    q = np.empty((len(row), 3), np.float32)
    at = np.arange(len(row))
    q[at, axis], q[at, (axis + 1) % 3], q[at, (axis + 2) % 3] = sign, 2 * u - 1, 2 * v - 1
    n = np.zeros_like(q)
    n[at, axis] = sign
    h = half[row].astype(np.float32)
    st = np.stack([u * 2 * h[at, (axis + 1) % 3], v * 2 * h[at, (axis + 2) % 3]], 1)
    power = r[row, 15].astype(np.float32)
    soft = np.flatnonzero(power > 0)
    if len(soft):
        k = power[soft, None]
        mag = np.abs(q[soft])
        q[soft] *= (mag**k).sum(1, keepdims=True) ** (-1 / k)
        n[soft] = np.sign(q[soft]) * np.abs(q[soft]) ** (k - 1) / h[soft]
    top = (q[:, 2:] + 1) / 2
    scale = 1 + (r[row, 16:18].astype(np.float32) - 1) * top
    slope = (1 - r[row, 16:18].astype(np.float32)) * h[:, :2] / (2 * h[:, 2:])
    n[:, 2] += (np.abs(n[:, :2]) * slope).sum(1)
    q[:, :2] *= scale
    turn = r[row, 3:12].reshape(-1, 3, 3).astype(np.float32)
    return (
        row,
        np.einsum('nij,nj->ni', turn, q * h) + r[row, :3],
        np.einsum('nij,nj->ni', turn, n),
        st,
    )


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


def _sample_sheet(r: np.ndarray, area: np.ndarray, density: float, rng: np.random.Generator):
    a, b = r[:, 3:6], r[:, 6:9]
    normal = np.cross(a, b)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    la, lb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    row, u, v = _spread(area, density, rng)
    wave, folds, phase, bend, flare = r[row, 9:14].T
    turn = 2 * np.pi * folds * u + phase
    grow = 1 + flare * (2 * v - 1)
    offset = wave * grow * np.sin(turn) + bend * 4 * v * (1 - v)
    du = wave * grow * np.cos(turn) * 2 * np.pi * folds / np.maximum(la[row], 1e-6) ** 2
    dv = (bend * (4 - 8 * v) + wave * 2 * flare * np.sin(turn)) / np.maximum(lb[row], 1e-6) ** 2
    p = r[row, :3] + u[:, None] * a[row] + v[:, None] * b[row] + offset[:, None] * normal[row]
    n = normal[row] - du[:, None] * a[row] - dv[:, None] * b[row]
    return row, p, n, np.stack([u * la[row], v * lb[row]], 1)


def _box_area(r: np.ndarray) -> np.ndarray:
    """Areas (n, 6) of the faces -x, +x, -y, +y, -z, +z."""
    half = r[:, 12:15]
    faces = [half[:, 1] * half[:, 2], half[:, 2] * half[:, 0], half[:, 0] * half[:, 1]]
    widest = np.maximum(1, r[:, 16:18])
    area = 4 * np.stack([faces[0] * widest[:, 1], faces[1] * widest[:, 0], faces[2]], 1)
    return np.repeat(area, 2, axis=1)


def _box_faces_seen(r: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """bool (n, 6): faces of box rows that some eye (n, E, 3), in the object frame, can look at."""
    turn = r[:, 3:12].reshape(-1, 3, 3)
    rel = np.einsum('nej,njk->nek', eyes - r[:, None, :3], turn)
    seen = np.stack([-rel.min(1), rel.max(1)], 2) > r[:, 12:15, None]
    # Rounded and tapered boxes show more than their nominal faces.
    free = ((r[:, 15] > 0) & (r[:, 15] < 6)) | (r[:, 16:18] != 1).any(1)
    return (seen | free[:, None, None]).reshape(len(r), 6)


def _cone_area(r: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(r[:, 3:6], axis=1)
    return np.pi * (r[:, 12] + r[:, 13]) * np.hypot(length, r[:, 12] - r[:, 13])


def _disc_area(r: np.ndarray) -> np.ndarray:
    return np.pi * np.linalg.norm(np.cross(r[:, 3:6], r[:, 6:9]), axis=1)


def _sheet_area(r: np.ndarray) -> np.ndarray:
    steep = 2 * np.pi * r[:, 10] * r[:, 9] / np.maximum(np.linalg.norm(r[:, 3:6], axis=1), 1e-6)
    return np.linalg.norm(np.cross(r[:, 3:6], r[:, 6:9]), axis=1) * np.sqrt(1 + steep**2 / 2)


_SAMPLERS = {'box': _sample_box, 'cone': _sample_cone, 'disc': _sample_disc, 'sheet': _sample_sheet}
_AREAS = {'box': _box_area, 'cone': _cone_area, 'disc': _disc_area, 'sheet': _sheet_area}


class Surfaces:
    """All primitive surfaces of a scene, ready to be sampled.

    Args:
        shapes: the objects, each in its own frame.
        poses: same length; where each object stands.
        eyes: float (E, 3) camera centres in metres. Box faces that no camera can look at get no
            samples. None samples everything.
    """

    def __init__(self, shapes: list[Shape], poses: list[Pose], eyes: np.ndarray | None = None):
        self._yaw = np.array([p.yaw for p in poses], np.float32)
        self._move = np.array([p[:3] for p in poses], np.float32).reshape(-1, 3)
        self._families = []
        for family in FAMILIES:
            rows = [r for s in shapes for r in s.rows[family]]
            if not rows:
                continue
            rows = np.array(rows)
            attrs = np.array([r for s in shapes for r in s.attrs[family]], np.float32)
            owner = np.repeat(np.arange(len(shapes)), [len(s.rows[family]) for s in shapes])
            area = _AREAS[family](rows)
            if family == 'box' and eyes is not None:
                area = area * _box_faces_seen(rows, self._to_local(eyes)[owner])
            self._families.append((family, rows, attrs, owner, area))

    def _to_local(self, eyes: np.ndarray) -> np.ndarray:
        """Eyes (M, E, 3) in the frame of every object."""
        rel = eyes[None] - self._move[:, None]
        c, s = np.cos(self._yaw)[:, None], np.sin(self._yaw)[:, None]
        x, y = c * rel[..., 0] + s * rel[..., 1], c * rel[..., 1] - s * rel[..., 0]
        return np.stack([x, y, rel[..., 2]], 2)

    @property
    def area(self) -> float:
        """Square metres that get samples."""
        return float(sum(area.sum() for *_, area in self._families))

    def sample(self, density: float, rng: np.random.Generator) -> Samples:
        """Cover the surfaces with ``density`` samples per square metre."""
        chunks = []
        for family, rows, attrs, owner, area in self._families:
            seeds = rng.random(len(rows), np.float32)
            row, p, n, st = _SAMPLERS[family](rows, area, density, rng)
            obj = owner[row]
            points, normals = self._to_world(p, obj), self._to_world(n, obj)
            points += self._move[obj]
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
            at = attrs[row]
            material = at[:, 6].astype(np.int8)
            colors = apply_pattern(
                at[:, :3], at[:, 3:6], material, st.astype(np.float32), seeds[row], rng
            )
            parts, names = at[:, 8].astype(np.int32), at[:, 7].astype(np.int8)
            colors = colors.astype(np.float32)
            chunks.append(
                (
                    points,
                    normals,
                    colors,
                    obj.astype(np.int32),
                    parts,
                    material,
                    names,
                    at[:, 9] > 0,
                )
            )
        return Samples(*(np.concatenate(c) for c in zip(*chunks, strict=True)))

    def _to_world(self, v: np.ndarray, obj: np.ndarray) -> np.ndarray:
        """Turn vectors (N, 3) of objects ``obj`` into the world; float32."""
        c, s = np.cos(self._yaw)[obj], np.sin(self._yaw)[obj]
        out = np.empty((len(v), 3), np.float32)
        out[:, 0], out[:, 1] = c * v[:, 0] - s * v[:, 1], s * v[:, 0] + c * v[:, 1]
        out[:, 2] = v[:, 2]
        return out
