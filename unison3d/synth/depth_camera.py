"""A simulated depth camera in the manner of the structured-light sensors of hand-held scans.

Axial noise follows Nguyen, Izadi and Lovell (2012), grown by slant; depth is quantised in
disparity; pixels at rims mix front and back or are lost; grazing, far, dark, shiny and glass
surfaces have holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.native import kernel

from .floorplan import inside
from .materials import BLACK_GLASS, GLASS, GLOSSY, apply_pattern, draw_grain
from .raster import draw, surfaces
from .rooms import Room
from .rows import take
from .scan import smooth_field
from .shading import Lighting
from .triangles import triangulate

_DISPARITY = 42.75 * 8  # steps of 1/8 pixel at 570 pixels focal length and a 7.5 cm baseline
_NEAREST = 0.4  # metres


@dataclass
class Frame:
    """One image of the camera.

    Attributes:
        depth: float32 (H, W), metres along the optical axis as measured, 0 is nothing.
        true_depth: float32 (H, W), of the surface that the pixel shows, 0 is nothing.
        color: uint8 (H, W, 3).
        object: int32 (H, W), index into ``room.objects``, -1 is nothing.
        part: int32 (H, W), part id within the object, -1 is nothing.
        primitive: int32 (H, W), row of the primitives of the camera's triangles, -1 is nothing.
    """

    depth: np.ndarray
    true_depth: np.ndarray
    color: np.ndarray
    object: np.ndarray
    part: np.ndarray
    primitive: np.ndarray


@kernel
def _measure(depth, cosine, chance, reach, grain, patch, uniform, jitter, out):
    """Noise, quantisation and holes of one depth image.

    All arrays are (H, W), ``jitter`` is (2, H, W).

    Args:
        depth: true depth, metres, 0 is nothing.
        cosine: between ray and normal.
        chance: of being lost for reasons of the material.
        reach: metres, from where on pixels get lost.
        grain: standard normal, independent.
        patch: standard normal, smooth.
        uniform: in [0, 1), independent.
        jitter: standard normal, pixels the measurement is off sideways.
        out: receives the measurement.
    """
    height, width = depth.shape
    for v in range(height):
        for u in range(width):
            out[v, u] = 0
            y = min(height - 1, max(0, v + int(np.rint(0.3 * jitter[0, v, u]))))
            x = min(width - 1, max(0, u + int(np.rint(0.3 * jitter[1, v, u]))))
            z = depth[y, x]
            if z < _NEAREST or depth[v, u] == 0:
                continue
            low, high = z, z
            for dv in range(-1, 2):
                for du in range(-1, 2):
                    n = depth[min(height - 1, max(0, v + dv)), min(width - 1, max(0, u + du))]
                    low, high = min(low, n), max(high, n)
            c = max(cosine[y, x], 0.05)
            # 0 to 1, the share of a smooth normal below its value.
            smooth = 0.5 + 0.5 * np.tanh(0.8 * patch[v, u])
            lost = chance[y, x] + max(0.0, (0.26 - c) / 0.25) + max(0.0, (z - reach) / 1.2)
            if 0.7 * smooth + 0.3 * uniform[v, u] < lost:
                continue
            if high - low > 0.08 + 0.04 * z:
                if uniform[v, u] < 0.35:
                    continue
                if uniform[v, u] > 0.8:
                    z = low + (high - low) * (uniform[v, u] - 0.8) * 5
            sigma = (0.0012 + 0.0019 * (z - _NEAREST) ** 2) * min(3.0, 0.6 + 0.4 / c)
            z += sigma * (0.7 * grain[v, u] + 0.7 * patch[v, u])
            out[v, u] = _DISPARITY / np.rint(_DISPARITY / z)


def _image(shape: tuple[int, ...], pixels: np.ndarray, values: np.ndarray, empty: int):
    """Values of some pixels, numbered along the rows, as an image."""
    out = np.full(shape, empty, values.dtype)
    out.reshape(shape[0] * shape[1], *shape[2:])[pixels] = values
    return out


class DepthCamera:
    """Takes images of a room.

    Args:
        room: what to look at.
        rng: draws light, range and how the sensor copes with materials.
        width: pixels.
        height: pixels.
        without: kinds of objects that are not there.
    """

    def __init__(
        self,
        room: Room,
        rng: np.random.Generator,
        *,
        width: int = 160,
        height: int = 120,
        without: tuple[str, ...] = (),
    ) -> None:
        self.width, self.height = width, height
        focal = 0.9 * width
        self.K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
        self.triangles = triangulate(room, without=without)
        t = self.triangles
        self._polygon = room.polygon
        self._flat = np.array([o.kind in ('floor', 'ceiling') for o in room.objects])[t.object]
        self._two_sided = t.two_sided[t.primitive]
        self._glass = t.material == GLASS
        self._seed = rng.random(len(t.object), np.float32)
        self._lighting = Lighting(room, rng)
        self._reach = rng.uniform(3.6, 5.0)
        base = t.color @ np.array([0.3, 0.59, 0.11], np.float32)
        loss = rng.uniform(0.3, 0.75) * np.clip((0.15 - base) / 0.15, 0, 1)
        loss += rng.uniform(0.05, 0.3) * (t.material == GLOSSY)
        loss += rng.uniform(0.6, 1.0) * (t.material == BLACK_GLASS)
        self._loss = loss.astype(np.float32)
        # One seed for all frames: a dark or shiny thing has its holes at the same places.
        self._field_seed = int(rng.integers(1 << 40))

    def shoot(self, pose: np.ndarray, rng: np.random.Generator) -> Frame:
        """Take one image.

        Args:
            pose: float64, (4, 4), camera to room.
            rng: noise of this image.
        """
        t, shape = self.triangles, (self.height, self.width)
        depth, ids = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
        camera = np.linalg.inv(pose)[:3]
        intrinsics = np.array([self.K[0, 0], self.K[1, 1], self.K[0, 2], self.K[1, 2]])
        # Light mostly goes through glass: a pane is there in some images and not in others.
        clear = self._glass & (rng.random(len(self._glass)) < 0.8)
        draw(t.corners, self._two_sided, clear[t.primitive], camera, intrinsics, depth, ids)
        pixels = np.flatnonzero(ids >= 0)
        hit = ids.ravel()[pixels]
        place, normals = np.empty((len(hit), 3), np.float32), np.empty((len(hit), 3), np.float32)
        along, facing = np.empty((len(hit), 2), np.float32), np.empty(len(hit), np.float32)
        surfaces(
            t.corners,
            t.st,
            camera,
            intrinsics,
            self.width,
            pixels,
            hit,
            place,
            normals,
            along,
            facing,
        )
        primitive = t.primitive[hit]
        # Floor and ceiling are drawn as rectangles; outside the walls there is nothing.
        flat = np.flatnonzero(self._flat[primitive])
        gone = flat[~inside(self._polygon, take(place, flat))]
        albedo = apply_pattern(
            take(t.color, primitive),
            take(t.second, primitive),
            t.material[primitive],
            along,
            self._seed[primitive],
            *draw_grain(t.material[primitive], rng),
        )
        rgb = self._lighting.expose(albedo, place, normals, rng)
        chance = self._material_loss(place, primitive)
        shown = primitive.copy()
        rgb[gone], shown[gone] = 0, -1
        depth[ids < 0] = 0
        depth.ravel()[pixels[gone]] = 0
        shown = _image(shape, pixels, shown, -1)
        lost = _image(shape, pixels, chance, 0)
        measured = self._noisy(depth, _image(shape, pixels, facing, 0), lost, rng)
        return Frame(
            measured,
            depth,
            _image((*shape, 3), pixels, rgb, 0),
            np.append(t.object, np.int32(-1))[shown],  # -1, nothing, picks the last
            np.append(t.part, np.int32(-1))[shown],
            shown,
        )

    def _material_loss(self, place: np.ndarray, primitive: np.ndarray) -> np.ndarray:
        loss = self._loss[primitive]
        rows = np.flatnonzero(loss > 0)
        field = smooth_field(take(place, rows), np.random.default_rng(self._field_seed), 0.12, 0.6)
        out = np.zeros(len(loss), np.float32)
        out[rows] = np.clip(loss[rows] * (1 + 0.8 * field), 0, 1)
        return out

    def _noisy(self, depth, cosine, chance, rng: np.random.Generator) -> np.ndarray:
        shape = depth.shape
        cells = (shape[0] // 6 + 2, shape[1] // 6 + 2)
        coarse = rng.standard_normal(cells, np.float32)
        v = np.linspace(0, cells[0] - 1.001, shape[0], dtype=np.float32)
        u = np.linspace(0, cells[1] - 1.001, shape[1], dtype=np.float32)
        iv, iu = v.astype(int), u.astype(int)
        fv, fu = (v - iv)[:, None], u - iu
        lines = coarse[iv] * (1 - fv) + coarse[iv + 1] * fv
        # Between four normals the variance is smaller than one.
        patch = np.float32(1.5) * (lines[:, iu] * (1 - fu) + lines[:, iu + 1] * fu)
        grain = rng.standard_normal((3, *shape), np.float32)
        out = np.empty(shape, np.float32)
        uniform = rng.random(shape, np.float32)
        _measure(depth, cosine, chance, self._reach, grain[0], patch, uniform, grain[1:], out)
        return out
