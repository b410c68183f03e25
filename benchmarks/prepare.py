"""How long a scan in the raw ScanNet layout takes to prepare, on one core.

    OMP_NUM_THREADS=1 python benchmarks/prepare.py
    OMP_NUM_THREADS=1 python benchmarks/prepare.py --vertices 500000

The scan is made here: a wavy sheet of the size asked for, cut into segments of about 120 vertices,
with 70 objects. Reading is that of the mesh, the segments and the labels; the rest is checking,
boxes and writing. The last line is what scans cost whose superpoints have to be made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from unison3d.datasets.prepare.job import PrepareWork, prepare_dataset
from unison3d.datasets.prepare.processed import superpoints_of
from unison3d.datasets.prepare.scannet import ScanNetLayout
from unison3d.datasets.prepare.verify import verify_folder
from unison3d.io import write_ply

SCAN = 'scene0000_00'
OBJECTS = 70
PATCH = 11  # vertices along the side of a segment


def write_scan(root: Path, vertices: int) -> None:
    """A scan of about ``vertices`` vertices in the raw layout."""
    side = round(vertices**0.5)
    x, y = (axis.reshape(-1) for axis in np.meshgrid(range(side), range(side), indexing='ij'))
    points = np.stack([x * 0.02, y * 0.02, 0.1 * np.sin(x * 0.2) * np.cos(y * 0.1)], 1)
    corners = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1)
    lower = np.stack([corners, corners + side, corners + 1], 1)
    upper = np.stack([corners + 1, corners + side, corners + side + 1], 1)
    colors = np.stack([x % 256, y % 256, (x + y) % 256], 1).astype(np.uint8)
    folder = root / 'scans' / SCAN
    write_ply(
        folder / f'{SCAN}_vh_clean_2.ply',
        points.astype(np.float32),
        colors=colors,
        faces=np.concatenate([lower, upper]).astype(np.int32),
    )
    # Ids in use are vertices, as in the release.
    segments = (x // PATCH * PATCH) * side + y // PATCH * PATCH
    ids = np.unique(segments)
    groups = [
        {'objectId': k, 'label': 'chair', 'segments': ids[k :: OBJECTS + 5].tolist()}
        for k in range(OBJECTS)
    ]
    files = {
        '_vh_clean_2.0.010000.segs.json': json.dumps({'segIndices': segments.tolist()}),
        '.aggregation.json': json.dumps({'segGroups': groups}),
        '.txt': 'axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n',
    }
    for ending, text in files.items():
        (folder / f'{SCAN}{ending}').write_text(text)


def best_ms(function: Callable[[], object], repeats: int) -> float:
    """Milliseconds of the fastest of some runs; the first compiles and is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--vertices', type=int, default=150_000)
    parser.add_argument('--repeats', type=int, default=5)
    args = parser.parse_args()
    layout = ScanNetLayout()
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder), Path(folder) / 'out'
        write_scan(root, args.vertices)
        (unit,) = layout.scans(root)
        scan = layout.read(unit)
        work = PrepareWork(layout, out)
        rows = {
            'read': best_ms(lambda: layout.read(unit), args.repeats),
            'read and write': best_ms(lambda: work.make(unit), args.repeats),
        }
        prepare_dataset(layout, root, out, overwrite=True)
        rows['verify'] = best_ms(lambda: verify_folder(out), args.repeats)
        scan.superpoints = None
        rows['superpoints of the mesh'] = best_ms(lambda: superpoints_of(scan), args.repeats)
    print(f'{len(scan.points):,} vertices, {len(scan.faces):,} faces, best of {args.repeats}\n')
    print('| step | ms |\n| --- | ---: |')
    for name, value in rows.items():
        print(f'| {name} | {value:.0f} |')


if __name__ == '__main__':
    main()
