"""What a view sees does not depend on how the samples are filed."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.synth import visibility
from unison3d.synth.visibility import see

LEVEL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])  # looks along +x


def turned(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return LEVEL @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def sheet(x: float, half: float, step: float = 0.02) -> np.ndarray:
    """Points of an upright square across the x axis."""
    line = np.arange(-half, half, step)
    y, z = np.meshgrid(line, line)
    return np.stack([np.full(y.size, x), y.ravel(), z.ravel()], 1).astype(np.float32)


def look(points, cameras, chosen=None, *, normal=(-1, 0, 0), opaque=True, two_sided=False):
    normals = np.tile(np.array(normal, np.float32), (len(points), 1))
    return see(
        points,
        normals,
        np.full(len(points), two_sided),
        np.full(len(points), opaque) if np.isscalar(opaque) else opaque,
        np.arange(len(points)) if chosen is None else chosen,
        cameras,
        0.02,
        np.random.default_rng(0),
    )


def test_a_sheet_hides_what_is_behind_it_unless_it_is_glass():
    near, far = sheet(1.0, 0.3), sheet(2.0, 0.3)
    points = np.concatenate([near, far])
    front = np.arange(len(points)) < len(near)
    seen, depth, _, _ = look(points, [(np.zeros(3), LEVEL)])
    assert seen[front].all() and not seen[~front].any()
    assert np.allclose(depth[front], 1.0)
    seen, depth, _, _ = look(points, [(np.zeros(3), LEVEL)], opaque=~front)
    assert seen.all() and np.allclose(depth[~front], 2.0)


def test_samples_that_are_not_chosen_hide_nothing():
    near, far = sheet(1.0, 0.3), sheet(2.0, 0.3)
    chosen = np.random.default_rng(0).permutation(np.arange(len(near), len(near) + len(far)))
    seen, depth, _, _ = look(np.concatenate([near, far]), [(np.zeros(3), LEVEL)], chosen)
    assert len(seen) == len(far) and seen.all() and np.allclose(depth, 2.0)


def test_backs_are_seen_of_two_sided_sheets_only():
    points, camera = sheet(1.0, 0.3), [(np.zeros(3), LEVEL)]
    assert not look(points, camera, normal=(1, 0, 0))[0].any()
    seen, _, _, flip = look(points, camera, normal=(1, 0, 0), two_sided=True)
    assert seen.all() and flip.all()


@pytest.mark.parametrize('cell', [0.1, 0.5, 50.0])
def test_no_cell_in_view_is_skipped(monkeypatch, cell):
    """One huge cell is never skipped, so it tells what all must give; ties in depth included."""
    rng = np.random.default_rng(3)
    points = rng.uniform(-4, 4, (20_000, 3)).astype(np.float32)
    points = np.concatenate([points, points[:2000]])
    normals = rng.standard_normal(points.shape).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    sides, opaque = rng.random((2, len(points))) < 0.7
    cameras = [(rng.uniform(-3, 3, 3), turned(a)) for a in rng.uniform(0, 6.3, 12)]
    chosen = rng.permutation(len(points))[:15_000]

    def run(size):
        monkeypatch.setattr(visibility, '_CELL', size)
        again = np.random.default_rng(0)
        return see(points, normals, sides, opaque, chosen, cameras, 0.2, again)

    expected = run(1000.0)
    assert 0.05 < (expected[0] > 0).mean() < 0.95
    for a, b in zip(run(cell), expected, strict=True):
        assert np.array_equal(a, b)
