"""What labelling costs on a scan of millions of points: CPU seconds of each step.

    python benchmarks/labelling.py --points 5000000

CPU rather than wall time, so that other programs on the machine change little. The points come in
no order, which is the worst case for the run lengths of the journal.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from unison3d.structures import PointScene
from unison3d.viewer import layers
from unison3d.viewer.detail import detail_order, make_blocks
from unison3d.viewer.journal import Journal, SceneIdentity
from unison3d.viewer.label_edits import Delete, Draw, Rename, Replace
from unison3d.viewer.label_source import make_objects
from unison3d.viewer.labels import SceneLabels
from unison3d.viewer.object_boxes import object_boxes
from unison3d.viewer.picking import PointPicker


def measure(name: str, step: Callable, repeat: int = 1) -> object:
    """Run a step and print the least CPU seconds it took."""
    seconds = []
    for _ in range(repeat):
        start = time.process_time()
        result = step()
        seconds.append(time.process_time() - start)
    print(f'{name:34s} {min(seconds):7.3f} s')
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--points', type=int, default=5_000_000)
    count = parser.parse_args().points
    generator = np.random.default_rng(0)
    points = (generator.random((count, 3)) * [20, 15, 3]).astype(np.float32)
    scene = PointScene(points, colors=generator.random((count, 3)).astype(np.float32))
    cells = (points[:, 0] // 2).astype(np.int64) * 8 + (points[:, 1] // 2).astype(np.int64) + 1
    number = int(cells.max())
    objects = make_objects(['object'] * number, [1.0] * number, 'model')
    near = (np.abs(points - [5, 5, 1]) < 1).all(axis=1)

    order = measure('order of detail', lambda: detail_order(points))
    measure('blocks of 2 M points', lambda: make_blocks(points, order))
    picker = PointPicker(points)
    measure('point under the cursor', lambda: picker.pick((0, 0, 5), (1, 1, -1)), 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'labels.jsonl'
        identity = measure('identity of the scan', lambda: SceneIdentity.of(scene))
        labels = SceneLabels(count)
        journal = Journal.open(path, labels, identity)
        measure(f'load {number} objects', lambda: labels.apply(Replace(cells, objects)))
        megabytes = path.stat().st_size / 1e6
        measure(f'draw {near.sum():,} points', lambda: labels.apply(Draw(near)))
        measure('undo', labels.undo)
        measure('delete an object', lambda: labels.apply(Delete(3)))
        measure('rename an object', lambda: labels.apply(Rename(4, 'sofa')))
        _, ids, table = labels.snapshot()
        measure('colours of the objects', lambda: layers.object_layer(ids, table), 3)
        measure('colours of the heights', lambda: layers.height_layer(scene), 3)
        numbers = [item.id for item in table]
        measure('boxes of the objects', lambda: object_boxes(points, ids, numbers), 3)
        journal.close()
        again = SceneLabels(count)
        journal = measure('reopen', lambda: Journal.open(path, again, identity))
        measure('compact', journal.compact)
        journal.close()
    assert np.array_equal(ids, again.ids)
    print(f'the labels take {megabytes:.1f} MB on disk')


if __name__ == '__main__':
    main()
