"""Small scans in the raw ScanNet layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from unison3d.io import write_ply

#: Names of the shipped lists.
TRAIN, VAL, TEST = 'scene0191_00', 'scene0568_00', 'scene0707_00'
TABLE = 'id\traw_category\tnyu40id\n1\twall\t1\n2\tchair\t5\n3\tfloor\t2\n10\toffice chair\t5\n'
GROUPS = [
    {'objectId': 0, 'label': 'floor', 'segments': [700]},
    {'objectId': 1, 'label': 'chair', 'segments': [40, 99]},
    {'objectId': 2, 'label': 'office chair', 'segments': [512]},
]
#: A quarter turn about z and a shift.
ALIGNMENT = [[0, -1, 0, 2.5], [1, 0, 0, 0], [0, 0, 1, -0.25], [0, 0, 0, 1]]
SEGMENTS = [700, 40, 99, 512, 3]


def write_raw_scan(
    root: Path, name: str = TRAIN, *, seed: int = 0, side: int = 10, groups: list | None = None
) -> Path:
    """One scan: a bumpy square of ``side * side`` vertices in five stripes of segments."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(side), np.arange(side), indexing='ij')
    points = np.stack([x, y, rng.random((side, side))], -1).reshape(-1, 3).astype(np.float32)
    corner = (x[:-1, :-1] * side + y[:-1, :-1]).reshape(-1)
    faces = np.stack([corner, corner + side, corner + 1], 1).astype(np.int32)
    folder = root / 'scans' / name
    write_ply(
        folder / f'{name}_vh_clean_2.ply',
        points * np.float32(0.1),
        colors=rng.integers(0, 256, (len(points), 3)).astype(np.uint8),
        faces=faces,
    )
    stripes = np.repeat(SEGMENTS, len(points) // len(SEGMENTS)).tolist()
    content = {'sceneId': name, 'segIndices': stripes}
    (folder / f'{name}_vh_clean_2.0.010000.segs.json').write_text(json.dumps(content))
    groups = GROUPS if groups is None else groups
    (folder / f'{name}.aggregation.json').write_text(json.dumps({'segGroups': groups}))
    numbers = ' '.join(str(float(v)) for row in ALIGNMENT for v in row)
    (folder / f'{name}.txt').write_text(f'numColorFrames = 3\naxisAlignment = {numbers} \n')
    return folder


def write_raw_test_scan(root: Path, name: str = TEST) -> Path:
    """A test scan: the mesh alone."""
    labelled = write_raw_scan(root, name)
    folder = root / 'scans_test' / name
    folder.mkdir(parents=True)
    mesh = f'{name}_vh_clean_2.ply'
    (labelled / mesh).rename(folder / mesh)
    for path in labelled.iterdir():
        path.unlink()
    labelled.rmdir()
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its content, without the lock of a job."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.suffix != '.lock'
    }


def read_ids(out: Path, folder: str, name: str = TRAIN) -> np.ndarray:
    """A mask as it lies on disk."""
    return np.fromfile(out / folder / f'{name}.bin', '<i8')
