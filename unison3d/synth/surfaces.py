"""Even samples on the primitives of a scene.

All shapes are sampled together, one vectorised pass per primitive family, because thousands of
small numpy calls would cost more than the geometry itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .materials import apply_pattern, draw_grain
from .primitives import FAMILIES, Pose, Shape
from .rows import take
from .sampling import SAMPLERS, to_world


@dataclass
class Primitives:
    """What all samples of a primitive share, one row per primitive."""

    colors: np.ndarray  # float32 (P, 3) albedo in [0, 1]
    seconds: np.ndarray  # float32 (P, 3), colours of the patterns
    materials: np.ndarray  # int8 (P,)
    color_names: np.ndarray  # int8 (P,) index into COLOR_NAMES
    parts: np.ndarray  # int32 (P,) part id inside the shape
    two_sided: np.ndarray  # bool (P,)
    objects: np.ndarray  # int32 (P,) index of the shape
    seeds: np.ndarray  # float32 (P,) in [0, 1), shift the patterns


@dataclass
class Samples:
    """Surface samples of a scene, one row per sample.

    A camera sees a third of them, so what can be looked up or evaluated later is no array here.
    """

    points: np.ndarray  # float32 (N, 3) metres
    normals: np.ndarray  # float32 (N, 3) unit, outward
    primitives: np.ndarray  # int32 (N,) row of the table
    st: np.ndarray  # float32 (N, 2) metres along the surface
    specks: np.ndarray  # float64 (N,), see draw_grain
    noise: np.ndarray  # float32 (N,), see draw_grain
    table: Primitives

    def __len__(self) -> int:
        return len(self.points)

    def select(self, index: np.ndarray) -> Samples:
        columns = (self.points, self.normals, self.primitives, self.st, self.specks, self.noise)
        return Samples(*(take(c, index) for c in columns), self.table)

    @property
    def objects(self) -> np.ndarray:
        """int32 (N,), index of the shape."""
        return self.table.objects[self.primitives]

    @property
    def parts(self) -> np.ndarray:
        """int32 (N,), part id inside the shape."""
        return self.table.parts[self.primitives]

    @property
    def materials(self) -> np.ndarray:
        """int8 (N,)."""
        return self.table.materials[self.primitives]

    @property
    def color_names(self) -> np.ndarray:
        """int8 (N,), index into COLOR_NAMES."""
        return self.table.color_names[self.primitives]

    @property
    def two_sided(self) -> np.ndarray:
        """bool (N,)."""
        return self.table.two_sided[self.primitives]

    def paint(self) -> np.ndarray:
        """Evaluate the patterns: float32 (N, 3), albedo in [0, 1]."""
        t, at = self.table, self.primitives
        color, second, material, seed = t.colors[at], t.seconds[at], t.materials[at], t.seeds[at]
        return apply_pattern(color, second, material, self.st, seed, self.specks, self.noise)


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
        chunks, tables = [], []
        cos, sin = np.cos(self._yaw), np.sin(self._yaw)
        count = 0
        for family, rows, attrs, owner, area in self._families:
            seeds = rng.random(len(rows), np.float32)
            row, p, n, st = SAMPLERS[family](rows, area, density, rng)
            points, normals = to_world(p, n, row, owner, cos, sin, self._move)
            material = attrs[:, 6].astype(np.int8)
            grain = draw_grain(material[row], rng)
            chunks.append((points, normals, row + np.int32(count), st.astype(np.float32), *grain))
            names, parts = attrs[:, 7].astype(np.int8), attrs[:, 8].astype(np.int32)
            sides, objects = attrs[:, 9] > 0, owner.astype(np.int32)
            colors = attrs[:, :3], attrs[:, 3:6]
            tables.append((*colors, material, names, parts, sides, objects, seeds))
            count += len(rows)
        table = Primitives(*(np.concatenate(c) for c in zip(*tables, strict=True)))
        return Samples(*(np.concatenate(c) for c in zip(*chunks, strict=True)), table)
