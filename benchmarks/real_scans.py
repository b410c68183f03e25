"""Measure weights on labelled real scans, next to trivial baselines.

    python benchmarks/real_scans.py --data ../shared/data --pictures out/pictures

First table, what is seen:

- AP50, AP25: instances without classes, ScanNet rules (objects below 100 points do not count,
  points of nothing annotated are ignored). Walls, floors and ceilings are no objects.
- click IoU@1: one click per object, at the place farthest inside it (AGILE3D rule); mean IoU with
  the annotated points. click IoU@5: the same after four corrections by a simulated user
  (unison3d/models/click_simulation.py), for the weights only.
- mIoU: semantic, over the ScanNet20 classes that the scan contains.

Rows: the weights; ``connected superpoints`` (see connected_superpoints.py); ``single superpoints``
(each superpoint is an object, a click returns the superpoint under it).

Second table, what is described: mean IoU and the share of sentences above an IoU of 0.25 and 0.5.
Rows: the weights; ``largest connected`` answers every sentence with the largest of the connected
superpoints; ``random true object`` is the expectation over the annotated objects, each with its
perfect mask, so it knows where objects are and nothing of the sentence.

Meshes without annotation are run and summarised. Scans that the folder does not hold are left out;
scan_files.py says how they are found. Most real scans may be used for research only.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from connected_superpoints import connect
from corrected_clicks import corrected_ious
from scan_files import MIN_POINTS, LabelledScan, labelled_scans, unlabelled_meshes

from unison3d import Segmenter
from unison3d.apis.scene_result import SceneResult
from unison3d.evaluation.functional import (
    InstanceEvaluator,
    SemanticEvaluator,
    distinct_masks,
    iou_at_click,
    mask_iou,
    nan_mean,
    referring_summary,
)
from unison3d.structures import SCANNET20, PointScene
from unison3d.superpoints import compute_superpoints
from unison3d.viewer.render import PointRenderer, contact_sheet, save_png

CONFIDENT = 0.3
SEEN = ('AP50', 'AP25', 'click IoU@1', 'click IoU@5', 'mIoU')
NUM_CLICKS = 5
DESCRIBED = ('sentences', 'mIoU', 'acc@0.25', 'acc@0.5')
PICTURES = ('semantic', 'instance', 'open_vocabulary')

Rows = list[tuple[str, str, dict[str, float]]]


@dataclass(frozen=True)
class Prediction:
    """Masks over superpoints; ``clicks`` has one row per click of the scan."""

    superpoints: np.ndarray
    masks: np.ndarray
    scores: np.ndarray
    clicks: np.ndarray
    semantic: np.ndarray | None = None


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
    true = scan.objects[None] == scan.targets[:, None]
    ious = mask_iou(prediction.clicks, true, superpoints=prediction.superpoints)
    values = {'AP50': ap50, 'AP25': ap25, 'click IoU@1': nan_mean(ious)}
    if prediction.semantic is not None:
        semantic = SemanticEvaluator(len(SCANNET20))
        semantic.update(prediction.semantic, scan.semantic)
        present = semantic.confusion[:-1].sum(axis=1) > 0
        values['mIoU'] = nan_mean(semantic.compute().iou[present])
    return values


def described(ious: np.ndarray, num_sentences: int) -> dict[str, float]:
    """Row of the second table from one IoU per answer."""
    summary = referring_summary(ious.ravel())
    values = {name: summary[key] for name, key in zip(DESCRIBED[1:], ('miou', 'acc25', 'acc50'))}
    return {'sentences': num_sentences, **values}


def scene_superpoints(scene: PointScene) -> np.ndarray:
    """Superpoints as the model would cut them."""
    if scene.superpoints is not None:
        return scene.superpoints
    return compute_superpoints(scene.points, scene.colors, scene.faces)


def baselines(scan: LabelledScan) -> tuple[dict[str, dict[str, float]], dict[str, dict]]:
    """Values of the trivial methods for the first and for the second table."""
    superpoints = scene_superpoints(scan.scene)
    count = int(superpoints.max(initial=-1)) + 1
    sizes = np.bincount(superpoints, minlength=count).astype(float)
    alone = np.eye(count, dtype=bool)
    clicked = superpoints[scan.clicks]
    found = connect(scan.scene.points, superpoints)
    owner = found.owner[clicked]
    same = (found.owner[None, :] == owner[:, None]) & (owner >= 0)[:, None]
    connected = Prediction(superpoints, found.objects, found.objects @ sizes, same | alone[clicked])
    single = Prediction(superpoints, alone, sizes, alone[clicked])
    seen = {
        'connected superpoints': evaluate(scan, connected),
        'single superpoints': evaluate(scan, single),
    }
    num = len(scan.sentences)
    objects = scan.objects[None] == np.arange(scan.objects.max(initial=-1) + 1)[:, None]
    if not num or not len(objects) or not len(connected.masks):
        return seen, {}
    largest = connected.masks[[connected.scores.argmax()] * num]
    random = [mask_iou(np.tile(one, (num, 1)), scan.described) for one in objects]
    return seen, {
        'largest connected': described(
            mask_iou(largest, scan.described, superpoints=superpoints), num
        ),
        'random true object': described(np.array(random), num),
    }


def ask(segmenter: Segmenter, scan: LabelledScan) -> SceneResult:
    """All tasks on a labelled scan."""
    segmenter.set_scene(scan.scene)
    clicks = [tuple(p) for p in scan.scene.world_points[scan.clicks]]
    tasks = ['semantic', 'instance', 'open_vocabulary']
    tasks += ['interactive'] * bool(clicks) + ['referring'] * bool(scan.sentences)
    return segmenter.predict(tasks, clicks=clicks, texts=scan.sentences)


def answers(
    scan: LabelledScan, result: SceneResult
) -> tuple[dict[str, float], dict[str, float] | None]:
    """Values of the weights for both tables.

    Objects are the open-vocabulary ones, because a scan holds objects outside the 20 classes; their
    names are dropped.
    """
    found = result.open_instances
    superpoints = found.superpoints.numpy()
    clicks = np.zeros((0, found.superpoint_masks.shape[1]), dtype=bool)
    if 'interactive' in result.tasks:
        clicks = result.click_masks.superpoint_masks.numpy()
    seen = evaluate(
        scan,
        Prediction(
            superpoints,
            found.superpoint_masks.numpy(),
            found.scores.numpy(),
            clicks,
            result.semantic,
        ),
    )
    if 'referring' not in result.tasks:
        return seen, None
    masks = result.text_masks.superpoint_masks.numpy()
    ious = mask_iou(masks, scan.described, superpoints=superpoints)
    return seen, described(ious, len(scan.sentences))


def draw(folder: Path, name: str, result: SceneResult) -> None:
    """The scan and three answers on one sheet."""
    renderer = PointRenderer(result.scene.points)
    colorings = result.colorings()
    images = [renderer.render(result.scene.colors)]
    images += [renderer.render(colorings[task]) for task in PICTURES]
    titles = ['scan', *(task.replace('_', ' ') for task in PICTURES)]
    folder.mkdir(parents=True, exist_ok=True)
    save_png(folder / f'{name}.png', contact_sheet(images, titles))


def with_means(rows: Rows) -> Rows:
    """The rows and, for each method, the mean over scans (weighed by their sentences, if any)."""
    means = []
    for method in dict.fromkeys(row[1] for row in rows):
        values = [row[2] for row in rows if row[1] == method]
        weights = np.array([v.get('sentences', 1) for v in values], dtype=float)
        mean = {}
        for key in values[0]:
            column = np.array([v[key] for v in values])
            known = np.isfinite(column)
            mean[key] = float((column * weights)[known].sum() / max(weights[known].sum(), 1))
        if 'sentences' in mean:
            mean['sentences'] = weights.sum()
        means.append(('mean', method, mean))
    return rows + means


def table(rows: Rows, columns: tuple[str, ...]) -> str:
    """A Markdown table, in per cent but for counts."""
    lines = [
        f'| {"scan":13} | {"method":21} | ' + ' | '.join(f'{c:>11}' for c in columns) + ' |',
        '|' + '|'.join(['-' * 15, '-' * 23] + ['-' * 12 + ':'] * len(columns)) + '|',
    ]
    for scan, method, values in rows:
        cells = ['-'] * len(columns)
        for place, column in enumerate(columns):
            if column == 'sentences':
                cells[place] = f'{values[column]:.0f}'
            elif column in values:
                cells[place] = f'{100 * values[column]:.1f}'
        lines.append(f'| {scan:13} | {method:21} | ' + ' | '.join(f'{c:>11}' for c in cells) + ' |')
    return '\n'.join(lines)


def run_unlabelled(segmenter: Segmenter, path: Path, pictures: Path | None) -> str:
    """Summary of a mesh without annotation."""
    start = time.perf_counter()
    segmenter.set_scene(path)
    result = segmenter.predict(['semantic', 'instance', 'panoptic', 'open_vocabulary'])
    seconds = time.perf_counter() - start
    confident = int((result.open_instances.scores >= CONFIDENT).sum())
    if pictures is not None:
        draw(pictures, path.parent.name, result)
    return (
        f'{path.parent.name}: {confident} objects with a score of {CONFIDENT} or more, '
        f'{seconds:.1f} s from the file to the answers\n{result.summary()}'
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'), help='data folder')
    parser.add_argument('--weights', default=None, help='checkpoint; default: the shipped weights')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--pictures', type=Path, help='folder for one contact sheet per scan')
    parser.add_argument('--baseline-only', action='store_true', help='leave the model out')
    options = parser.parse_args()
    segmenter = None
    if not options.baseline_only:
        segmenter = Segmenter.from_pretrained(options.weights, options.device)
    seen_rows: Rows = []
    described_rows: Rows = []
    for scan in labelled_scans(options.data):
        if segmenter is not None:
            result = ask(segmenter, scan)
            seen, told = answers(scan, result)
            curves = corrected_ious(
                segmenter, scan.scene, scan.clicks, scan.objects, scan.targets, NUM_CLICKS
            )
            seen['click IoU@5'] = nan_mean(iou_at_click(curves, NUM_CLICKS))
            seen_rows.append((scan.name, 'unison3d', seen))
            if told is not None:
                described_rows.append((scan.name, 'unison3d', told))
            if options.pictures is not None:
                draw(options.pictures, scan.name, result)
        seen_by, told_by = baselines(scan)
        seen_rows += [(scan.name, method, values) for method, values in seen_by.items()]
        described_rows += [(scan.name, method, values) for method, values in told_by.items()]
    if not seen_rows:
        parser.error(f'no labelled scan below {options.data}')
    print(table(with_means(seen_rows), SEEN))
    if described_rows:
        print('\n' + table(with_means(described_rows), DESCRIBED))
    if segmenter is not None:
        for path in unlabelled_meshes(options.data):
            print('\n' + run_unlabelled(segmenter, path, options.pictures))


if __name__ == '__main__':
    main()
