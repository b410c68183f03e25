"""What can be said about the visible objects of a scene, measured on their points.

Every relation answers with a three-valued mark: +1 it clearly holds, -1 it clearly does not, 0
unclear. A sentence is only used if no candidate is unclear, so that its targets are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_SUBSAMPLE = 160


@dataclass
class Facts:
    """Measurements of M visible instances.

    Attributes:
        names: (M,) spoken names.
        colors: (M,) colour names, '' if unclear.
        parents: (M,) instance that carries it, -1 for none.
        centers: float64 (M, 2), horizontal centre in metres.
        low: float64 (M,), lowest z.
        high: float64 (M,), highest z.
        sizes: float64 (M,), diagonal of the visible part in metres.
        counts: int64 (M,), visible points.
        samples: (M,) float32 (<= 160, 3) points of each instance.
        hidden: names of objects that are in the room but not (sufficiently) visible.
    """

    names: list[str]
    colors: list[str]
    parents: list[int]
    centers: np.ndarray
    low: np.ndarray
    high: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray
    samples: list[np.ndarray]
    hidden: frozenset[str] = frozenset()
    _gaps: dict[tuple[int, int], float] = field(default_factory=dict)

    @staticmethod
    def measure(
        points: np.ndarray,
        instances: np.ndarray,
        names: list[str],
        colors: list[str],
        parents: list[int],
        hidden: frozenset[str] = frozenset(),
    ) -> Facts:
        """Measure all instances.

        Args:
            points: float32 (N, 3) metres.
            instances: int64 (N,), -1 for none.
            names: (M,) spoken names; likewise ``colors`` and ``parents``.
            colors: (M,) colour names or ''.
            parents: (M,) carrying instance or -1.
            hidden: names of objects without enough points.
        """
        m = len(names)
        order = np.argsort(instances, kind='stable')
        ends = np.searchsorted(instances[order], np.arange(m + 1))
        centers, low, high, sizes, samples = (
            np.zeros((m, 2)),
            np.zeros(m),
            np.zeros(m),
            np.zeros(m),
            [],
        )
        for i in range(m):
            p = points[order[ends[i] : ends[i + 1]]]
            lo, hi = np.percentile(p, [2, 98], axis=0)
            low[i], high[i] = lo[2], hi[2]
            # The horizontal middle of the extent is less biased by one-sided views than the mean.
            centers[i] = (p[:, :2].mean(0) + (lo[:2] + hi[:2]) / 2) / 2
            flat = p[:, :2] - p[:, :2].mean(0)
            axes = np.linalg.eigh(flat.T @ flat)[1]
            spread = np.percentile(flat @ axes, [2, 98], axis=0)
            sizes[i] = np.linalg.norm([*(spread[1] - spread[0]), hi[2] - lo[2]])
            samples.append(p[np.linspace(0, len(p) - 1, min(_SUBSAMPLE, len(p))).astype(int)])
        return Facts(
            list(names),
            list(colors),
            list(parents),
            centers,
            low,
            high,
            sizes,
            np.diff(ends),
            samples,
            hidden,
        )

    def gap(self, a: int, b: int) -> float:
        """Smallest distance between the sampled points of two instances, metres."""
        key = (min(a, b), max(a, b))
        if key not in self._gaps:
            p, q = self.samples[key[0]], self.samples[key[1]]
            box = np.maximum(p.min(0) - q.max(0), q.min(0) - p.max(0)).clip(0)
            far = float(np.linalg.norm(box))
            if far < 1.2:
                square = (p * p).sum(1)[:, None] + (q * q).sum(1)[None] - 2 * p @ q.T
                far = float(np.sqrt(max(0.0, square.min())))
            self._gaps[key] = far
        return self._gaps[key]

    def _flat_gap(self, a: int, b: int) -> tuple[float, np.ndarray]:
        """Horizontal distance from the centre of ``a`` to the points of ``b``, and the z of the
        near ones."""
        d = np.linalg.norm(self.samples[b][:, :2] - self.centers[a], axis=1)
        return float(d.min()), self.samples[b][d < 0.22, 2]

    def near(self, a: int, b: int) -> int:
        g = self.gap(a, b)
        return 1 if g < 0.35 else (-1 if g > 0.75 else 0)

    def on(self, a: int, b: int) -> int:
        """a stands or lies on b."""
        if self.parents[a] == b:
            return 1
        flat, _ = self._flat_gap(a, b)
        if self.gap(a, b) > 0.3 or self.low[a] < self.low[b] + 0.12 or flat > 0.5:
            return -1
        return 0

    def under(self, a: int, b: int) -> int:
        flat, z = self._flat_gap(a, b)
        if flat > 0.45 or self.high[b] < self.high[a] + 0.02 or self.low[a] > self.low[b] + 0.35:
            return -1
        return (
            1 if len(z) and z.max() > self.high[a] + 0.06 and self.low[a] < self.low[b] + 0.2 else 0
        )

    def above(self, a: int, b: int) -> int:
        flat, _ = self._flat_gap(a, b)
        if flat > 0.7 or self.low[a] < self.high[b] - 0.25:
            return -1
        return 1 if flat < 0.2 and self.low[a] > self.high[b] - 0.1 and self.parents[a] != b else 0

    def distance(self, a: int, b: int) -> float:
        """Horizontal distance between centres, metres."""
        return float(np.linalg.norm(self.centers[a] - self.centers[b]))

    def between(self, a: int, b: int, c: int) -> int:
        axis = self.centers[c] - self.centers[b]
        length = float(np.linalg.norm(axis))
        if length < 0.8:
            return 0
        rel = self.centers[a] - self.centers[b]
        t = float(rel @ axis) / length**2
        off = abs(float(axis[0] * rel[1] - axis[1] * rel[0])) / length
        if off > 0.7 or t * length < -0.7 or (t - 1) * length > 0.7:
            return -1
        return 1 if 0.25 < t < 0.75 and off < 0.35 else 0
