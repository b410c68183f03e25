"""Time and memory of instance evaluation against the evaluator of ScanNet and mmdet3d, in one run.

    python benchmarks/evaluate.py
    python benchmarks/evaluate.py --mmdet3d ENVIRONMENT/lib/python3.11/site-packages

Scenes are made on the fly: points in runs as a mesh has them, objects and masks of whole
superpoints, masks that miss and add some, duplicates, wrong labels, walls and floor without object.
Making them is not timed. All numbers are processor time of one thread (OMP_NUM_THREADS=1).

- reference: the evaluator that mmdet3d 1.4 has from ScanNet, its own file where ``--mmdet3d`` (or
  an installed mmdet3d) gives one and NumPy is below 2.4, and a plain transcription of the protocol
  otherwise, on masks as they are. It is timed on a few scenes, and scaled by their number to all,
  which favours it: it keeps every mask of every scene, and its matching grows faster than the
  number of scenes.
- reference, int64: the same with every mask turned into int64 first, as mmdet3d does.
- points: ours on the same masks over points.
- superpoints: ours on masks over superpoints, as the metrics of the package take them.

AP of all three is compared on the scenes that the reference has seen.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np
from scannet_protocol import plain_scannet_ap

from unison3d.bench.machine import machine_line
from unison3d.evaluation.functional import SCANNET_THRESHOLDS, InstanceEvaluator, decode_scannet_ids
from unison3d.structures.label_space import get_label_space

RUN = 8  # points of one superpoint that follow each other
POINTS_PER_SUPERPOINT = 80


def make_scene(seed: int, num_points: int, num_masks: int, class_ids: np.ndarray) -> dict:
    """Ground truth and predictions of one scene."""
    rng = np.random.default_rng(seed)
    num_superpoints = num_points // POINTS_PER_SUPERPOINT
    runs = np.sort(rng.integers(0, num_superpoints, -(-num_points // RUN)))
    superpoints = np.repeat(rng.permutation(runs), RUN)[:num_points]
    num_objects = int(rng.integers(30, 60))
    # A third of the scene is wall and floor; neighbours in number are neighbours in space.
    bounds = np.sort(rng.choice(num_superpoints * 2 // 3, num_objects - 1, replace=False))
    owner = np.searchsorted(bounds, np.arange(num_superpoints), side='right')
    owner[num_superpoints * 2 // 3 :] = -1
    object_class = rng.choice(class_ids, num_objects)
    target = np.concatenate([rng.permutation(num_objects), rng.integers(0, num_objects, num_masks)])
    target = target[:num_masks]
    masks = owner[None, :] == target[:, None]
    masks &= rng.random(masks.shape) < rng.uniform(0.5, 1.0, (num_masks, 1))
    masks |= rng.random(masks.shape) < 0.002
    labels = np.where(
        rng.random(num_masks) < 0.85, object_class[target], rng.choice(class_ids, num_masks)
    )
    codes = np.where(owner >= 0, object_class[owner] * 1000 + owner + 1, 0)[superpoints]
    return {
        'codes': codes,
        'superpoints': superpoints,
        'superpoint_masks': masks,
        'masks': np.take(masks, superpoints, axis=1),  # row by row in memory, as anybody keeps them
        'labels': labels,
        'scores': np.round(rng.random(num_masks), 3),
    }


def mmdet3d_ap(folder: str | None):
    """mmdet3d's own evaluator as a function of scenes and classes; None where it cannot run."""
    if folder is None:
        spec = importlib.util.find_spec('mmdet3d')
        package = None if spec is None or spec.origin is None else Path(spec.origin).parent
    else:
        package = Path(folder) / 'mmdet3d'
    if package is None or not hasattr(np, 'in1d'):
        return None
    # The file needs NumPy alone, while mmdet3d as a whole needs mmcv with compiled operations.
    sys.path.append(str(package / 'evaluation' / 'functional'))
    module = importlib.import_module('scannet_utils.evaluate_semantic_instance')

    def evaluate(scenes: list[dict], class_ids: list[int]) -> np.ndarray:
        """AP, AP50 and AP25 of every class."""
        names = {class_id: str(class_id) for class_id in class_ids}
        predictions = [
            {
                f'{number}_{row}': {'mask': mask, 'label_id': label, 'conf': score}
                for row, (mask, label, score) in enumerate(
                    zip(scene['masks'], scene['labels'], scene['scores'], strict=True)
                )
            }
            for number, scene in enumerate(scenes)
        ]
        truth = [scene['codes'] for scene in scenes]
        found = module.scannet_eval(
            predictions, truth, None, tuple(class_ids), tuple(names.values()), names
        )
        rows = [found['classes'][name] for name in names.values()]
        return np.array([[row['ap'], row['ap50%'], row['ap25%']] for row in rows], dtype=float)

    return evaluate


def transcription_ap(scenes: list[dict], class_ids: list[int]) -> np.ndarray:
    """The plain transcription, as AP, AP50 and AP25 of every class."""
    ap = plain_scannet_ap(scenes, class_ids, list(SCANNET_THRESHOLDS))
    return np.stack([ap[:, :-1].mean(axis=1), ap[:, 0], ap[:, -1]], axis=1)


def ours(scene: dict, evaluator: InstanceEvaluator, *, superpoints: bool) -> float:
    """Add a scene to an evaluator; the seconds it took."""
    start = time.process_time()
    ids, labels = decode_scannet_ids(scene['codes'])
    evaluator.update(
        scene['superpoint_masks' if superpoints else 'masks'],
        scene['labels'],
        scene['scores'],
        ids,
        labels,
        superpoints=scene['superpoints'] if superpoints else None,
    )
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description='Instance evaluation: time and memory.')
    parser.add_argument('--scenes', type=int, default=100)
    parser.add_argument('--reference-scenes', type=int, default=8)
    parser.add_argument('--points', type=int, default=100_000)
    parser.add_argument('--masks', type=int, default=100)
    parser.add_argument('--label-space', default='scannet20')
    parser.add_argument('--mmdet3d', metavar='FOLDER', help='site-packages with mmdet3d')
    args = parser.parse_args()
    args.reference_scenes = min(args.reference_scenes, args.scenes)
    space = get_label_space(args.label_space)
    class_ids = np.array(space.raw_ids[len(space.stuff) :])

    def scene(seed: int) -> dict:
        return make_scene(seed, args.points, args.masks, class_ids)

    evaluators = {
        'points': InstanceEvaluator(class_ids),
        'superpoints': InstanceEvaluator(class_ids),
    }
    start = time.process_time()
    for name in evaluators:
        ours(scene(0), InstanceEvaluator(class_ids), superpoints=name == 'superpoints')
    first_use = time.process_time() - start

    seconds = dict.fromkeys(evaluators, 0.0)
    few = {name: InstanceEvaluator(class_ids) for name in evaluators}
    for seed in range(args.scenes):
        made = scene(seed)
        for name, evaluator in evaluators.items():
            seconds[name] += ours(made, evaluator, superpoints=name == 'superpoints')
        for name, evaluator in few.items():
            if seed < args.reference_scenes:
                evaluator.scenes.append(evaluators[name].scenes[-1])
    for name, evaluator in evaluators.items():
        start = time.process_time()
        evaluator.compute()
        seconds[name] += time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept = sum(
        array.nbytes for scene in evaluators['points'].scenes for array in vars(scene).values()
    )

    reference = mmdet3d_ap(args.mmdet3d)
    label = 'mmdet3d' if reference is not None else 'plain transcription'
    reference = reference or transcription_ap
    scenes = [scene(seed) for seed in range(args.reference_scenes)]
    scale = args.scenes / args.reference_scenes
    start = time.process_time()
    expected = reference(scenes, class_ids.tolist())
    seconds['reference'] = (time.process_time() - start) * scale
    start = time.process_time()
    wide = [{**made, 'masks': [mask.astype(np.int64) for mask in made['masks']]} for made in scenes]
    reference(wide, class_ids.tolist())
    seconds['reference, int64'] = (time.process_time() - start) * scale
    for evaluator in few.values():
        np.testing.assert_allclose(evaluator.compute().table(), expected, rtol=0, atol=1e-6)

    print(machine_line('cpu'), f'NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}', sep=', ')
    print(
        f'{args.scenes} scenes of {args.points:,} points with {args.masks} masks, '
        f'{len(class_ids)} classes; reference: {label}, on {args.reference_scenes} scenes, scaled; '
        'AP equal to 1e-6'
    )
    print(f'peak memory of the process {peak:.0f} MB, kept of all scenes {kept / 2**20:.1f} MB')
    print(f'compilation or its cache, once: {first_use:.2f} s')
    print('\n| evaluator | processor time | per scene | faster | than int64 |')
    print('| --- | ---: | ---: | ---: | ---: |')
    for name in ('reference', 'reference, int64', 'points', 'superpoints'):
        total = seconds[name]
        ratios = [f'{seconds[n] / total:.1f}' for n in ('reference', 'reference, int64')]
        per_scene = total / args.scenes * 1e3
        print(f'| {name} | {total:.2f} s | {per_scene:.1f} ms | {" | ".join(ratios)} |')


if __name__ == '__main__':
    main()
