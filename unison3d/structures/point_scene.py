"""`PointScene`: the one door through which points enter the toolbox.

    >>> scene = PointScene.from_file('scan.ply')            # or from_arrays(points, colors)
    >>> scene.points.dtype, scene.colors.min() >= 0          # metres; colours in [0, 1]
    >>> near_floor = scene.select(scene.points[:, 2] < 0.2)  # faces and ids follow along
    >>> scene.save('copy.ply')

Bad numbers are decided here once; nothing behind the door checks again.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import SceneError
from unison3d.io import colors_to_float, read_scene, write_npz_scene, write_ply
from unison3d.io.raw_scene import RawScene
from unison3d.structures._scene_checks import (
    bad_points_message,
    check_bad_policy,
    clean_normals,
    dense_ids,
    find_origin,
    fixed_matrix,
    float_rows,
    follow_faces,
    kept_faces,
    optional_ids,
    point_matrix,
    unusable_rows,
    usable_superpoints,
    warn_about_units,
)
from unison3d.structures.frame_set import FrameSet
from unison3d.structures.label_space import SCANNET20

__all__ = ['PER_POINT_FIELDS', 'PointScene']

#: Fields with one row per point, besides ``points``.
PER_POINT_FIELDS = (
    'colors',
    'normals',
    'superpoints',
    'semantic_ids',
    'instance_ids',
    'part_ids',
)


@dataclass(eq=False)
class PointScene:
    """Points of one scan with whatever else is known about them.

    Metres, right-handed, z up. A scene without points is legal and flows through everything.
    Use :meth:`from_arrays` or :meth:`from_file`; the plain constructor takes arrays that already
    follow the table and refuses others.

    Args:
        points: float32, (N, 3), metres, relative to ``origin``.
        colors: float32, (N, 3) in [0, 1], or None.
        normals: float32, (N, 3), unit length or zero where unknown, or None.
        faces: int32, (F, 3), vertex indices, or None.
        superpoints: int64, (N,), ids 0 .. S-1 without gaps, or None.
        semantic_ids: int64, (N,), or None.
        instance_ids: int64, (N,), -1 is none, or None.
        part_ids: int64, (N,), or None.
        instance_names: name of instance id i at place i, or None.
        origin: float64, (3,). World position of ``points`` is ``points + origin``.
        axis_alignment: float64, (4, 4), maps world to axis-aligned coordinates, or None.
            Kept as data, never applied.
        name: short name for messages and file names.
        source: file the scene came from, or None.
        frames: the posed images the points were fused from, in the world frame of the scene
            (that of ``points + origin``), or None. Not saved with the scene.

    Raises:
        SceneError: shapes that do not fit together, bad numbers, faces out of range.
    """

    points: np.ndarray
    colors: np.ndarray | None = None
    normals: np.ndarray | None = None
    faces: np.ndarray | None = None
    superpoints: np.ndarray | None = None
    semantic_ids: np.ndarray | None = None
    instance_ids: np.ndarray | None = None
    part_ids: np.ndarray | None = None
    instance_names: tuple[str, ...] | None = None
    origin: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(3))
    axis_alignment: np.ndarray | None = None
    name: str = 'scene'
    source: Path | None = None
    frames: FrameSet | None = None

    def __post_init__(self) -> None:
        where = f'scene "{self.name}"'
        self.points = np.ascontiguousarray(point_matrix(self.points, where), dtype=np.float32)
        count = len(self.points)
        bad = ~np.isfinite(self.points).all(axis=1)
        if bad.any():
            raise SceneError(bad_points_message(where, bad, count))
        self.origin = fixed_matrix(self.origin, (3,), 'origin', where)
        if self.colors is not None:
            self.colors = float_rows(self.colors, count, 'colors', where)
            outside = ~((self.colors >= 0) & (self.colors <= 1)).all(axis=1)
            if outside.any():
                raise SceneError(
                    f'{where}: {outside.sum()} colours lie outside 0..1 (first at row '
                    f'{outside.argmax()}). Build the scene with PointScene.from_arrays, which '
                    'accepts 0..255 as well.'
                )
        if self.normals is not None:
            self.normals = float_rows(self.normals, count, 'normals', where)
        for field in ('superpoints', 'semantic_ids', 'instance_ids', 'part_ids'):
            setattr(self, field, optional_ids(getattr(self, field), field, count, where))
        if self.superpoints is not None:
            self.superpoints = dense_ids(self.superpoints)
        if self.faces is not None:
            self.faces, bad_faces = kept_faces(self.faces, count, where)
            if bad_faces:
                raise SceneError(
                    f'{where}: {bad_faces} faces point outside the {count} vertices. '
                    'Pass on_bad="drop" to leave them out, or repair the mesh.'
                )
        if self.axis_alignment is not None:
            self.axis_alignment = fixed_matrix(self.axis_alignment, (4, 4), 'axis_alignment', where)
        self.source = None if self.source is None else Path(self.source)

    # ------------------------------------------------------------------ construction

    @classmethod
    def from_arrays(
        cls,
        points: ArrayLike,
        colors: ArrayLike | None = None,
        *,
        normals: ArrayLike | None = None,
        faces: ArrayLike | None = None,
        superpoints: ArrayLike | None = None,
        semantic_ids: ArrayLike | None = None,
        instance_ids: ArrayLike | None = None,
        part_ids: ArrayLike | None = None,
        instance_names: tuple[str, ...] | list[str] | None = None,
        axis_alignment: ArrayLike | None = None,
        name: str = 'scene',
        source: str | os.PathLike[str] | None = None,
        on_bad: Literal['raise', 'drop'] = 'raise',
        scale: float = 1.0,
    ) -> PointScene:
        """Build a scene from arrays of any common type; this is where bad data is decided.

        Coordinates far from zero (UTM and the like, more than 10 km) are moved near zero in double
        precision, and ``origin`` remembers by how much.

        Args:
            points: numbers, (N, 3), world coordinates. Double precision is used where given.
            colors: (N, 3) or (N, 4), uint8, uint16 or float in 0..1 or 0..255, or None.
            normals: (N, 3) of any length, or None. Rows that are not finite become zero.
            faces: integers, (F, 3), or None.
            superpoints: integers, (N,), or None. Gaps in the ids are closed.
            semantic_ids: integers, (N,), or None.
            instance_ids: integers, (N,), negative is none, or None.
            part_ids: integers, (N,), or None.
            instance_names: name of instance id i at place i, or None.
            axis_alignment: (4, 4) or None; kept, not applied.
            name: short name for messages and file names.
            source: file the arrays came from.
            on_bad: what happens to points with NaN, infinite or absurd (farther than 1000 km from
                the rest) coordinates or colours, and to faces out of range. ``'raise'`` refuses
                the scene, ``'drop'`` leaves them out; faces and ids follow.
            scale: factor on the coordinates; 0.001 for files in millimetres.

        Raises:
            SceneError: shapes that do not fit together; bad numbers under ``'raise'``.

        Warns:
            SceneWarning: the scene is so large that its unit is probably not metres; or it lies so
                far from zero that single precision input has lost detail.
        """
        where = f'scene "{name}"' if source is None else str(source)
        check_bad_policy(on_bad)
        given = point_matrix(points, where)
        if not (np.isfinite(scale) and scale > 0):
            raise SceneError(f'{where}: scale is {scale}, expected a positive number.')
        world = given.astype(np.float64) * scale
        count = len(world)
        fields: dict[str, np.ndarray | None] = {
            'colors': None if colors is None else colors_to_float(colors, where=f'{where}, colors'),
            'normals': clean_normals(normals, where),
        }
        for field, value in (
            ('superpoints', superpoints),
            ('semantic_ids', semantic_ids),
            ('instance_ids', instance_ids),
            ('part_ids', part_ids),
        ):
            fields[field] = optional_ids(value, field, count, where)
        for field, value in fields.items():
            if value is not None and len(value) != count:
                raise SceneError(
                    f'{where}: {field} has {len(value)} rows for {count} points. '
                    f'Give one row per point, or leave {field} out.'
                )

        bad = unusable_rows(world, fields['colors'])
        if bad.any() and on_bad == 'raise':
            raise SceneError(bad_points_message(where, bad, count))
        triangles = None
        if faces is not None:
            triangles, bad_faces = kept_faces(faces, count, where)
            if bad_faces and on_bad == 'raise':
                raise SceneError(
                    f'{where}: {bad_faces} of {np.shape(faces)[0]} faces point outside the {count} '
                    'vertices. Pass on_bad="drop" to leave them out, or repair the mesh.'
                )
        # Ids are made dense after the bad rows are gone: one of them may have been alone.
        if bad.any():
            keep = np.flatnonzero(~bad)
            world = world[keep]
            fields = {key: None if v is None else v[keep] for key, v in fields.items()}
            triangles = None if triangles is None else follow_faces(triangles, keep, count)

        origin = find_origin(world, given.dtype, scale, where)
        warn_about_units(world, where)
        return cls(
            points=(world - origin).astype(np.float32),
            faces=triangles,
            instance_names=None if instance_names is None else tuple(instance_names),
            origin=origin,
            axis_alignment=axis_alignment,
            name=name,
            source=None if source is None else Path(source),
            **fields,
        )

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        on_bad: Literal['raise', 'drop'] = 'raise',
        scale: float = 1.0,
        num_features: int = 6,
    ) -> PointScene:
        """Read a scan: a file of any kind in ``docs/formats.md``, or a ScanNet scan folder.

        Args:
            path: file or folder.
            on_bad: see :meth:`from_arrays`.
            scale: factor on the coordinates; 0.001 for files in millimetres.
            num_features: numbers per point of a ``.bin`` file (x, y, z, then red, green, blue in
                0..255 when there are at least six).

        Raises:
            FileFormatError: the file is missing, damaged, truncated or of an unknown kind.
            SceneError: the numbers in it are not usable, see :meth:`from_arrays`.
        """
        path = Path(path)
        raw = read_scene(path, num_features=num_features)
        return cls.from_raw(raw, name=path.stem, source=path, on_bad=on_bad, scale=scale)

    @classmethod
    def from_raw(cls, raw: RawScene, **options: Any) -> PointScene:
        """Build a scene from what a reader returned; ``options`` go to :meth:`from_arrays`.

        Where the file has no semantic ids of its own, NYU40 ids become SCANNET20 ids; where it has
        none of them either, the names of its instances are matched with the class names.
        Superpoints that cannot be any (negative, or one for a whole scan) are left out.

        Warns:
            SceneWarning: superpoints were left out; see also :meth:`from_arrays`.
        """
        semantic = raw.semantic_ids
        if semantic is None and raw.nyu40_ids is not None:
            semantic = SCANNET20.from_raw(raw.nyu40_ids)
        elif semantic is None and raw.instance_names and raw.instance_ids is not None:
            semantic = _semantic_from_names(raw.instance_names, raw.instance_ids)
        return cls.from_arrays(
            raw.points,
            raw.colors,
            normals=raw.normals,
            faces=raw.faces,
            superpoints=usable_superpoints(raw.superpoints, str(options.get('source') or 'scene')),
            semantic_ids=semantic,
            instance_ids=raw.instance_ids,
            part_ids=raw.part_ids,
            instance_names=raw.instance_names,
            axis_alignment=raw.axis_alignment,
            **options,
        )

    # ------------------------------------------------------------------ looking at it

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        known = [f for f in (*PER_POINT_FIELDS, 'faces') if getattr(self, f) is not None]
        return f'PointScene({self.name!r}, {len(self)} points, {", ".join(known) or "bare"})'

    @property
    def has_color(self) -> bool:
        """Whether the scan came with colours."""
        return self.colors is not None

    @property
    def bounds(self) -> np.ndarray:
        """float32, (2, 3): smallest and largest corner of ``points``; zeros without points."""
        if not len(self):
            return np.zeros((2, 3), dtype=np.float32)
        return np.stack([self.points.min(axis=0), self.points.max(axis=0)])

    @property
    def world_points(self) -> np.ndarray:
        """float64, (N, 3): the points in the coordinates of the file (after ``scale``)."""
        return self.points + self.origin

    def to_local(self, world: ArrayLike) -> np.ndarray:
        """float32, same shape: world positions (a click, say) in the frame of ``points``."""
        return (np.asarray(world, dtype=np.float64) - self.origin).astype(np.float32)

    # ------------------------------------------------------------------ making new ones

    def replace(self, **changes: Any) -> PointScene:
        """A copy with some fields changed; everything is checked again."""
        return dataclasses.replace(self, **changes)

    def select(self, index: ArrayLike) -> PointScene:
        """The scene of some points, in the order asked for.

        Faces keep those triangles whose three corners stay. Superpoint ids are made dense again;
        instance ids stay, so that they still fit ``instance_names``.

        Args:
            index: bool, (N,), or integers, (M,).

        Raises:
            SceneError: a mask of another length, or an index out of range.
        """
        index = np.asarray(index)
        count = len(self)
        if index.dtype == bool:
            if index.shape != (count,):
                raise SceneError(
                    f'scene "{self.name}": the mask has shape {index.shape}, expected ({count},).'
                )
            index = np.flatnonzero(index)
        index = index.astype(np.int64).reshape(-1)
        if index.size and (index.min() < -count or index.max() >= count):
            raise SceneError(
                f'scene "{self.name}": index from {index.min()} to {index.max()} for {count} '
                'points. Use 0 .. N-1.'
            )
        index = np.where(index < 0, index + count, index)
        changes: dict[str, np.ndarray] = {'points': self.points[index]}
        for field in PER_POINT_FIELDS:
            if (value := getattr(self, field)) is not None:
                changes[field] = value[index]
        if self.faces is not None:
            changes['faces'] = follow_faces(self.faces, index, count)
        return self.replace(**changes)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the scene as ``.ply`` or ``.npz``; reading it back gives the same scene.

        PLY stores colours in 8 bits and ids in 32 bits; NPZ keeps everything.

        Raises:
            FileFormatError: another ending.
        """
        path = Path(path)
        arrays = {field: getattr(self, field) for field in (*PER_POINT_FIELDS, 'faces')}
        # Single precision holds the points unless they live far away from zero.
        points = self.world_points if self.origin.any() else self.points
        write = write_ply if path.suffix.lower() == '.ply' else write_npz_scene
        return write(
            path,
            points,
            instance_names=self.instance_names,
            axis_alignment=self.axis_alignment,
            **arrays,
        )


def _semantic_from_names(names: tuple[str, ...], instance_ids: np.ndarray) -> np.ndarray:
    """int64, (N,), SCANNET20 ids; points without an instance or without a known name: 20."""
    table = np.array([*(SCANNET20.guess(n) for n in names), SCANNET20.ignore_index])
    inside = (instance_ids >= 0) & (instance_ids < len(names))
    return table[np.where(inside, instance_ids, len(names))]
