"""Putting furniture into a room without collisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .catalog import ALL_FURNITURE, UNLABELLED, build, spoken_name
from .floorplan import Wall, inside
from .footprints import corners, footprint, overlaps
from .primitives import Pose, Shape


@dataclass
class Placed:
    """An object or a piece of the shell that stands in the room.

    Attributes:
        kind: catalogue key, or a shell word ('wall', 'floor', 'ceiling').
        name: spoken name; '' for the shell, which is no instance.
        semantic: class index, 20 for none.
        shape: geometry in its own frame.
        pose: where it stands.
        parent: index of the object that carries it, -1 for none.
        wall: index of the wall behind it, -1 for none.
    """

    kind: str
    name: str
    semantic: int
    shape: Shape
    pose: Pose
    parent: int = -1
    wall: int = -1


class Furnisher:
    """Places objects one by one; every method returns the index of the new object or None if it
    found no room."""

    def __init__(
        self, rng: np.random.Generator, polygon: np.ndarray, walls: list[Wall], height: float
    ):
        self.rng, self.polygon, self.walls, self.height = rng, polygon, walls, height
        self.objects: list[Placed] = []
        weights = np.array([w.length for w in walls])
        self._shares = np.cumsum(weights / weights.sum())
        self._shares /= self._shares[-1]
        self._boxes = np.zeros((64, 7))
        self._owner: list[int] = []
        self._used: dict[int, list[np.ndarray]] = {}

    @property
    def boxes(self) -> np.ndarray:
        return self._boxes[: len(self._owner)]

    def block(self, box: np.ndarray, owner: int = -1) -> None:
        """Keep an oriented box (7,) free of further furniture."""
        if len(self._owner) == len(self._boxes):
            self._boxes = np.concatenate([self._boxes, np.zeros_like(self._boxes)])
        self._boxes[len(self._owner)] = box
        self._owner.append(owner)

    def _wall(self) -> int:
        """A wall drawn by length: what ``rng.choice`` with weights gives, ten times as fast."""
        return int(self._shares.searchsorted(self.rng.random(), side='right'))

    def coverage(self) -> float:
        """Share of the floor under furniture."""
        x, y = self.polygon.T
        area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        b = self.boxes[(np.asarray(self._owner, int) >= 0) & (self.boxes[:, 5] < 0.3)]
        return float((4 * b[:, 2] * b[:, 3]).sum() / area)

    def add(
        self,
        kind: str,
        shape: Shape,
        pose: Pose,
        *,
        name: str | None = None,
        semantic: int | None = None,
        parent: int = -1,
        wall: int = -1,
        solid: bool = True,
    ) -> int:
        """Record an object without any test."""
        info = ALL_FURNITURE.get(kind)
        self.objects.append(
            Placed(
                kind,
                spoken_name(kind) if name is None else name,
                (info.semantic if info else UNLABELLED) if semantic is None else semantic,
                shape,
                pose,
                parent,
                wall,
            )
        )
        if solid:
            self.block(footprint(shape, pose), len(self.objects) - 1)
        return len(self.objects) - 1

    def fits(
        self,
        shape: Shape,
        pose: Pose,
        *,
        gap: float = 0.03,
        ignore: int | None = None,
        edge: bool = True,
    ) -> bool:
        box = footprint(shape, pose)
        half = box[2:4].copy()
        if edge:
            box[2:4] = half - 0.02
            if not inside(self.polygon, corners(box)).all():
                return False
        box[2:4] = half + gap
        hit = overlaps(box, self.boxes)
        if ignore is not None:
            hit &= np.asarray(self._owner) != ignore
        return not hit.any()

    def try_add(
        self,
        kind: str,
        shape: Shape,
        pose: Pose,
        *,
        ignore: int | None = None,
        gap: float = 0.03,
        parent: int = -1,
        wall: int = -1,
    ) -> int | None:
        if self.fits(shape, pose, ignore=ignore, gap=gap):
            return self.add(kind, shape, pose, parent=parent, wall=wall)
        return None

    def against_wall(
        self,
        kind: str,
        *,
        shape: Shape | None = None,
        gap: tuple[float, float] = (0.01, 0.08),
        tries: int = 30,
        turn: float = 0.0,
    ) -> int | None:
        """Back to a wall; ``turn`` adds a fixed heading (a bed along the wall: pi / 2)."""
        rng = self.rng
        shape = build(kind, rng) if shape is None else shape
        width, depth = shape.size[:2].tolist() if turn == 0 else shape.size[1::-1].tolist()
        c = ((shape.low + shape.high)[:2] / 2).tolist()
        for _ in range(tries):
            i = self._wall()
            wall = self.walls[i]
            if wall.length < width + 0.04:
                continue
            s = rng.uniform(width / 2 + 0.02, wall.length - width / 2 - 0.02)
            if rng.random() < 0.35:  # corners are popular
                s = width / 2 + 0.03 if rng.random() < 0.5 else wall.length - width / 2 - 0.03
            x, y = wall.at(s, depth / 2 + rng.uniform(*gap))
            yaw = (
                wall.yaw
                + turn
                + (rng.normal(0, 0.015) if rng.random() < 0.7 else rng.normal(0, 0.06))
            )
            cos, sin = np.cos(yaw), np.sin(yaw)
            pose = Pose(x - cos * c[0] + sin * c[1], y - sin * c[0] - cos * c[1], 0.0, yaw)
            got = self.try_add(kind, shape, pose, wall=i)
            if got is not None:
                return got
        return None

    def anywhere(
        self, kind: str, *, tries: int = 16, shape: Shape | None = None, yaw: float | None = None
    ) -> int | None:
        """Free-standing, mostly near walls when small."""
        rng = self.rng
        shape = build(kind, rng) if shape is None else shape
        low, high = self.polygon.min(0), self.polygon.max(0)
        width = float(shape.size[:2].max())
        for _ in range(tries):
            if width < 0.6 and rng.random() < 0.6:
                wall = self.walls[int(rng.integers(len(self.walls)))]
                x, y = wall.at(
                    rng.uniform(0, wall.length),
                    width / 2 + abs(rng.normal(0.05, 0.15)),
                )
            else:
                x, y = rng.uniform(low, high)
            heading = rng.uniform(0, 2 * np.pi) if yaw is None else yaw + rng.normal(0, 0.1)
            got = self.try_add(kind, shape, Pose(x, y, 0.0, heading))
            if got is not None:
                return got
        return None

    def middle(self, kind: str, *, tries: int = 16) -> int | None:
        """Away from the walls, aligned with the room."""
        rng = self.rng
        shape = build(kind, rng)
        wall = self.walls[int(np.argmax([w.length for w in self.walls]))]
        low, high = self.polygon.min(0), self.polygon.max(0)
        for k in range(tries):
            spread = 0.1 + 0.3 * k / tries
            x, y = (low + high) / 2 + rng.uniform(-spread, spread, 2) * (high - low)
            heading = wall.yaw + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.04)
            got = self.try_add(kind, shape, Pose(x, y, 0.0, heading), gap=0.15)
            if got is not None:
                return got
        return None

    def local(self, index: int, x: float, y: float) -> np.ndarray:
        """World position (2,) of a point in an object's frame."""
        p = self.objects[index].pose
        c, s = np.cos(p.yaw), np.sin(p.yaw)
        return np.array([p.x + c * x - s * y, p.y + s * x + c * y])

    def near(
        self,
        index: int,
        kind: str,
        x: float,
        y: float,
        turn: float,
        *,
        overlap: bool = False,
        jitter: float = 0.15,
    ) -> int | None:
        """At (x, y) of another object's frame with a relative heading; ``overlap`` lets it slide
        under that object."""
        shape = build(kind, self.rng)
        yaw = self.objects[index].pose.yaw + turn + self.rng.normal(0, jitter)
        pose = Pose(*self.local(index, x, y), 0.0, yaw)
        return self.try_add(kind, shape, pose, ignore=index if overlap else None, gap=0.0)

    def beside(self, index: int, kind: str, side: int) -> int | None:
        """Next to an object along the same wall, backs aligned."""
        rng, host = self.rng, self.objects[index].shape
        shape = build(kind, rng)
        x = (host.high[0] if side > 0 else host.low[0]) + side * (
            shape.size[0] / 2 + rng.uniform(0.03, 0.15)
        )
        x -= (shape.low + shape.high)[0] / 2
        y = host.high[1] - shape.high[1] - rng.uniform(0, 0.03)
        pose = Pose(
            *self.local(index, x, y), 0.0, self.objects[index].pose.yaw + rng.normal(0, 0.02)
        )
        return self.try_add(kind, shape, pose, wall=self.objects[index].wall, gap=0.0)

    def around(
        self,
        index: int,
        kinds: tuple[str, ...],
        count: int,
        *,
        tuck: tuple[float, float] = (-0.25, 0.3),
    ) -> None:
        """Seats around a table, each at some distance and angle; one kind for most of them."""
        rng, host = self.rng, self.objects[index].shape
        main = kinds[int(rng.integers(len(kinds)))]
        seed = int(rng.integers(1 << 30))
        w, d = host.size[0] / 2, host.size[1] / 2
        per_long = max(1, int(w * 2 / 0.65))
        spots = [(x, -1) for x in (np.arange(per_long) + 0.5) / per_long * 2 - 1]
        spots += [(x, 1) for x, _ in spots]
        order = rng.permutation(len(spots) + 2)
        seated = 0
        for k in order:
            if seated == count:
                break
            kind = main if rng.random() < 0.85 else kinds[int(rng.integers(len(kinds)))]
            # Chairs at one table usually come from the same set: same seed, same shape.
            shape = build(
                kind, np.random.default_rng(seed) if kind == main and rng.random() < 0.85 else rng
            )
            out = rng.uniform(*tuck) + shape.size[1] / 2
            if k < len(spots):
                x, y, turn = (
                    spots[k][0] * w,
                    spots[k][1] * (d + out),
                    (np.pi if spots[k][1] < 0 else 0.0),
                )
            else:
                sx = 1 if k == len(spots) else -1
                x, y, turn = sx * (w + out), 0.0, (-np.pi / 2 if sx > 0 else np.pi / 2)
            jitter = 0.12 if rng.random() < 0.75 else 0.7
            yaw = self.objects[index].pose.yaw + turn + rng.normal(0, jitter)
            pose = Pose(*self.local(index, x, y), 0.0, yaw)
            seated += self.try_add(kind, shape, pose, ignore=index, gap=-0.02) is not None

    def on_top(
        self, index: int, kinds: tuple[str, ...] | str, count: int = 1, *, back: bool = False
    ) -> list[int]:
        """Small things on an object's support surface; ``back`` pushes them to its rear edge,
        facing the front."""
        rng, host = self.rng, self.objects[index]
        out: list[int] = []
        if not host.shape.supports:
            return out
        used = self._used.setdefault(index, [])
        for _ in range(count):
            kind = kinds if isinstance(kinds, str) else kinds[int(rng.integers(len(kinds)))]
            shape = build(kind, rng)
            sup = host.shape.supports[0]
            half = shape.size[:2] / 2
            lo = np.array([sup.x0, sup.y0]) + half
            hi = np.array([sup.x1, sup.y1]) - half
            if (hi < lo - 0.06).any():
                continue
            hi = np.maximum(hi, lo)
            for _ in range(5):
                xy = rng.uniform(lo, hi)
                turn = rng.normal(0, 0.12) if back else rng.normal(0, 0.5)
                if back:
                    xy[1] = hi[1] - rng.uniform(0, 0.3) * (hi[1] - lo[1])
                mine = np.array([*xy, *half, turn, 0.0, 1.0])
                if used and overlaps(mine, np.array(used)).any():
                    continue
                used.append(mine)
                pose = Pose(*self.local(index, *xy), host.pose.z + sup.z, host.pose.yaw + turn)
                out.append(self.add(kind, shape, pose, parent=index, solid=False))
                break
        return out

    def mount(
        self,
        kind: str,
        z: tuple[float, float],
        *,
        over: int | None = None,
        tries: int = 10,
        off: float = 0.0,
    ) -> int | None:
        """Hang something on a wall with its lower edge at a height in ``z``; ``over`` centres it
        above an object."""
        rng = self.rng
        shape = build(kind, rng)
        w, h = shape.size[0], shape.size[2]
        for _ in range(tries):
            low = rng.uniform(*z)
            if over is not None and self.objects[over].wall >= 0:
                i = self.objects[over].wall
                p = self.local(over, rng.uniform(-0.2, 0.2), 0)
                s = float((p - self.walls[i].start) @ self.walls[i].along)
            else:
                i = self._wall()
                s = rng.uniform(0, self.walls[i].length)
            wall = self.walls[i]
            low = min(low, self.height - h - 0.02)
            if low < 0 or s - w / 2 < 0.02 or s + w / 2 > wall.length - 0.02:
                continue
            if any(s - w / 2 < b + 0.08 and s + w / 2 > a - 0.08 for a, b in wall.taken):
                continue
            pose = Pose(*wall.at(s, shape.high[1] + 0.004 + off), low, wall.yaw)
            if self.fits(shape, pose, gap=0.02, edge=False):
                return self.add(kind, shape, pose, wall=i)
        return None
