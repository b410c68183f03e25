"""A simulated hand-held depth scan of a room.

What matters for transfer to real scans is not photorealism but what a real scan looks like as
data: surfaces that no view saw are missing, edges are rounded, noise is smooth and grows with
range, dark and shiny things have holes, colours drift from view to view. Every step works on
surface samples; there is no mesh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.native import kernel

from .cameras import draw_cameras
from .floorplan import inside
from .lighting import light_points
from .materials import BLACK_GLASS, GLASS, GLOSSY
from .rooms import Room
from .rows import bounds, lengths, row_sums, take
from .surfaces import Samples, Surfaces
from .visibility import PINHOLE, see

MAX_SAMPLES = 480_000
FAST_SAMPLES = 300_000  # of the later worlds, which have more rooms and are made while training
SPACING = (0.015, 0.042)  # metres; real hand-held scans lie in this range
MAX_POINTS = 100_000
_LEVELS = 4
_PIXEL = 0.012  # tangent of one depth-buffer pixel
_LAYER = 0.008  # metres; a parallel surface farther behind than this is hidden


@dataclass
class Scan:
    """Points of a simulated scan, one row per point, in the room's frame (metres, z up).

    Attributes:
        points: float32 (N, 3).
        colors: float32 (N, 3) in [0, 1].
        normals: float32 (N, 3), unit, towards the camera that saw the point best.
        objects: int32 (N,), index into ``room.objects``.
        parts: int32 (N,), part id within the object.
        color_names: int8 (N,), index into ``materials.COLOR_NAMES`` of the paint.
        spacing: metres between neighbouring points.
    """

    points: np.ndarray
    colors: np.ndarray
    normals: np.ndarray
    objects: np.ndarray
    parts: np.ndarray
    color_names: np.ndarray
    spacing: float


def smooth_field(
    points: np.ndarray, rng: np.random.Generator, low: float, high: float, waves: int = 5
) -> np.ndarray:
    """Smooth random field with zero mean and about unit variance; wave lengths ``low`` to
    ``high`` metres."""
    direction = rng.standard_normal((waves, 3))
    direction *= (
        2
        * np.pi
        / np.exp(rng.uniform(np.log(low), np.log(high), waves))
        / np.linalg.norm(direction, axis=1)
    )[:, None]
    out = np.sin(
        points @ direction.T.astype(np.float32)
        + rng.uniform(0, 2 * np.pi, waves).astype(np.float32)
    )
    return row_sums(out) * np.float32(np.sqrt(2 / waves))


def _voxel_cells(
    points: np.ndarray, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a randomly turned and shifted grid (one along the walls would leave rows behind).

    Returns:
        int64 (N,) cell keys and float32 (N,) squared distances to the middle of the cell, metres.
    """
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)
    at = points @ turn / np.float32(size)
    at -= bounds(at)[0] - rng.random(3).astype(np.float32)
    cell = np.floor(at)
    off = row_sums((at - cell - np.float32(0.5)) ** 2) * np.float32(size**2)
    cell = cell.astype(np.int64)
    span = bounds(cell)[1] + 1
    return (cell[:, 0] * span[1] + cell[:, 1]) * span[2] + cell[:, 2], off


def _visibility(
    points: np.ndarray,
    normals: np.ndarray,
    two_sided: np.ndarray,
    opaque: np.ndarray,
    chosen: np.ndarray,
    cameras: list[tuple[np.ndarray, np.ndarray]],
    spacing: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Depth-buffer test of every sample in every view, as :func:`see` does it, for the first world.

    Arguments and results are those of :func:`see`.
    """
    points, normals = take(points, chosen), take(normals, chosen)
    two_sided, opaque = two_sided[chosen], opaque[chosen]
    n = len(points)
    seen, asked = np.zeros(n, np.int16), np.zeros(n, np.int16)
    best = np.full(n, np.inf, np.float32)
    depth_of = np.full(n, 9.0, np.float32)
    view_of = np.zeros(n, np.int16)
    flip = np.zeros(n, bool)
    tan_x, tan_y = 0.78, 0.62
    reach = rng.uniform(4.0, 5.5)
    grazing = rng.uniform(0.08, 0.2)
    for index, (eye, axes) in enumerate(cameras):
        rel = points - eye.astype(np.float32)
        cam = rel @ axes.T.astype(np.float32)
        z = cam[:, 2]
        rows = np.flatnonzero(
            (z > 0.35)
            & (z < reach)
            & (np.abs(cam[:, 0]) < tan_x * z)
            & (np.abs(cam[:, 1]) < tan_y * z)
        )
        if len(rows) == 0:
            continue
        r = rel[rows]
        facing = -np.einsum('ij,ij->i', r, normals[rows]) / np.sqrt(np.einsum('ij,ij->i', r, r))
        back = facing < 0
        facing = np.where(two_sided[rows], np.abs(facing), facing)
        keep = facing > 0.02
        rows, facing, back = rows[keep], facing[keep], back[keep]
        z = cam[rows, 2]
        px = ((cam[rows, 0] / z + tan_x) / _PIXEL).astype(np.int32)
        py = ((cam[rows, 1] / z + tan_y) / _PIXEL).astype(np.int32)
        # Near samples are far apart in the image, so they are splatted into coarser levels.
        level = np.clip(np.ceil(np.log2(2.4 * spacing / (z * _PIXEL))), 0, _LEVELS - 1).astype(
            np.int8
        )
        slack = 0.025 + 0.01 * z
        solid, place = opaque[rows], points[rows]
        front_normals = np.where(back[:, None], -normals[rows], normals[rows])
        ok = facing > grazing
        asked[rows[ok]] += 1
        # Depth and row share one integer, so that one minimum finds both.
        packed = ((z * 1e4).astype(np.int64) << 24) | np.arange(len(rows))
        for k in range(_LEVELS):
            at = np.flatnonzero((level == k) & solid)
            if len(at) == 0:
                continue
            width = (int(2 * tan_x / _PIXEL) >> k) + 2
            height = (int(2 * tan_y / _PIXEL) >> k) + 2
            cells = (py >> k) * width + (px >> k)
            buffer = np.full(width * height, np.iinfo(np.int64).max)
            np.minimum.at(buffer, cells[at], packed[at])
            front = buffer[cells]
            behind = z - (front >> 24).astype(np.float32) * np.float32(1e-4)
            ask = np.flatnonzero(ok & (behind > 0.006))
            near = front[ask] & 0xFFFFFF
            # What hides a point stands in front of its tangent plane. That tells another layer,
            # even a close one, from the same surface going on in depth within one pixel.
            n = front_normals[ask]
            above = np.einsum('ij,ij->i', place[near] - place[ask], n)
            parallel = np.einsum('ij,ij->i', front_normals[near], n) > 0.8
            hidden = (above > _LAYER) & (parallel | (behind[ask] > slack[ask]))
            ok[ask[hidden]] = False
        rows, z, facing, back = rows[ok], z[ok], facing[ok], back[ok]
        seen[rows] += 1
        cost = z / (0.3 + facing)
        better = cost < best[rows]
        rows, back = rows[better], back[better]
        best[rows], view_of[rows], flip[rows], depth_of[rows] = cost[better], index, back, z[better]
    # The buffer has pinholes. What only one view in many sees is seen through one of them.
    seen[seen < PINHOLE * asked] = 0
    return seen, depth_of, view_of, flip & two_sided


def _light(
    points: np.ndarray, normals: np.ndarray, room: Room, rng: np.random.Generator
) -> np.ndarray:
    """Brightness (N, 3) from ambient light and one to three soft lamps."""
    out = np.full(len(points), rng.uniform(0.35, 0.6), np.float32)
    low, high = room.polygon.min(0), room.polygon.max(0)
    count = int(rng.integers(1, 4))
    for _ in range(count):
        lamp = np.array([*rng.uniform(low, high), rng.uniform(1.2, room.height)], np.float32)
        to = lamp - points
        dist = np.sqrt((to * to).sum(1))
        lambert = np.abs(np.einsum('ij,ij->i', to, normals)) / np.maximum(dist, 0.1)
        out += (
            rng.uniform(0.5, 1.1)
            / count
            * (0.35 + 0.65 * lambert)
            / (1 + (dist / rng.uniform(2, 5)) ** 2)
        )
    # Corners and the space under furniture are darker.
    out *= 0.82 + 0.18 * np.clip(points[:, 2] / 0.6, 0, 1)
    return out[:, None]


def _camera_colors(
    albedo: np.ndarray, points, normals, view, room: Room, rng: np.random.Generator
) -> np.ndarray:
    """Shading, exposure and white balance (drifting between views), contrast and clipping;
    float32 (N, 3)."""
    light = _light if room.profile == 'rooms-v1' else light_points
    color = albedo * light(points, normals, room, rng)
    balance = np.array([1.04, 1.0, 0.9]) + rng.normal(0, [0.07, 0.03, 0.1])
    views = int(view.max()) + 1 if len(view) else 1
    gain = balance * (1 + rng.normal(0, 0.06, (views, 1))) * (1 + rng.normal(0, 0.02, (views, 3)))
    color = color * gain[view].astype(np.float32)
    # Auto exposure: the camera aims at a medium brightness and clips what is brighter.
    color = np.clip(color, 0, None) ** np.float32(rng.uniform(0.75, 1.1))
    color *= np.float32(rng.uniform(0.34, 0.6) / max(float(color.mean()), 0.05))
    gray = (row_sums(color) / np.float32(3))[:, None]
    color = gray + (color - gray) * rng.uniform(0.6, 1.05)
    color += 0.02 * smooth_field(points, rng, 0.4, 2.0)[:, None] + rng.normal(0, 0.012, 3)
    return np.clip(color, 0, 1).astype(np.float32)


def _lost(
    s: Samples,
    albedo: np.ndarray,
    seen: np.ndarray,
    depth: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """bool (N,): samples that the sensor or the fusion loses."""
    patch = smooth_field(s.points, rng, 0.12, 0.6)
    fine = rng.random(len(s), np.float32)
    level = np.full(len(s), 2.6, np.float32)  # patchy loss where the field is above this level
    level[s.materials == GLOSSY] = 2.0
    level[s.materials == BLACK_GLASS] = rng.uniform(-0.2, 1.5)
    level[s.materials == GLASS] = rng.uniform(-1.5, 0.2)
    dark = row_sums(albedo) / np.float32(3) < 0.12
    level[dark] = np.minimum(level[dark], 1.9)
    level[seen == 1] -= rng.uniform(0.3, 1.2)
    level -= 0.25 * np.maximum(depth - 2.5, 0)
    lost = patch > level
    lost |= fine < 0.01
    for _ in range(int(rng.integers(0, 9))):
        centre = s.points[int(rng.integers(len(s)))]
        radius = rng.uniform(0.06, 0.35)
        near = row_sums((s.points - centre) ** 2)
        lost |= near < (radius * (1 + 0.25 * patch)) ** 2
    return lost


@kernel
def _number(keys):
    """Number equal keys alike, from 0 on, in the order in which they come; int64 (N,) and how many
    there are."""
    size = 2
    while size < 2 * len(keys):
        size *= 2
    table, number = np.empty(size, np.int64), np.full(size, -1, np.int64)
    out, count = np.empty(len(keys), np.int64), 0
    for i in range(len(keys)):
        # Fibonacci hashing: the high bits of the product are well mixed, cells lie in rows.
        at = ((np.uint64(keys[i]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & np.uint64(
            size - 1
        )
        while number[at] >= 0 and table[at] != keys[i]:
            at = (at + np.uint64(1)) & np.uint64(size - 1)
        if number[at] < 0:
            table[at], number[at] = keys[i], count
            count += 1
        out[i] = number[at]
    return out, count


@kernel
def _pull(array, group, count, weight):
    """Move rows (N, 3) a part of the way to the mean of their group."""
    total, members = np.zeros((count, 3)), np.zeros(count)
    for i in range(len(array)):
        members[group[i]] += 1
        for d in range(3):
            total[group[i], d] += array[i, d]
    for i in range(len(array)):
        for d in range(3):
            mean = total[group[i], d] / members[group[i]]
            array[i, d] += np.float32(weight * (mean - array[i, d]))


def _fuse(points, normals, colors, rng: np.random.Generator):
    """Pull samples towards the mean of small cells: what fusion does to edges, thin parts and
    colours."""
    cell = rng.uniform(0.035, 0.06)
    pull = rng.uniform(0.25, 0.55)
    for _ in range(2):
        group, count = _number(_voxel_cells(points, cell, rng)[0])
        for array, weight in ((points, pull), (normals, 0.6), (colors, 0.45)):
            _pull(array, group, count, weight)


def _thin(points: np.ndarray, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Indices of one point per occupied cell."""
    keys, off = _voxel_cells(points, spacing, rng)
    # The point nearest to the middle of its cell stays: this spreads points as evenly as a mesh.
    rank = np.minimum(off * (4.0 / spacing**2), 3.99) * 256
    order = np.argsort(keys * 1024 + rank.astype(np.int64))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(keys[order]) != 0
    return order[first]


def scan_room(
    room: Room,
    rng: np.random.Generator,
    *,
    spacing: float | None = None,
    max_points: int = MAX_POINTS,
) -> Scan:
    """Scan a room with a simulated depth camera.

    Args:
        room: what to scan.
        rng: source of randomness.
        spacing: metres between points; drawn from [0.015, 0.042] if None.
        max_points: the spacing grows until the scan has at most this many points.

    Returns:
        The scan in the room's frame, at least one point.
    """
    cameras = draw_cameras(room, rng)
    eyes = np.array([c[0] for c in cameras], np.float32)
    with_ceiling = rng.random() < 0.25
    index = np.array([i for i, o in enumerate(room.objects) if with_ceiling or o.kind != 'ceiling'])
    objects = [room.objects[i] for i in index]
    surfaces = Surfaces([o.shape for o in objects], [o.pose for o in objects], eyes)
    if spacing is None:
        # About 32 % of the surface gets seen; a grid cell cut by a surface of random direction
        # holds 1 / 1.5 of a cell face.
        target = np.exp(rng.uniform(np.log(28_000), np.log(95_000)))
        spacing = float(np.clip(np.sqrt(1.5 * 0.32 * surfaces.area / target), *SPACING))
    limit = MAX_SAMPLES if room.profile == 'rooms-v1' else FAST_SAMPLES
    density = min(2.7 / spacing**2, limit / surfaces.area)
    s = surfaces.sample(density, rng)
    keep = np.ones(len(s), bool)
    flat = np.flatnonzero(np.array([o.kind in ('floor', 'ceiling') for o in objects])[s.objects])
    keep[flat] = inside(room.polygon, s.points[flat])
    if not with_ceiling:
        keep &= s.points[:, 2] < room.height * rng.uniform(0.88, 1.0)
    order = rng.permutation(np.flatnonzero(keep))
    views = _visibility if room.profile == 'rooms-v1' else see
    step, opaque = float(1 / np.sqrt(density)), s.materials != GLASS
    seen, depth, view, flip = views(
        s.points, s.normals, s.two_sided, opaque, order, cameras, step, rng
    )
    found = np.flatnonzero(seen > 0)
    s, depth, view, flip = s.select(order[found]), depth[found], view[found], flip[found]
    albedo = s.paint()
    keep = np.flatnonzero(~_lost(s, albedo, seen[found], depth, rng))
    s, albedo = s.select(keep), take(albedo, keep)
    depth, view, flip = depth[keep], view[keep], flip[keep]
    points, normals = s.points, np.where(flip[:, None], -s.normals, s.normals)
    colors = _camera_colors(albedo, points, normals, view, room, rng)
    # Range noise: smooth bumps that survive fusion, plus a little grain. Coarse scans are rough.
    rough = np.exp(rng.normal(0.3, 0.6)) * (0.4 + (spacing / 0.03) ** 1.5)
    bump = rng.uniform(0.0015, 0.004) * smooth_field(points, rng, 0.06, 0.4)
    bump += rng.uniform(0.001, 0.004) * smooth_field(points, rng, 0.4, 2.0)
    bump += rng.uniform(0.0006, 0.002) * rng.standard_normal(len(points), np.float32)
    points += normals * (rough * bump * (0.6 + 0.12 * depth**2))[:, None]
    _fuse(points, normals, colors, rng)
    keep = _thin(points, spacing, rng)
    while len(keep) > max_points:
        spacing *= max(1.05, np.sqrt(len(keep) / max_points))
        keep = _thin(points, spacing, rng)
    keep = rng.permutation(keep)
    points, normals, colors = take(points, keep), take(normals, keep), take(colors, keep)
    points += rng.normal(0, 0.04 * spacing, points.shape).astype(np.float32)
    normals += rng.normal(0, rng.uniform(0.02, 0.1), normals.shape).astype(np.float32)
    normals /= np.maximum(lengths(normals), 1e-6)[:, None]
    away = np.einsum('ij,ij->i', eyes[view[keep]] - points, normals) < 0
    normals[away] *= -1
    colors = np.clip(colors + rng.normal(0, rng.uniform(0.008, 0.035), colors.shape), 0, 1).astype(
        np.float32
    )
    return Scan(
        points,
        colors,
        normals.astype(np.float32),
        index[s.objects[keep]].astype(np.int32),
        s.parts[keep],
        s.color_names[keep],
        spacing,
    )
