"""One scan in the processed form: four files and what the info file says about them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from unison3d.datasets.prepare.layout import PreparedScan
from unison3d.errors import SceneError
from unison3d.io import atomic_write
from unison3d.structures import LabelSpace
from unison3d.superpoints import compute_superpoints, dense_ids, segment_mesh

POINTS, INSTANCES, SEMANTICS, SUPERPOINTS = FOLDERS = (
    *('points', 'instance_mask', 'semantic_mask', 'super_points'),
)


def write_scan(out: Path, name: str, scan: PreparedScan, space: LabelSpace | None) -> dict:
    """Check a scan, cut it into superpoints where it has none, and write its files.

    Args:
        out: folder of the four folders.
        name: stem of the files.
        scan: the scan.
        space: label space of the semantic ids, for the labels of the boxes; None labels them -1.

    Returns:
        The entry of the info file; plain values.

    Raises:
        SceneError: shapes do not fit, or numbers are out of range.
    """
    check_scan(name, scan)
    points = np.ascontiguousarray(scan.points, np.float32)
    superpoints = superpoints_of(scan)
    files = {
        POINTS: np.concatenate([points, scan.colors.astype(np.float32)], 1).astype('<f4'),
        SUPERPOINTS: superpoints.astype('<i8'),
    }
    if scan.semantic_ids is not None:
        files[SEMANTICS] = scan.semantic_ids.astype('<i8')
        files[INSTANCES] = scan.instance_ids.astype('<i8')
    digest = ''
    for folder in FOLDERS:
        path = out / folder / f'{name}.bin'
        if folder not in files:
            path.unlink(missing_ok=True)
            continue
        data = files[folder].tobytes()
        if folder == SUPERPOINTS:
            digest = hashlib.sha256(data).hexdigest()
        with atomic_write(path) as file:
            file.write(data)
    labelled = scan.semantic_ids is not None
    masks = (('pts_semantic_mask_path', labelled), ('pts_instance_mask_path', labelled))
    return {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{name}.bin'},
        **{key: f'{name}.bin' for key, there in masks if there},
        'super_pts_path': f'{name}.bin',
        'super_pts_sha256': digest,
        'num_points': len(points),
        'num_superpoints': int(superpoints.max()) + 1,
        'axis_align_matrix': np.asarray(scan.axis_align_matrix, np.float64).tolist(),
        'instances': boxes(scan, space) if labelled else [],
    }


def check_scan(name: str, scan: PreparedScan) -> None:
    """Raise a SceneError where the arrays of a scan do not fit each other."""
    count = len(scan.points)
    if scan.points.shape != (count, 3) or count == 0:
        raise SceneError(f'{name}: points have shape {scan.points.shape}, expected (N, 3), N >= 1.')
    bad = np.flatnonzero(~np.isfinite(scan.points).all(1))
    if len(bad):
        raise SceneError(
            f'{name}: {len(bad)} points are not finite, the first is point {bad[0]}. The mesh is '
            'damaged; download it again.'
        )
    if scan.colors.shape != (count, 3) or scan.colors.dtype != np.uint8:
        raise SceneError(
            f'{name}: colours are {scan.colors.dtype} of shape {scan.colors.shape}, expected uint8 '
            f'of shape ({count}, 3).'
        )
    if (scan.semantic_ids is None) != (scan.instance_ids is None):
        raise SceneError(f'{name}: has only one of semantic and instance ids, expected both.')
    for what in ('superpoints', 'semantic_ids', 'instance_ids'):
        ids = getattr(scan, what)
        if ids is not None and (ids.shape != (count,) or ids.dtype.kind not in 'iu'):
            raise SceneError(
                f'{name}: {what} are {ids.dtype} of shape {ids.shape}, expected whole numbers of '
                f'shape ({count},).'
            )
        if ids is not None and ids.min() < 0:
            raise SceneError(f'{name}: {what} reach down to {ids.min()}, expected 0 or more.')
    if np.shape(scan.axis_align_matrix) != (4, 4) or not np.isfinite(scan.axis_align_matrix).all():
        raise SceneError(f'{name}: the axis alignment is no 4x4 matrix of finite numbers.')


def superpoints_of(scan: PreparedScan) -> np.ndarray:
    """int64, (N,), 0 .. S-1, each of them in use: those of the dataset, else cut here."""
    if scan.superpoints is not None:
        return dense_ids(scan.superpoints)
    points = np.ascontiguousarray(scan.points, np.float32)
    if scan.faces is not None and len(scan.faces):
        return segment_mesh(points, np.ascontiguousarray(scan.faces, np.int32))
    return compute_superpoints(points, scan.colors.astype(np.float32) / np.float32(255))


def boxes(scan: PreparedScan, space: LabelSpace | None) -> list[dict]:
    """Boxes of the objects whose class has instances, by object id.

    ``bbox_3d`` (centre and size, metres) is along the axes after the alignment of the scan, as
    mmdetection3d has it; ``unaligned_bbox_3d`` is along those of the points in the files. The class
    is that of the first point, as in training.
    """
    where = np.flatnonzero(scan.instance_ids)
    if not len(where):
        return []
    order = where[np.argsort(scan.instance_ids[where], kind='stable')]
    ids, starts = np.unique(scan.instance_ids[order], return_index=True)
    points = scan.points[order].astype(np.float64)
    matrix = np.asarray(scan.axis_align_matrix, np.float64)
    # Written out: a matrix product may round differently with another number of threads.
    columns = [sum(points[:, j] * row[j] for j in range(3)) + row[3] for row in matrix[:3]]
    aligned, unaligned = _boxes(np.stack(columns, 1), starts), _boxes(points, starts)
    raw = scan.semantic_ids[order[starts]]
    if space is None:
        labels = [-1] * len(ids)
    else:
        semantic = space.from_raw(raw).tolist()
        labels = [int(space.thing_label(i)) if i in space.things else None for i in semantic]
    return [
        {
            'bbox_3d': aligned[row],
            'unaligned_bbox_3d': unaligned[row],
            'bbox_label_3d': label,
            'object_id': int(number) - 1,
            'object_name': _name(scan, int(number) - 1),
        }
        for row, (number, label) in enumerate(zip(ids, labels))
        if label is not None
    ]


def _boxes(points: np.ndarray, starts: np.ndarray) -> list[list[float]]:
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    return np.concatenate([(low + high) / 2, high - low], 1).tolist()


def _name(scan: PreparedScan, object_id: int) -> str:
    names = scan.instance_names
    return str(names[object_id]) if object_id < len(names) else ''
