"""What S3DIS asks of the metrics: stuff that is not first, and the published ceilings."""

from __future__ import annotations

import pytest
import torch

from unison3d.errors import VocabularyError
from unison3d.evaluation.metrics import InstanceMetric, PanopticMetric
from unison3d.structures import InstanceMasks, SceneSample

STUFF = (0, 1, 2, 3, 4, 5, 6, 12)
# Ten points of ceiling in two instances, ten of chair in two, ten of clutter.
SEMANTIC = torch.tensor([0] * 10 + [8] * 10 + [12] * 10)
INSTANCES = torch.tensor([0] * 5 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 10)
OWNERS = torch.tensor([0, 0, 8, 8, 12])


def panoptic(segments) -> dict[str, float]:
    sample = SceneSample(
        gt_semantic=SEMANTIC,
        gt_instances=INSTANCES,
        pred_panoptic_semantic=SEMANTIC,
        pred_panoptic_instance=torch.tensor(segments),
    )
    metric = PanopticMetric('s3dis', stuff=STUFF)
    metric.process(None, [sample])
    return metric.compute_metrics(metric.results)


def test_all_of_a_stuff_class_is_one_segment():
    right = panoptic([0] * 10 + [13] * 5 + [14] * 5 + [12] * 10)
    assert right['PQ'] == right['PQ_stuff'] == right['PQ_things'] == 1
    # The two chairs as one miss both, and are no object of their own.
    merged = panoptic([0] * 10 + [13] * 10 + [12] * 10)
    assert merged['PQ_stuff'] == 1
    assert merged['PQ_things'] == 0
    # Without the option every ceiling is an object of its own.
    metric = PanopticMetric('s3dis')
    sample = SceneSample(
        gt_semantic=SEMANTIC,
        gt_instances=INSTANCES,
        pred_panoptic_semantic=SEMANTIC,
        pred_panoptic_instance=torch.tensor([0] * 10 + [13] * 5 + [14] * 5 + [12] * 10),
    )
    metric.process(None, [sample])
    assert metric.compute_metrics(metric.results)['PQ'] == pytest.approx(2 / 3)


def instance_ap(void, labels) -> dict[str, float]:
    masks = torch.stack([INSTANCES == i for i in (0, 2)])
    sample = SceneSample(
        gt_semantic=SEMANTIC,
        gt_instances=INSTANCES,
        gt_instance_semantic=OWNERS,
        pred_instances=InstanceMasks(
            masks, torch.arange(30), torch.tensor(labels), torch.tensor([0.9, 0.8])
        ),
    )
    metric = InstanceMetric('s3dis', min_points=1, void_classes=void, per_class=True)
    metric.process(None, [sample])
    return metric.compute_metrics(metric.results)


def test_published_ceilings_are_not_annotated():
    plain = instance_ap((), [0, 8])
    assert plain['AP50_ceiling'] == pytest.approx(plain['AP50_chair'])
    published = instance_ap(('ceiling',), [0, 8])
    assert published['AP50_ceiling'] != published['AP50_ceiling']  # nan
    assert published['AP50_chair'] == plain['AP50_chair']
    assert published['AP50'] != plain['AP50']
    # A chair on a ceiling is an error, unless nothing is annotated there.
    assert instance_ap((), [8, 8])['AP50_chair'] < plain['AP50_chair']
    assert instance_ap(('ceiling',), [8, 8])['AP50_chair'] == plain['AP50_chair']
    assert published['agnostic_AP50'] == plain['agnostic_AP50']


def test_void_classes_are_names():
    with pytest.raises(VocabularyError):
        InstanceMetric('s3dis', void_classes=('roof',))
