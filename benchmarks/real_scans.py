"""Measure the shipped weights on labelled real scans, next to the trivial baseline.

    python benchmarks/real_scans.py --data ../shared/data

Columns:

- AP50, AP25: instances without classes, ScanNet rules (objects below 100 points do not count,
  points of nothing annotated are ignored). Walls, floors and ceilings are no objects.
- click IoU@1: one click per object, at the place farthest inside it (AGILE3D rule); mean IoU with
  the annotated points.
- mIoU: semantic, over the ScanNet20 classes that the scan contains.

Rows: the weights; ``connected superpoints`` (see connected_superpoints.py); ``single superpoints``
(each superpoint is an object, a click returns the superpoint under it). Scans that the folder does
not hold are left out. The scans fall under the ScanNet terms of use: research only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from connected_superpoints import connect

from unison3d import Segmenter
from unison3d.datasets.transforms.clicks import farthest_inside_clicks
from unison3d.evaluation.functional import (
    InstanceEvaluator,
    SemanticEvaluator,
    distinct_masks,
    nan_mean,
)
from unison3d.structures import SCANNET20, PointScene
from unison3d.superpoints import compute_superpoints

STRUCTURE = (1, 2, 22)  # NYU40 wall, floor, ceiling
MIN_POINTS = 100


@dataclass(frozen=True)
class LabelledScan:
    """A scan and its annotation.

    Attributes:
        scene: the scan.
        semantic: int64, (N,). ScanNet20 class, 20 unknown.
        objects: int64, (N,). Object ``0..M-1``, -1 for none.
        clicks: int64, (O,). Clicked point of each object that is large enough.
        targets: int64, (O,). The object of each click.
    """

    scene: PointScene
    semantic: np.ndarray
    objects: np.ndarray
    clicks: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """Masks over superpoints; ``clicks`` has one row per click of the scan."""

    superpoints: np.ndarray
    masks: np.ndarray
    scores: np.ndarray
    clicks: np.ndarray
    semantic: np.ndarray | None = None


def read_scans(root: Path) -> Iterator[LabelledScan]:
    """The labelled scans below a data folder."""
    mesh = root / 'scannet_scene0000_00' / 'scene0000_00_vh_clean_2.ply'
    if mesh.exists():
        labels = np.load(mesh.with_name('labels_v2.npz'))
        scene = PointScene.from_file(mesh)
        yield _labelled(scene, labels['nyu40'], labels['instance'])
    for name in ('scene0000_01', 'scene0423_00'):
        path = root / f'scannet_{name}' / 'points.npz'
        if not path.exists():
            continue
        arrays = np.load(path)
        if 'nyu40' in arrays.files:
            nyu40 = arrays['nyu40']
        else:
            nyu40 = _nyu40_of_names(path.with_name('objects.json'), arrays['instance'])
        scene = PointScene.from_arrays(arrays['xyz'], arrays['rgb'], name=name)
        yield _labelled(scene, nyu40, arrays['instance'])


def _nyu40_of_names(path: Path, instances: np.ndarray) -> np.ndarray:
    nyu40 = np.zeros(len(instances), dtype=np.int64)
    for entry in json.loads(path.read_text(encoding='utf-8')):
        label = SCANNET20.raw_ids[SCANNET20.index(entry['label'])]
        nyu40[instances == entry['instance']] = label
    return nyu40


def _labelled(scene: PointScene, nyu40: np.ndarray, instances: np.ndarray) -> LabelledScan:
    nyu40, instances = nyu40.astype(np.int64), instances.astype(np.int64)
    objects = np.full(len(instances), -1, dtype=np.int64)
    count = 0
    for instance in np.unique(instances[instances > 0]):
        own = instances == instance
        if np.bincount(nyu40[own]).argmax() not in STRUCTURE:
            objects[own] = count
            count += 1
    clicks = farthest_inside_clicks(scene.points, objects, count)
    large = np.bincount(objects[objects >= 0], minlength=count) >= MIN_POINTS
    targets = np.flatnonzero(large & (clicks >= 0))
    semantic = SCANNET20.from_raw(nyu40)
    return LabelledScan(scene, semantic, objects, clicks[targets], targets)


def evaluate(scan: LabelledScan, prediction: Prediction) -> dict[str, float]:
    """AP50, AP25, click IoU and mIoU, as fractions."""
    rows = distinct_masks(prediction.masks, prediction.scores)
    evaluator = InstanceEvaluator(None, min_points=MIN_POINTS)
    evaluator.update(
        prediction.masks[rows],
        np.zeros(len(rows)),
        prediction.scores[rows],
        scan.objects,
        np.zeros(scan.objects.max(initial=-1) + 1),
        superpoints=prediction.superpoints,
    )
    _, ap50, ap25 = evaluator.compute().mean()
    ious = []
    for mask, target in zip(prediction.clicks, scan.targets, strict=True):
        found, true = mask[prediction.superpoints], scan.objects == target
        ious.append((found & true).sum() / (found | true).sum())
    values = {'AP50': ap50, 'AP25': ap25, 'click IoU@1': nan_mean(ious)}
    if prediction.semantic is not None:
        semantic = SemanticEvaluator(len(SCANNET20))
        semantic.update(prediction.semantic, scan.semantic)
        present = semantic.confusion[:-1].sum(axis=1) > 0
        values['mIoU'] = nan_mean(semantic.compute().iou[present])
    return values


def scene_superpoints(scene: PointScene) -> np.ndarray:
    """Superpoints as the model would cut them."""
    if scene.superpoints is not None:
        return scene.superpoints
    return compute_superpoints(scene.points, scene.colors, scene.faces)


def baselines(scan: LabelledScan) -> dict[str, Prediction]:
    """Connected superpoints, and superpoints as they are."""
    superpoints = scene_superpoints(scan.scene)
    count = int(superpoints.max(initial=-1)) + 1
    sizes = np.bincount(superpoints, minlength=count)
    alone = np.eye(count, dtype=bool)
    clicked = superpoints[scan.clicks]
    found = connect(scan.scene.points, superpoints)
    owner = found.owner[clicked]
    same = (found.owner[None, :] == owner[:, None]) & (owner >= 0)[:, None]
    return {
        'connected superpoints': Prediction(
            superpoints, found.objects, found.objects @ sizes.astype(float), same | alone[clicked]
        ),
        'single superpoints': Prediction(superpoints, alone, sizes.astype(float), alone[clicked]),
    }


def predict(segmenter: Segmenter, scan: LabelledScan) -> Prediction:
    """What the weights say.

    Objects are the open-vocabulary ones, because a scan holds objects outside the 20 classes; their
    names are dropped.
    """
    segmenter.set_scene(scan.scene)
    positions = [tuple(p) for p in scan.scene.world_points[scan.clicks]]
    tasks = ['semantic', 'open_vocabulary'] + (['interactive'] if positions else [])
    result = segmenter.predict(tasks, clicks=positions)
    found = result.open_instances
    clicks = (
        result.click_masks.superpoint_masks.numpy() if positions else np.zeros((0, 0), dtype=bool)
    )
    return Prediction(
        superpoints=found.superpoints.numpy(),
        masks=found.superpoint_masks.numpy(),
        scores=found.scores.numpy(),
        clicks=clicks,
        semantic=result.semantic,
    )


def mean_rows(
    rows: list[tuple[str, str, dict[str, float]]],
) -> list[tuple[str, str, dict[str, float]]]:
    """Mean over the scans for each method."""
    means = []
    for method in dict.fromkeys(row[1] for row in rows):
        values = [row[2] for row in rows if row[1] == method]
        means.append(('mean', method, {k: nan_mean([v[k] for v in values]) for k in values[0]}))
    return means


def table(rows: list[tuple[str, str, dict[str, float]]]) -> str:
    """A Markdown table in per cent."""
    columns = ['AP50', 'AP25', 'click IoU@1', 'mIoU']
    lines = [
        f'| {"scan":13} | {"method":21} | ' + ' | '.join(f'{c:>11}' for c in columns) + ' |',
        '|' + '|'.join(['-' * 15, '-' * 23] + ['-' * 12 + ':'] * len(columns)) + '|',
    ]
    for scan, method, values in rows:
        cells = [f'{100 * values[c]:.1f}' if c in values else '-' for c in columns]
        lines.append(f'| {scan:13} | {method:21} | ' + ' | '.join(f'{c:>11}' for c in cells) + ' |')
    return '\n'.join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'), help='data folder')
    parser.add_argument('--weights', default=None, help='checkpoint; default: the shipped weights')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--baseline-only', action='store_true', help='leave the model out')
    options = parser.parse_args()
    segmenter = None
    if not options.baseline_only:
        segmenter = Segmenter.from_pretrained(options.weights, options.device)
    rows = []
    for scan in read_scans(options.data):
        name = scan.scene.name.removesuffix('_vh_clean_2')
        if segmenter is not None:
            rows.append((name, 'unison3d', evaluate(scan, predict(segmenter, scan))))
        for method, prediction in baselines(scan).items():
            rows.append((name, method, evaluate(scan, prediction)))
    if not rows:
        parser.error(f'no labelled scan below {options.data}')
    print(table(rows + mean_rows(rows)))


if __name__ == '__main__':
    main()
