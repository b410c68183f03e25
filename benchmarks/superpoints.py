"""Measure superpoints on a labelled real mesh.

    python benchmarks/superpoints.py --data ../shared/data
    python benchmarks/superpoints.py --procedural 8

- ms: the best of some runs, after compilation.
- ARI: adjusted Rand index with the over-segmentation that the data set distributes.
- BR: boundary recall, the share of object boundary points with a superpoint boundary within 5 cm.
- ASA: achievable segmentation accuracy, points right if every superpoint had its best object.
- ASA 5 cm: the same over the points farther than 5 cm from an object boundary.

Rows: the mesh; its vertices as bare points; a uniform sample of the surface as bare points (time
only); levels of the hierarchy, with the time of building all of it. Points without an object do not
count.

``--procedural`` measures on simulated scans of procedural rooms instead: meshes fused from depth
images, whose labels come from the renderer. Mesh and bare vertices are merged to the same count,
and the table shows means over the scans.

What was learned:

- The objects of ScanNet are annotated as unions of the distributed superpoints, so the mesh is
  measured with its own ruler: its ASA is 100 % by construction. Bare points cannot reach that.
  Even 5,000 superpoints of bare points have an ASA of 97 %, and the mesh's own vertex normals on a
  nearest-neighbour graph have one of 96 % at 640: object boundaries run along single mesh edges.
  Beyond the 5 cm within which boundary recall is measured, bare points at equal count come within
  two points of the mesh. On simulated scans, whose labels know nothing of superpoints, bare points
  at equal count are level with the mesh in ASA and better in boundary recall: colour helps them.
- Delaunay neighbours in the tangent plane instead of the 8 nearest points, and normals of the
  triangles between them instead of a plane fit, take ASA from 92.8 to 94.4 and boundary recall from
  95.2 to 96.9 at about the same count (1,097 and 1,080), with half the edges. The weights that
  shipped then had not seen them; real_scans.py changed on the three scans without faces: mean AP50
  of all four 37.9 to 41.6, AP25 57.0 to 56.9 (scene0356_00 alone 48.9 to 31.2, the others up), one
  click 50.3 to 52.0.
- The settings of the hierarchy were chosen on the scan of this table.
- The settings of bare points were first chosen on it too (color_weight 0.1, min_points 16: ASA
  94.4, BR 96.9 with 1,080 superpoints). On rooms whose points are drawn from surfaces they let
  books and pictures run into what carries them: the best union of superpoints had a mean IoU of
  0.914 with an object there, which bounds every mask. 0.3 and 12 raise it to 0.935, with a third
  more superpoints. What the same weights make of 40 such rooms (AP, one click, five clicks, PQ)
  went from 0.654, 0.766, 0.819, 0.691 to 0.662, 0.777, 0.834, 0.688. A weight of 1.0 with 16 points
  gave 0.672, 0.787, 0.838, 0.688, but cuts real textures: ASA 93.7 on the scan of this table, and
  five clicks on scene0000_01 fell from 67.0 to 62.7; with 0.3 and 12 they are 67.3.
- Signs of normals from a view point do not pay for bare points: telling convex from concave bends
  needs all of them right.
- The mesh took 80 ms, of it 30 for merging, 19 for sorting and 10 for weights. Choosing numbers in
  place of branches made the weights four times as fast, comparing parents before climbing to the
  root took a third off the merging, and edges that merged in the first pass are left out of the
  second.
- Nearest neighbours on a grid took a third of the time of a k-d tree in the same run (16 of
  125,051 points on two threads), and are as exact.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measure import milliseconds
from scipy.spatial import cKDTree

from unison3d.bench.machine import machine_line
from unison3d.evaluation.functional import (
    achievable_accuracy,
    adjusted_rand_index,
    boundary_points,
    boundary_recall,
)
from unison3d.io import read_npz_arrays
from unison3d.structures import PointScene
from unison3d.superpoints import mesh_edges, segment_mesh, segment_points, superpoint_hierarchy
from unison3d.synth import make_scene

SCAN = 'scannet_scene0000_00'
TOLERANCE = 0.05
NO_OBJECT = 0
SAMPLED = 150_000
FIRST_SEED, SPACING = 5000, 0.02
COLUMNS = ('ms', 'superpoints', 'ARI', 'BR', 'ASA', 'ASA 5 cm')


@dataclass(frozen=True)
class Truth:
    """The labelled mesh and its object boundaries."""

    scene: PointScene
    objects: np.ndarray
    stored: np.ndarray
    edges: np.ndarray
    inside: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> Truth:
        """Read the scan and its labels."""
        scene = PointScene.from_file(folder / 'scene0000_00_vh_clean_2.ply')
        labels = read_npz_arrays(folder / 'labels_v2.npz')
        objects = labels['instance'].astype(np.int64)
        edges = mesh_edges(scene.faces)
        boundary = scene.points[boundary_points(objects, edges)]
        inside = cKDTree(boundary).query(scene.points)[0] > TOLERANCE
        return cls(scene, objects, labels['superpoint'].astype(np.int64), edges, inside)

    def row(self, duration: float, ids: np.ndarray) -> tuple[float, ...]:
        """The columns of the table."""
        recall = boundary_recall(
            self.scene.points, self.objects, ids, self.edges, tolerance=TOLERANCE, ignore=NO_OBJECT
        )
        inside = self.inside
        return (
            duration,
            ids.max() + 1,
            adjusted_rand_index(ids, self.stored),
            100 * recall,
            100 * achievable_accuracy(self.objects, ids, ignore=NO_OBJECT),
            100 * achievable_accuracy(self.objects[inside], ids[inside], ignore=NO_OBJECT),
        )


def sample_surface(scene: PointScene, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and colours drawn evenly from the faces."""
    rng = np.random.default_rng(0)
    corners = scene.points[scene.faces].astype(np.float64)
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    faces = rng.choice(len(area), count, p=area / area.sum())
    u, v = rng.uniform(size=(2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    share = np.stack([1 - u - v, u, v], axis=1)[..., None]
    points = (corners[faces] * share).sum(axis=1)
    colors = (scene.colors[scene.faces[faces]] * share).sum(axis=1)
    return points.astype(np.float32), colors.astype(np.float32)


def procedural(count: int) -> None:
    """Print mesh and bare points at equal count, means over ``count`` scans of each profile."""
    print('| world    | count | BR mesh | BR bare | ASA mesh | ASA bare |')
    print('| -------- | ----: | ------: | ------: | -------: | -------: |')
    for profile in ('rooms', 'shifted'):
        rows = []
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            scene = make_scene(seed, profile=profile, scanner='camera', spacing=SPACING)
            # Walls and floors count as one object each; 0 stays for points without a label.
            objects = np.where(scene.instances >= 0, 1000 + scene.instances, 1 + scene.semantic)
            edges = mesh_edges(scene.faces)
            levels = [
                (segment_mesh(scene.points, scene.faces), scene.faces),
                (segment_points(scene.points, scene.colors), None),
            ]
            equal = 1 + min(int(ids.max()) for ids, _ in levels)
            measured = []
            for ids, faces in levels:
                tree = superpoint_hierarchy(scene.points, ids, colors=scene.colors, faces=faces)
                merged = tree.level(equal)[ids]
                recall = boundary_recall(
                    scene.points, objects, merged, edges, tolerance=TOLERANCE, ignore=NO_OBJECT
                )
                accuracy = achievable_accuracy(objects, merged, ignore=NO_OBJECT)
                measured.append((100 * recall, 100 * accuracy))
            (mesh_recall, mesh_accuracy), (bare_recall, bare_accuracy) = measured
            rows.append((equal, mesh_recall, bare_recall, mesh_accuracy, bare_accuracy))
        cells = ' | '.join(f'{x:.1f}' for x in np.mean(rows, axis=0)[1:])
        print(f'| {profile:<8} | {np.mean(rows, axis=0)[0]:.0f} | {cells} |', flush=True)


def timed(run: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    """Best time in milliseconds and the result."""
    return milliseconds(run, repeats=repeats), run()


def show(name: str, row: tuple[float, ...]) -> None:
    """Print one line of the table."""
    formats = ('.0f', '.0f', '.4f', '.1f', '.1f', '.1f')
    cells = ['-' if np.isnan(x) else format(x, f) for x, f in zip(row, formats, strict=True)]
    print(f'| {name:<34} | ' + ' | '.join(cell.rjust(11) for cell in cells) + ' |', flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--data', type=Path, help='folder of the real scans')
    source.add_argument('--procedural', type=int, metavar='N', help='N simulated scans per world')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeats', type=int, default=10, help='the best of these counts')
    parser.add_argument('--levels', type=int, nargs='+', default=[400, 250, 150, 100, 60])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.procedural is not None:
        procedural(args.procedural)
        return
    truth = Truth.load(args.data / SCAN)
    scene = truth.scene
    points, colors, faces = scene.points, scene.colors, scene.faces
    print(machine_line('cpu'))
    print(
        '| superpoints                        | ' + ' | '.join(c.rjust(11) for c in COLUMNS) + ' |'
    )
    print('|-' + '-' * 34 + '-|' + ('-' * 12 + ':|') * len(COLUMNS))
    show('stored', truth.row(np.nan, truth.stored))
    duration, mesh = timed(lambda: segment_mesh(points, faces), args.repeats)
    show('mesh', truth.row(duration, mesh))
    duration, bare = timed(lambda: segment_points(points, colors), args.repeats)
    show('bare points', truth.row(duration, bare))
    duration, plain = timed(lambda: segment_points(points), args.repeats)
    show('bare points without colours', truth.row(duration, plain))
    sampled = sample_surface(scene, SAMPLED)
    duration, ids = timed(lambda: segment_points(*sampled), args.repeats)
    show(f'{SAMPLED:,} sampled points', (duration, ids.max() + 1, *[np.nan] * 4))
    equal = int(mesh.max()) + 1
    for name, ids, used in (('mesh', mesh, faces), ('bare points', bare, None)):

        def build(ids: np.ndarray = ids, used: np.ndarray | None = used):
            return superpoint_hierarchy(points, ids, colors=colors, faces=used)

        duration, tree = timed(build, args.repeats)
        for count in [equal, *args.levels]:
            show(f'{name}, level {count}', truth.row(duration, tree.level(count)[ids]))


if __name__ == '__main__':
    main()
