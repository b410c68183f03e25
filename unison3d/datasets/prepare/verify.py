"""Does a processed dataset hold together? Every finding names the file and the place in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.datasets.prepare.infos import read_infos
from unison3d.datasets.prepare.meshes import is_rigid
from unison3d.datasets.prepare.processed import (
    FOLDERS,
    INSTANCES,
    POINTS,
    SEMANTICS,
    SUPERPOINTS,
)
from unison3d.errors import FileFormatError

_INFO_NAME = re.compile(r'(.+)_infos_(.+)\.(pkl|json)')
_PATH_KEYS = {
    INSTANCES: 'pts_instance_mask_path',
    SEMANTICS: 'pts_semantic_mask_path',
    SUPERPOINTS: 'super_pts_path',
}
#: Of published infos, which do not tell.
_LARGEST_IDS = {'scannet': 40, 'scannet200': 1357}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Args:
        path: the file.
        place: in the file: an entry, a point, a byte.
        problem: what is there and what should be.
    """

    path: Path
    place: str
    problem: str

    def __str__(self) -> str:
        return f'{self.path}: {self.place}: {self.problem}'


@dataclass
class Verified:
    """What was looked at.

    Args:
        scans: number of entries of each info file.
        findings: what is wrong with them.
        colorless: scans whose colours are all zeros, by the name of their points file. That is no
            mistake: some datasets have none, or need another file of the download for them.
    """

    scans: dict[str, int]
    findings: list[Finding]
    colorless: set[str] = field(default_factory=set)


def verify_folder(out: str | Path, on_scan: Callable[[str], None] = lambda name: None) -> Verified:
    """Check the info files of a folder and every file they name.

    Understands our own folders and those that OpenMMLab programs have made.

    Args:
        out: folder with the info files and the four folders.
        on_scan: told of every scan as it is looked at.

    Raises:
        FileFormatError: there is no info file.
    """
    out = Path(out).expanduser()
    paths = sorted(path for path in out.glob('*_infos_*') if _INFO_NAME.fullmatch(path.name))
    if not paths:
        raise FileFormatError(
            f'{out}: holds no info file (<dataset>_infos_<split>.pkl or .json). Prepare the '
            'dataset, or give the folder that the info files are in.'
        )
    result = Verified({}, [])
    infos: dict[Path, dict] = {}
    for path in paths:
        try:
            infos[path] = read_infos(path)
            result.scans[path.name] = len(infos[path]['data_list'])
        except FileFormatError as error:
            result.findings.append(Finding(path, 'whole file', str(error)))
    result.findings += _compare_twins(infos)
    result.findings += _compare_splits(infos)
    looked_at: set[tuple] = set()
    for path, content in infos.items():
        if path.suffix == '.json' and path.with_suffix('.pkl') in infos:
            continue
        for number, entry in enumerate(content['data_list']):
            on_scan(entry['lidar_points']['lidar_path'])
            if _is_colorless(out / POINTS / entry['lidar_points']['lidar_path'], entry):
                result.colorless.add(entry['lidar_points']['lidar_path'])
            result.findings += _check_entry(out, path, number, entry, content, looked_at)
    result.findings += _unnamed_files(out, infos)
    return result


def _compare_twins(infos: dict[Path, dict]) -> Iterator[Finding]:
    for path, content in infos.items():
        twin = infos.get(path.with_suffix('.json')) if path.suffix == '.pkl' else None
        if twin is None:
            continue
        ours, theirs = content['data_list'], twin['data_list']
        if len(ours) != len(theirs):
            yield Finding(
                path.with_suffix('.json'),
                f'entry {min(len(ours), len(theirs))}',
                f'{len(theirs)} entries, the .pkl has {len(ours)}',
            )
        for number, (a, b) in enumerate(zip(ours, theirs)):
            if _name(a) != _name(b) or a.get('super_pts_sha256') != b.get('super_pts_sha256'):
                yield Finding(
                    path.with_suffix('.json'),
                    f'entry {number}',
                    f'is about {_name(b)} or its older files, the .pkl about {_name(a)}',
                )


def _compare_splits(infos: dict[Path, dict]) -> Iterator[Finding]:
    seen: dict[tuple[str, str], tuple[Path, int]] = {}
    for path, content in infos.items():
        tag, suffix = _INFO_NAME.fullmatch(path.name)[1], path.suffix
        for number, entry in enumerate(content['data_list']):
            key = f'{tag}{suffix}', _name(entry)
            if key in seen:
                other, place = seen[key]
                yield Finding(
                    path, f'entry {number}', f'{_name(entry)} is also entry {place} of {other.name}'
                )
            seen.setdefault(key, (path, number))


def _name(entry: dict) -> str:
    return Path(entry['lidar_points']['lidar_path']).stem


def _check_entry(
    out: Path, path: Path, number: int, entry: dict, content: dict, looked_at: set[tuple]
) -> Iterator[Finding]:
    where = f'entry {number} ({_name(entry)})'
    count, checks = _check_points(out, entry)
    largest = content['metainfo'].get('largest_semantic_id')
    if largest is None:
        largest = _LARGEST_IDS.get(content['metainfo'].get('dataset'))
    for folder in (INSTANCES, SEMANTICS, SUPERPOINTS):
        name = entry.get(_PATH_KEYS[folder])
        if name is None and folder != SUPERPOINTS:
            continue
        # Older info files do not name superpoints, and yet they are where they should be.
        file = out / folder / (name or entry['lidar_points']['lidar_path'])
        if count is None and file.exists():
            continue
        if name is None and not file.exists():
            checks.append(Finding(path, where, 'names no superpoints (super_pts_path)'))
            continue
        checks += _check_ids(file, folder, count, largest)
    ids = {f: out / f / entry[k] for f, k in _PATH_KEYS.items() if entry.get(k) is not None}
    if (INSTANCES in ids) != (SEMANTICS in ids):
        checks.append(Finding(path, where, 'names only one of semantic and instance mask'))
    # Several info files may name the same scan; its files are reported once.
    key = (entry['lidar_points']['lidar_path'], *sorted(map(str, ids.values())))
    if key not in looked_at:
        yield from checks
    else:
        yield from (finding for finding in checks if finding.path == path)
    looked_at.add(key)
    present = {folder: file for folder, file in ids.items() if _fits(file, count)}
    yield from _check_info(path, where, entry, content, present)


def _check_points(out: Path, entry: dict) -> tuple[int | None, list[Finding]]:
    """Number of points, None where that cannot be said, and what is wrong with them."""
    file = out / POINTS / entry['lidar_points']['lidar_path']
    width = entry['lidar_points'].get('num_pts_feats', 6)
    if not isinstance(width, int) or width < 3:
        return None, [Finding(file, 'rows', f'num_pts_feats is {width!r}, expected 6')]
    if not file.is_file():
        return None, [Finding(file, 'whole file', 'is missing')]
    size = file.stat().st_size
    if size % (4 * width) or size == 0:
        rule = (
            f'{size} bytes, expected a positive multiple of {4 * width} ({width} float32 a point)'
        )
        return None, [Finding(file, f'byte {size - size % (4 * width)}', rule)]
    table = np.fromfile(file, '<f4').reshape(-1, width)
    findings = []
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        row, column = bad[0]
        problem = (
            f'{table[row, column]} in column {column}, expected finite numbers ({len(bad)} bad)'
        )
        findings.append(Finding(file, f'point {row}', problem))
    colors = table[:, 3:6] if width >= 6 else table[:, :0]
    bad = np.argwhere((colors < 0) | (colors > 255))
    if len(bad):
        row, column = bad[0]
        problem = f'colour {colors[row, column]:g}, expected 0 to 255 ({len(bad)} bad)'
        findings.append(Finding(file, f'point {row}', problem))
    return len(table), findings


def _is_colorless(file: Path, entry: dict) -> bool:
    """Whether all colours are zeros. Nearly every scan is told by its first rows."""
    width = entry['lidar_points'].get('num_pts_feats', 6)
    if type(width) is not int or width < 6 or not file.is_file() or not file.stat().st_size:
        return False
    for count in (100, -1):
        numbers = np.fromfile(file, '<f4', count * width if count > 0 else -1)
        table = numbers[: len(numbers) // width * width].reshape(-1, width)
        if table[:, 3:6].any():
            return False
    return True


def _fits(file: Path, count: int | None) -> bool:
    return count is not None and file.is_file() and file.stat().st_size == 8 * count


def _check_ids(file: Path, folder: str, count: int | None, largest: int | None) -> list[Finding]:
    if not file.is_file():
        return [Finding(file, 'whole file', 'is missing')]
    if not _fits(file, count):
        size = file.stat().st_size
        problem = f'{size} bytes, expected {8 * count} (int64 for each of {count} points)'
        return [Finding(file, f'byte {min(size, 8 * count)}', problem)]
    ids = np.fromfile(file, '<i8')
    upper = {SEMANTICS: largest, SUPERPOINTS: count - 1}.get(folder)
    wrong = ids < 0
    if upper is not None:
        wrong |= ids > upper
    bad = np.flatnonzero(wrong)
    if len(bad):
        limit = '0 or more' if upper is None else f'0 to {upper}'
        return [Finding(file, f'point {bad[0]}', f'id {ids[bad[0]]}, expected {limit}')]
    if folder == SUPERPOINTS:
        empty = np.flatnonzero(np.bincount(ids) == 0)
        if len(empty):
            problem = (
                f'no point has this id, but ids reach to {ids.max()}; expected 0 .. S-1, each in '
                f'use ({len(empty)} are not)'
            )
            return [Finding(file, f'superpoint {empty[0]}', problem)]
    return []


def _check_info(
    path: Path, where: str, entry: dict, content: dict, files: dict[str, Path]
) -> Iterator[Finding]:
    """What the info file says, against itself and against the files."""
    superpoints = np.fromfile(files[SUPERPOINTS], '<i8') if SUPERPOINTS in files else None
    if superpoints is not None:
        digest = entry.get('super_pts_sha256')
        if digest and hashlib.sha256(files[SUPERPOINTS].read_bytes()).hexdigest() != digest:
            yield Finding(
                files[SUPERPOINTS],
                'whole file',
                f'is another one than {path.name}, {where}, was written with (sha256 differs)',
            )
        masks = entry.get('sam3d_pseudo_sp_masks')
        if masks is not None and masks.shape[1] != superpoints.max() + 1:
            problem = f'pseudo masks over {masks.shape[1]} superpoints, the file has '
            yield Finding(path, where, f'{problem}{superpoints.max() + 1}')
    matrix = entry.get('axis_align_matrix')
    if matrix is not None and not _is_rigid(matrix):
        yield Finding(path, where, 'axis_align_matrix is no rigid 4x4 matrix of finite numbers')
    objects = set()
    if INSTANCES in files:
        objects = set((np.unique(np.fromfile(files[INSTANCES], '<i8')) - 1).tolist()) - {-1}
    yield from _check_boxes(path, where, entry, len(content['metainfo'].get('categories') or ()))
    if INSTANCES not in files:
        return
    named = {box['object_id'] for box in entry.get('instances') or () if 'object_id' in box}
    for key in sorted(named | {int(key) for key in entry.get('text_info') or ()}):
        if key not in objects:
            yield Finding(path, where, f'speaks of object {key}, which has no point in its mask')


def _check_boxes(path: Path, where: str, entry: dict, classes: int) -> Iterator[Finding]:
    for row, box in enumerate(entry.get('instances') or ()):
        numbers = _numbers(box.get('bbox_3d') if isinstance(box, dict) else None)
        if numbers is None or numbers.shape not in ((6,), (7,)) or (numbers[3:6] < 0).any():
            yield Finding(path, f'{where}, instance {row}', 'bbox_3d is no box of finite numbers')
            continue
        label = box.get('bbox_label_3d')
        if not isinstance(label, int) or not (label == -1 or 0 <= label < classes or not classes):
            problem = f'bbox_label_3d is {label!r}, expected 0 to {classes - 1}'
            yield Finding(path, f'{where}, instance {row}', problem)


def _numbers(value: Any) -> np.ndarray | None:
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _is_rigid(value: Any) -> bool:
    matrix = _numbers(value)
    return matrix is not None and is_rigid(matrix)


def _unnamed_files(out: Path, infos: dict[Path, dict]) -> Iterator[Finding]:
    named = {_name(entry) for content in infos.values() for entry in content['data_list']}
    for folder in FOLDERS:
        for file in sorted((out / folder).glob('*')):
            if file.stem not in named:
                yield Finding(file, 'whole file', 'no info file names it')
