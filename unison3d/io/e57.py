"""E57 files of laser scanners (ASTM E2807), through the optional package ``pye57``.

All scans of the file become one cloud in the coordinates of the file: every pose is applied.
Points that the file itself marks as invalid are left out, and the log says how many. ``extra``
holds ``scan`` (which scan a point is from) and ``intensity``. Pictures are passed over.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from mmengine.logging import print_log

from unison3d.errors import FileFormatError, MissingDependencyError
from unison3d.io.files import check_file
from unison3d.io.raw_scene import RawScene

__all__ = ['read_e57']

#: Points decoded at a time: the count in the header is never trusted with an allocation.
_CHUNK = 1 << 16
_CARTESIAN = ('cartesianX', 'cartesianY', 'cartesianZ')
_SPHERICAL = ('sphericalRange', 'sphericalAzimuth', 'sphericalElevation')
_COLORS = ('colorRed', 'colorGreen', 'colorBlue')


def read_e57(path: str | os.PathLike[str]) -> RawScene:
    """Read an E57 file.

    Raises:
        FileFormatError: missing, damaged (each page of the file carries a checksum), or without
            points.
        MissingDependencyError: ``pye57`` is not installed.
    """
    path = check_file(path)
    try:
        from pye57 import ScanHeader, libe57
    except ImportError as error:
        raise MissingDependencyError('pye57', 'lidar', 'reading E57 files') from error
    try:
        image = libe57.ImageFile(str(path), 'r')
        try:
            root = image.root()
            nodes = root['data3D'] if root.isDefined('data3D') else []
            headers = [ScanHeader(nodes[i]) for i in range(len(nodes))]
            scans = [_read_scan(image, h, f'{path}, scan {i}') for i, h in enumerate(headers)]
        finally:
            image.close()
    except (libe57.E57Exception, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = ' '.join(str(error).split())[:200]
        raise FileFormatError(
            f'{path}: not a readable E57 file ({reason}). It is truncated or damaged; copy or '
            'export it again.'
        ) from error
    if not scans:
        raise FileFormatError(f'{path}: holds no scans (data3D), so there are no points.')
    return _joined(scans)


def _read_scan(image: Any, header: Any, where: str) -> dict[str, np.ndarray]:
    """Points (N, 3) in the coordinates of the file; colours and intensity where they are there."""
    wanted = (*_CARTESIAN, *_SPHERICAL, *_COLORS, 'intensity')
    names = [name for name in wanted if name in header.point_fields]
    is_cartesian = set(_CARTESIAN) <= set(names)
    if not is_cartesian and not set(_SPHERICAL) <= set(names):
        raise FileFormatError(
            f'{where}: points have {", ".join(header.point_fields)[:200]}, expected '
            f'{", ".join(_CARTESIAN)} or {", ".join(_SPHERICAL)}.'
        )
    state = f'{"cartesian" if is_cartesian else "spherical"}InvalidState'
    if state in header.point_fields:
        names.append(state)
    columns = _decode(image, header, names, where)
    if state in columns:
        valid = columns.pop(state) == 0
        if not valid.all():
            print_log(f'{where}: {(~valid).sum():,} invalid points are left out.', logger='current')
            columns = {name: values[valid] for name, values in columns.items()}
    if is_cartesian:
        points = np.stack([columns[name] for name in _CARTESIAN], axis=1)
    else:
        distance, azimuth, elevation = (columns[name] for name in _SPHERICAL)
        flat = distance * np.cos(elevation)
        points = np.stack(
            [flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)], axis=1
        )
    if header.has_pose():
        points = points @ header.rotation_matrix.T + header.translation
    found = {'points': points}
    if set(_COLORS) <= columns.keys():
        found['colors'] = _scaled_colors(np.stack([columns[n] for n in _COLORS], axis=1), header)
    if 'intensity' in columns:
        found['intensity'] = columns['intensity']
    return found


def _decode(image: Any, header: Any, names: list[str], where: str) -> dict[str, np.ndarray]:
    """float64 columns; memory grows with the points that are really there."""
    from pye57 import libe57

    chunks = {name: np.empty(_CHUNK) for name in names}
    buffers = libe57.VectorSourceDestBuffer()
    for name, chunk in chunks.items():
        buffers.append(libe57.SourceDestBuffer(image, name, chunk, _CHUNK, True, True))
    reader = header.points.reader(buffers)
    parts: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in names}
    while count := reader.read():
        for name, chunk in chunks.items():
            parts[name].append(chunk[:count].copy())
    reader.close()
    found = sum(map(len, parts[names[0]]))
    if found != header.point_count:
        raise FileFormatError(
            f'{where}: {header.point_count:,} points are promised, {found:,} are there. It is '
            'truncated or damaged; copy or export it again.'
        )
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _scaled_colors(colors: np.ndarray, header: Any) -> np.ndarray:
    """In [0, 1] by the limits that the scan states; as they are where it states none."""
    if 'colorLimits' not in header.scan_fields:
        return colors
    limits = header['colorLimits']
    low, high = (
        np.array([float(limits[f'{name}{end}'].value()) for name in _COLORS])
        for end in ('Minimum', 'Maximum')
    )
    return (colors - low) / np.where(high > low, high - low, 1.0)


def _joined(scans: list[dict[str, np.ndarray]]) -> RawScene:
    """All scans one after another; what some of them lack is left out."""
    shared = set.intersection(*(set(scan) for scan in scans))
    columns = {name: np.concatenate([scan[name] for scan in scans]) for name in shared}
    counts = [len(scan['points']) for scan in scans]
    extra = {'scan': np.repeat(np.arange(len(scans)), counts)}
    if 'intensity' in columns:
        extra['intensity'] = columns['intensity']
    return RawScene(columns['points'], columns.get('colors'), extra=extra)
