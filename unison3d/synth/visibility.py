"""What the views of a scan see: the depth-buffer test as one compiled pass per view.

The rules are those of the first world's numpy version in ``scan``, whose exact arrays are kept
there because numbers are published on them; this one is several times faster.
"""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

PINHOLE = 0.12  # share of the views on a surface that have to see it


@kernel
def _see(points, normals, two_sided, opaque, eyes, axes, reach, grazing, spacing, out):
    seen, asked, best, depth, view, flip = out
    n = len(points)
    width, height = int(2 * 0.78 / 0.012) + 2, int(2 * 0.62 / 0.012) + 2
    rows, cell = np.empty(n, np.int32), np.empty(n, np.int32)
    far, face = np.empty(n, np.float32), np.empty(n, np.float32)
    level_of = np.empty(n, np.int8)
    buffer = np.empty((4, width * height), np.float32)
    front = np.empty((4, width * height), np.int32)
    for c in range(len(eyes)):
        buffer[:] = 1e9
        count = 0
        a = axes[c]
        for i in range(n):
            x, y, w = (
                points[i, 0] - eyes[c, 0],
                points[i, 1] - eyes[c, 1],
                points[i, 2] - eyes[c, 2],
            )
            z = a[2, 0] * x + a[2, 1] * y + a[2, 2] * w
            if z <= 0.35 or z >= reach:
                continue
            u = (a[0, 0] * x + a[0, 1] * y + a[0, 2] * w) / z
            v = (a[1, 0] * x + a[1, 1] * y + a[1, 2] * w) / z
            if abs(u) >= 0.78 or abs(v) >= 0.62:
                continue
            facing = -(x * normals[i, 0] + y * normals[i, 1] + w * normals[i, 2])
            facing /= np.sqrt(x * x + y * y + w * w)
            if abs(facing) <= 0.02 or (facing < 0 and not two_sided[i]):
                continue
            # Near samples are far apart in the image, so they are splatted into coarser levels.
            level = 0
            while level < 3 and 2.4 * spacing > z * 0.012 * (1 << level):
                level += 1
            px, py = int((u + 0.78) / 0.012), int((v + 0.62) / 0.012)
            at = (py << 16) | px
            rows[count], cell[count], far[count], face[count] = i, at, z, facing
            level_of[count] = level
            count += 1
            if opaque[i]:
                at = (py >> level) * ((width >> level) + 1) + (px >> level)
                if z < buffer[level, at]:
                    buffer[level, at], front[level, at] = z, i
        for k in range(count):
            facing = abs(face[k])
            if facing <= grazing:
                continue
            i, z = rows[k], far[k]
            asked[i] += 1
            sign = 1.0 if face[k] > 0 else -1.0
            px, py = cell[k] & 0xFFFF, cell[k] >> 16
            slack = 0.025 + 0.01 * z
            hidden = False
            for level in range(4):
                at = (py >> level) * ((width >> level) + 1) + (px >> level)
                behind = z - buffer[level, at]
                if behind <= 0.006:
                    continue
                # What hides a point stands in front of its tangent plane. That tells another
                # layer, even a close one, from the same surface going on within one pixel.
                j = front[level, at]
                above, along = 0.0, 0.0
                for d in range(3):
                    above += (points[j, d] - points[i, d]) * normals[i, d]
                    along += normals[j, d] * normals[i, d]
                flat = abs(along) > 0.8
                if sign * above > 0.008 and (flat or behind > slack):
                    hidden = True
                    break
            if hidden:
                continue
            seen[i] += 1
            cost = z / (0.3 + facing)
            if cost < best[i]:
                best[i], depth[i], view[i], flip[i] = cost, z, c, face[k] < 0


def see(
    points: np.ndarray,
    normals: np.ndarray,
    two_sided: np.ndarray,
    opaque: np.ndarray,
    cameras: list[tuple[np.ndarray, np.ndarray]],
    spacing: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Test every sample in every view.

    Args:
        points: float32 (N, 3) metres; likewise ``normals``, unit.
        normals: see above.
        two_sided: bool (N,).
        opaque: bool (N,), False for glass, which hides nothing.
        cameras: places (3,) and axes (3, 3) with rows right, up, forward.
        spacing: metres between samples.
        rng: draws the reach and the steepest angle of the sensor.

    Returns:
        seen int16 (N,) number of views, depth float32 (N,) of the best view in metres, view int16
        (N,) its index, flip bool (N,): the best view looks at the back of a two-sided sheet.
    """
    n = len(points)
    seen, asked, view = (np.zeros(n, np.int16) for _ in range(3))
    best, depth = np.full(n, np.inf, np.float32), np.full(n, 9.0, np.float32)
    flip = np.zeros(n, np.bool_)
    eyes = np.array([c[0] for c in cameras], np.float32)
    axes = np.array([c[1] for c in cameras], np.float32)
    reach, grazing = np.float32(rng.uniform(4.0, 5.5)), np.float32(rng.uniform(0.08, 0.2))
    _see(
        points,
        normals,
        two_sided,
        opaque,
        eyes,
        axes,
        reach,
        grazing,
        np.float32(spacing),
        (seen, asked, best, depth, view, flip),
    )
    # The buffer has pinholes. What only one view in many sees is seen through one of them.
    seen[seen < PINHOLE * asked] = 0
    return seen, depth, view, flip & two_sided
