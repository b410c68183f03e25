"""How much the switches between published and corrected behaviour move the numbers.

    python benchmarks/published_switches.py --rooms 20 --recorded METRICS_INPUTS.npz

The weights that ship on procedural rooms of the first world (seeds 0 and up), so every number is
procedural: what counts is the difference between two columns, and real scans may move more or less.
The weights work on voxels of 5 cm, where a room is smaller than the published least grid of 128
cells; odd planes are therefore measured on the grid of the room, as it is at 2 cm.
docs/what_we_changed.md says what the switches are for.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np
import torch

from unison3d.apis.model_file import load_model
from unison3d.bench.machine import machine_line
from unison3d.datasets import SynthRoomsDataset
from unison3d.datasets.transforms import PackScene, SampleClicks, SuperpointTargets
from unison3d.evaluation.functional import PanopticEvaluator, instance_result, match_instances
from unison3d.evaluation.metrics import (
    InstanceMetric,
    InteractiveMetric,
    PanopticMetric,
    SemanticMetric,
)
from unison3d.models.postprocess import merge_panoptic, select_instances
from unison3d.models.tasks.learned_targets import cell_targets
from unison3d.sparse import voxelize
from unison3d.structures import SCANNET20

TEN_THRESHOLDS = tuple(np.arange(0.5, 0.96, 0.05).round(2).tolist())
TASKS = ('closed_set', 'click')
S3DIS_VOXEL = 0.05


def rooms(count: int, cache: str | None) -> SynthRoomsDataset:
    """Held-out rooms without sentences."""
    pipeline = [SuperpointTargets(), SampleClicks(mode='agile', max_objects=None), PackScene()]
    return SynthRoomsDataset(
        count,
        scene_options={'profile': 'rooms-v1', 'num_sentences': 0},
        pipeline=pipeline,
        cache_dir=cache,
        test_mode=True,
    )


def batch_of(model, samples: list[dict], **options):
    """A batch with other settings of the preprocessor."""
    preprocessor = model.data_preprocessor
    before = {name: getattr(preprocessor, name) for name in options}
    for name, value in options.items():
        setattr(preprocessor, name, value)
    inputs = {key: [s['inputs'][key] for s in samples] for key in samples[0]['inputs']}
    batch = preprocessor.collate(inputs)
    for name, value in before.items():
        setattr(preprocessor, name, value)
    return batch


class Numbers:
    """Metrics of one setting over all rooms."""

    def __init__(self) -> None:
        self.metrics = {
            'semantic': SemanticMetric(),
            'instance': InstanceMetric(constant_score=True),
            'skip': PanopticMetric(),
            'zero': PanopticMetric(absent='zero'),
            'points': InteractiveMetric(),
            'superpoints': InteractiveMetric(ground_truth='superpoints'),
        }
        self.ten: list = []

    def add(self, sample) -> None:
        """Score one room."""
        for metric in self.metrics.values():
            metric.process(None, [sample])
        found = sample.pred_instances
        self.ten.append(
            match_instances(
                found.superpoint_masks.numpy(),
                found.labels.numpy(),
                found.scores.numpy(),
                sample.gt_instances.numpy(),
                SCANNET20.thing_label(sample.gt_instance_semantic.numpy()),
                class_ids=range(len(SCANNET20.things)),
                thresholds=TEN_THRESHOLDS,
                superpoints=found.superpoints.numpy(),
            )
        )

    def result(self) -> dict[str, float]:
        """All numbers, per cent."""
        values = {
            f'{key}/{name}': 100 * value
            for key, metric in self.metrics.items()
            for name, value in metric.compute_metrics(metric.results).items()
        }
        ten = instance_result(self.ten, len(SCANNET20.things), TEN_THRESHOLDS)
        return {**values, 'ten/AP': 100 * float(np.nanmean(ten.ap))}


@torch.no_grad()
def without_the_lowest(model, features, sample, metric: PanopticMetric) -> int:
    """Score the panoptic map from which the thing with the lowest score is missing."""
    task = model.tasks['closed_set']
    layer = model.decode(features, sample, ['closed_set'])['closed_set'].final
    config = task.postprocess
    things = select_instances(
        task.instance_logits(layer),
        layer.mask_logits,
        task.quality_head(layer.embeddings),
        features.superpoints,
        config,
        score_threshold=config.panoptic_score_threshold,
        use_quality=config.panoptic_quality,
    )
    shown = sample.clone()
    shown.pred_panoptic_semantic, shown.pred_panoptic_instance = merge_panoptic(
        task.semantic_logits(layer), things[:-1], config
    )
    metric.process(None, [shown])
    return len(things)


def lost_cells(sample, points: torch.Tensor) -> tuple[int, int, int, int]:
    """Voxels of 5 cm and instances that the integer mean takes from the ground truth."""
    voxels = voxelize(((points - points.amin(0)) / S3DIS_VOXEL).floor().long())
    masks = {
        rule: cell_targets(
            sample, voxels.point_to_voxel, voxels.num_voxels, SCANNET20.num_classes, rule
        ).masks
        for rule in ('majority', 'all')
    }
    counts = [int(masks[rule].sum()) for rule in ('majority', 'all')]
    return (*counts, *(int(masks[rule].any(1).sum()) for rule in ('majority', 'all')))


def dropped_share(batch) -> tuple[int, int]:
    """Voxels in a last plane of odd axes, which have no parent, and all voxels."""
    shape = torch.tensor(batch.voxels.spatial_shape)
    coordinates = batch.voxels.coordinates[:, 1:]
    lost = ((coordinates == shape - 1) & (shape % 2 == 1)).any(dim=1)
    return int(lost.sum()), len(lost)


@torch.no_grad()
def change_in_a_batch(model, items: list[dict], multiple: int) -> str:
    """Largest difference of a superpoint feature between a room alone and in a batch."""
    options = dict(spatial_multiple=multiple, min_spatial_shape=1)
    alone = [model.encode(batch_of(model, [item], **options))[0] for item in items]
    together = model.encode(batch_of(model, items, **options))
    differences = [
        float((x.superpoint_features - y.superpoint_features).abs().max())
        for x, y in zip(alone, together, strict=True)
    ]
    return f'{max(differences):.2g}'


def recorded_rows(path: Path) -> list[tuple[str, str, str]]:
    """What two switches of the metrics do to the recorded evaluation of the reference."""
    arrays = np.load(path)
    config = json.loads(str(arrays['config_json']))
    stuff, size = config['stuff_class_inds'], config['ignore_index']
    panoptic = {
        absent: PanopticEvaluator(size, stuff, absent=absent) for absent in ('skip', 'zero')
    }
    matches = []
    for scene in sorted({key.split('/')[0] for key in arrays.files if key.startswith('scene')}):
        semantic = arrays[f'{scene}/gt/pts_semantic_mask'].astype(int)
        ids = arrays[f'{scene}/gt/pts_instance_mask'].astype(int)
        for evaluator in panoptic.values():
            evaluator.update(
                arrays[f'{scene}/pred/panoptic_semantic'],
                arrays[f'{scene}/pred/panoptic_instance'],
                semantic,
                ids,
            )
        ids = np.maximum(ids - len(stuff), -1)
        labels = np.full(ids.max(initial=-1) + 1, -1)
        labels[ids[ids >= 0][::-1]] = semantic[ids >= 0][::-1] - len(stuff)
        masks, found, scores = (
            arrays[f'{scene}/pred/instance_{name}'] for name in ('masks', 'labels', 'scores')
        )
        options = dict(
            class_ids=range(len(config['thing_class_inds'])),
            thresholds=TEN_THRESHOLDS,
            min_points=config['instance_min_region_size'],
        )
        matches.append(match_instances(masks, found, scores, ids, labels, **options))
    ap = instance_result(matches, len(config['thing_class_inds']), TEN_THRESHOLDS).ap
    ten, nine = (100 * float(np.nanmean(values)) for values in (ap, ap[:, :9]))
    skip, zero = (100 * panoptic[a].compute().summary()['pq'] for a in ('skip', 'zero'))
    return [
        ('recorded: thresholds of instance AP, ten or nine', f'{ten:.2f}', f'{nine:.2f}'),
        ('recorded: absent classes in PQ', f'{skip:.2f}', f'{zero:.2f}'),
    ]


@torch.no_grad()
def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rooms', type=int, default=10)
    parser.add_argument('--cache', help='folder that keeps the rooms')
    parser.add_argument('--recorded', type=Path, help='metrics_inputs.npz of the reference')
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model(None, device='cpu')
    data = rooms(args.rooms, args.cache)
    ours, odd, lowest = Numbers(), Numbers(), PanopticMetric()
    lost = np.zeros(2, int)
    cells = np.zeros(4, int)
    moved, total, num_things = 0, 0, 0
    first: list[dict] = []
    for index in range(len(data)):
        item = data[index]
        first += [item] if index < 2 else []
        sample, points = item['data_samples'], item['inputs']['points']
        features = model.encode(batch_of(model, [item]))[0]
        ours.add(model.predict_scene(features, sample, TASKS))
        num_things += without_the_lowest(model, features, sample, lowest)
        published = batch_of(model, [item], spatial_multiple=1, min_spatial_shape=1)
        lost += dropped_share(published)
        odd.add(model.predict_scene(model.encode(published)[0], sample.clone(), TASKS))
        cells += lost_cells(sample, points)
        size = torch.tensor(0.02)
        shifted = points - points.amin(0)
        other = (shifted * (1 / size)).floor() != (shifted / 0.02).floor()
        moved, total = moved + int(other.any(1).sum()), total + len(points)
        print(f'room {index + 1} of {len(data)}', flush=True)

    print(f'\n{machine_line("cpu")}')
    print(f'{len(data)} procedural rooms, per cent unless said otherwise\n')
    print('| switch | corrected | published |\n| --- | --- | --- |')
    a, b = ours.result(), odd.result()
    names = ('semantic/mIoU', 'instance/AP50', 'skip/PQ', 'points/IoU@1')
    pairs = [('/'.join(f'{v[n]:.2f}' for n in names)) for v in (a, b)]
    rows = [
        ('odd planes: mIoU/AP50/PQ/click IoU', *pairs),
        ('odd planes: voxels without parent', 0, f'{lost[0]} of {lost[1]}'),
        ('thresholds of instance AP, ten or nine', f'{a["ten/AP"]:.2f}', f'{a["instance/AP"]:.2f}'),
        ('absent classes in PQ', f'{a["skip/PQ"]:.2f}', f'{a["zero/PQ"]:.2f}'),
        (
            'truth of clicks, points or superpoints: IoU@1/AP50',
            f'{a["points/IoU@1"]:.2f}/{a["points/AP50"]:.2f}',
            f'{a["superpoints/IoU@1"]:.2f}/{a["superpoints/AP50"]:.2f}',
        ),
        (
            'scores of instances or the constant 1: AP/AP50',
            f'{a["instance/AP"]:.2f}/{a["instance/AP50"]:.2f}',
            f'{a["instance/constant_AP"]:.2f}/{a["instance/constant_AP50"]:.2f}',
        ),
        (
            f'lowest thing of the panoptic map, {num_things / len(data):.1f} things a room: PQ',
            f'{a["skip/PQ"]:.2f}',
            f'{100 * lowest.compute_metrics(lowest.results)["PQ"]:.2f}',
        ),
        ('voxels of 5 cm that belong to instances', cells[0], cells[1]),
        ('instances with such a voxel', cells[2], cells[3]),
        ('points in another 2 cm voxel by the reciprocal', 0, f'{moved} of {total}'),
    ]
    corrected, published = (change_in_a_batch(model, first, multiple) for multiple in (16, 1))
    rows.append(('largest change of a feature in a batch of two', corrected, published))
    if args.recorded is not None:
        rows += recorded_rows(args.recorded)
    for row in rows:
        print('| ' + ' | '.join(map(str, row)) + ' |')


if __name__ == '__main__':
    main()
