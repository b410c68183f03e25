"""The report of ``unison3d test``: tables, and pictures of the worst scenes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mmengine.runner import Runner

    from unison3d.structures.label_space import LabelSpace

MAX_PICTURES = 6
_GREY = 0.25


def make_report(
    runner: Runner, numbers: dict[str, float], folder: Path, source: dict[str, str]
) -> list[Path]:
    """Write the report of a test that has just run.

    The worst scenes are predicted once more for their pictures, so that testing itself never keeps
    more than one batch of predictions.

    Returns:
        All files written.
    """
    from unison3d.evaluation.report import collect_report, write_report

    data = runner.test_loop.dataloader.dataset
    metrics = runner.test_loop.evaluator.metrics
    names = [_scene_name(data, index) for index in range(len(data))]
    report = collect_report(metrics, numbers, names, source)
    pictures: dict[str, str] = {}
    paths = []
    for scene in report.scenes[:MAX_PICTURES]:
        image = _picture(runner, scene.index)
        if image is not None:
            from unison3d.viewer.render import save_png

            safe = re.sub(r'[^\w.-]+', '_', scene.name)
            name = f'pictures/{len(pictures) + 1}_{safe}.png'
            paths.append(save_png(folder / name, image))
            pictures[scene.name] = name
    return write_report(folder, replace(report, pictures=pictures)) + paths


def _scene_name(data: Any, index: int) -> str:
    info = data.get_data_info(index) if hasattr(data, 'get_data_info') else {}
    return str(info.get('name', f'scene {index}'))


def _picture(runner: Runner, index: int) -> np.ndarray | None:
    """Prediction beside truth; None where the scene has no points, or no task to draw."""
    import torch

    from unison3d.structures.label_space import LABEL_SPACES
    from unison3d.viewer.render import PointRenderer, contact_sheet

    loader = runner.test_loop.dataloader
    item = loader.dataset[index]
    points = item['inputs'].get('points') if isinstance(item.get('inputs'), dict) else None
    if points is None or not len(points):
        return None
    points = np.asarray(points)
    with torch.no_grad():
        (sample,) = runner.model.test_step(loader.collate_fn([item]))
    facts = getattr(loader.dataset, 'metainfo', {})
    named = LABEL_SPACES.get(facts.get('label_space', 'scannet20'))
    space = getattr(loader.dataset, 'label_space', named)
    if space is None:
        return None
    # What is scored is what is drawn; the data set is asked where nothing scores the panoptic map.
    scored = (getattr(metric, 'stuff', None) for metric in runner.test_loop.evaluator.metrics)
    stuff = next((classes for classes in scored if classes is not None), None)
    stuff = facts.get('panoptic_stuff') if stuff is None else stuff
    panels = scene_panels(sample, space, len(points), stuff)
    if not panels:
        return None
    renderer = PointRenderer(points, width=640, height=480)
    images = [renderer.render(colors) for colors in panels.values()]
    return contact_sheet(images, list(panels), columns=2)


def scene_panels(
    sample: Any, space: LabelSpace, num_points: int, stuff: Sequence[int] | None = None
) -> dict[str, np.ndarray]:
    """Colours of the points per title: classes and objects, each as annotated and as predicted.

    Args:
        sample: a ``SceneSample`` with ground truth and predictions.
        space: of its classes.
        num_points: N.
        stuff: classes without objects in the panoptic map; None takes those of the space.

    Returns:
        float32, (N, 3) in [0, 1] each; truth and prediction alternate. Tasks without both, or over
        other points, are left out.
    """
    from unison3d.apis.colors import instance_colors, semantic_colors

    panels = {}
    truth, answer = _points(sample, 'gt_semantic'), _points(sample, 'pred_semantic')
    if len(truth) == len(answer) == num_points:
        panels['classes: truth'] = semantic_colors(truth, space.palette)
        panels['classes: predicted'] = semantic_colors(answer, space.palette)
    stuff = list(space.stuff if stuff is None else stuff)
    things = [label for label in range(len(space)) if label not in stuff]
    objects, answer = _points(sample, 'gt_instances'), _predicted_objects(sample, things)
    if len(truth) == len(objects) and sample.get('pred_panoptic_instance') is not None:
        # S3DIS has instances of walls too, which no panoptic map has.
        objects = np.where(np.isin(truth, stuff), -1, objects)
    truth = objects
    if len(truth) == len(answer) == num_points:
        answer = _numbered_as(answer, truth)
        both = np.concatenate([truth, answer])
        colors = instance_colors(np.maximum(both, 0))
        colors[both < 0] = _GREY
        panels['objects: truth'] = colors[:num_points]
        panels['objects: predicted'] = colors[num_points:]
    return panels


def _points(sample: Any, field: str) -> np.ndarray:
    value = sample.get(field)
    return np.zeros(0, np.int64) if value is None else np.asarray(value.cpu()).astype(np.int64)


def _predicted_objects(sample: Any, things: Sequence[int]) -> np.ndarray:
    """Object of each point, -1 for none: panoptic ones, or else instances that are likely.

    Of overlapping instances the one with the best score shows.
    """
    from unison3d.apis.report import CONFIDENT

    ids = _points(sample, 'pred_panoptic_instance')
    if len(ids):
        semantic = _points(sample, 'pred_panoptic_semantic')
        return np.where(np.isin(semantic, things), ids, -1)
    found = sample.get('pred_instances')
    if found is None:
        return ids
    owner = np.full(found.superpoint_masks.shape[1], -1)
    masks, scores = found.superpoint_masks.cpu().numpy(), found.scores.cpu().numpy()
    for row in np.argsort(scores, kind='stable'):
        if scores[row] >= CONFIDENT:
            owner[masks[row]] = row
    return owner[found.superpoints.cpu().numpy()]


def _numbered_as(answer: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Predicted ids renamed to the true object that fills most of each, others to new ids."""
    names, inverse = np.unique(answer, return_inverse=True)
    width = int(truth.max(initial=-1)) + 2
    counts = np.bincount(inverse * width + truth + 1, minlength=len(names) * width)
    best = counts.reshape(len(names), width).argmax(axis=1) - 1
    renamed = np.where(best >= 0, best, width + np.arange(len(names)))
    return np.where(names < 0, -1, renamed)[inverse]
