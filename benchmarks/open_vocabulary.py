"""Both ways to name objects, on the same procedural rooms of the depth camera.

    python benchmarks/open_vocabulary.py --num 20

*Inside the model*: the shipped model compares its own objects with the names. *External*: the same
masks, named by what images of the room show of them. The stand-in that looks at the images reads
the labels of the simulated camera, so its row is a ceiling: what masks and views allow to a perfect
image-text model. ``--model FOLDER`` names with a CLIP or SigLIP on the colour images instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from unison3d.apis import Segmenter
from unison3d.apis.external_names import name_masks
from unison3d.evaluation.metrics.open_vocabulary import OpenVocabularyMetric
from unison3d.lifting import View
from unison3d.models.tasks.open_vocabulary import ranked_pairs
from unison3d.structures import InstanceMasks, PointScene
from unison3d.structures.camera import Camera
from unison3d.synth.scan_job import make_scan
from unison3d.vision import RenderedNamesModel, TransformersImageText

COLUMNS = ('AP', 'AP50', 'AP25', 'seen_AP50', 'unseen_AP50', 'constant_AP50')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--num', type=int, default=20, help='rooms')
    parser.add_argument('--seed', type=int, default=4_000_000)
    parser.add_argument('--every', type=int, default=4, help='use every n-th image')
    parser.add_argument('--model', type=Path, help='folder of an image-text model')
    args = parser.parse_args()
    segmenter = Segmenter.from_pretrained()
    task = segmenter.model.tasks['open_vocabulary']
    names = list(task.test_vocabulary)
    pictures = TransformersImageText(args.model) if args.model else None
    rows: dict[str, list] = {'inside the model': [], 'external': []}
    metric = OpenVocabularyMetric()
    for seed in range(args.seed, args.seed + args.num):
        room, scan, _ = make_scan(seed, keep_frames=True)
        scene = PointScene.from_arrays(scan.vertices, scan.colors, faces=scan.faces)
        segmenter.set_scene(scene)
        # Points of a scene lie relative to its origin, and the cameras in the room.
        points = segmenter.scene.world_points
        result = segmenter.predict('open_vocabulary')
        masks = segmenter.scores(names).masks
        object_names = [item.name for item in room.objects]
        model = pictures or RenderedNamesModel(object_names, task.encoder.encode_unit)
        views = []
        for frame, pose in list(zip(scan.frames, scan.poses, strict=True))[:: args.every]:
            height, width = frame.depth.shape
            image = frame.color if pictures else frame.object
            views.append(View(image, frame.depth, Camera(width, height, scan.K, pose)))
        cosines = name_masks(points, masks, views, model, names)
        truth = _truth(scan.objects, object_names)
        inside = result.sample.pred_open_ranked
        outside = ranked_pairs(masks, cosines.clamp(min=0.0), task.postprocess.topk)
        for way, pairs in (('inside the model', inside), ('external', outside)):
            rows[way].append(metric.score({**truth, **_predicted(pairs, names)}))
        print(
            f'room {seed}: {len(scan)} points, {len(masks)} masks, {len(views)} images', flush=True
        )
    print(f'\n{args.num} rooms, {len(names)} names')
    print(f'{"":18s}' + ''.join(f'{column:>14s}' for column in COLUMNS))
    for way, results in rows.items():
        values = metric.reduce(results)
        print(f'{way:18s}' + ''.join(f'{values[column]:14.3f}' for column in COLUMNS))


def _truth(objects: np.ndarray, names: list[str]) -> dict:
    """Objects that have a name, numbered from 0 in each scene."""
    named = np.array([name != '' for name in names])
    known = (objects >= 0) & named[objects]
    kept, numbers = np.unique(objects[known], return_inverse=True)
    instances = np.full(len(objects), -1, np.int64)
    instances[known] = numbers
    return {
        'gt_instances': torch.from_numpy(instances),
        'gt_names': [names[row] for row in kept],
    }


def _predicted(pairs: InstanceMasks, names: list[str]) -> dict:
    return {'pred_open': pairs, 'pred_open_ranked': pairs, 'vocabulary': names}


if __name__ == '__main__':
    main()
