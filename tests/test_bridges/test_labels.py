"""Classes matched by name."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('mmdet3d', reason='mmdet3d is not installed; see make test-bridge')

from mmdet3d.datasets import (
    S3DISSegDataset,
    ScanNetInstanceSegDataset,
    ScanNetSegDataset,
    SemanticKittiDataset,
)

from unison3d.bridges.mmdet3d import ClassTable, NuScenesLidarSegDataset
from unison3d.errors import SceneError, VocabularyError
from unison3d.structures import SCANNET20, LabelSpace
from unison3d.structures.label_space import get_label_space

PAIRS = [
    (ScanNetSegDataset, 'scannet20'),
    (S3DISSegDataset, 's3dis'),
    (SemanticKittiDataset, 'semantickitti'),
    (NuScenesLidarSegDataset, 'nuscenes'),
]


@pytest.mark.parametrize(('dataset', 'space'), PAIRS)
def test_every_class_of_their_data_sets_has_one_here(dataset, space):
    classes = dataset.METAINFO['classes']
    table = ClassTable(space, classes)
    ids = np.arange(len(classes) + 1)
    there = table.to_ours(ids)
    assert np.array_equal(np.sort(there), ids), 'one to one, no class to no class'
    assert np.array_equal(table.to_theirs(there), ids)
    # Colours are published with the names, so they tell whether names were matched rightly.
    if space != 'nuscenes':
        space: LabelSpace = get_label_space(space)
        assert np.array_equal(space.palette[there[:-1]], dataset.METAINFO['palette'])


def test_instance_labels_count_things():
    classes = ScanNetInstanceSegDataset.METAINFO['classes']
    with pytest.raises(VocabularyError, match=r"dataset lacks \['wall', 'floor'\]"):
        ClassTable('scannet20', classes)
    table = ClassTable('scannet20', classes, strict=False)
    assert np.array_equal(table.instance_labels(np.arange(18), 'ours'), np.arange(18))
    assert table.instance_labels([-1], 'theirs').tolist() == [18]
    assert table.instance_labels([18], 'ours').tolist() == [-1]
    assert table.to_ours([2, 18]).tolist() == [4, SCANNET20.ignore_index]
    assert table.to_theirs([0, 1, 2, 19, 20]).tolist() == [18, 18, 0, 17, 18]


def test_names_and_numbers_that_do_not_fit():
    with pytest.raises(VocabularyError, match="lacks \\['lamp'\\]"):
        ClassTable('scannet20', (*SCANNET20.classes, 'lamp'))
    with pytest.raises(VocabularyError, match='one class'):
        ClassTable('scannet20', ('sofa', 'couch'), strict=False)
    with pytest.raises(SceneError, match='PointSegClassMapping'):
        ClassTable('scannet20').to_ours([39])
    assert ClassTable('scannet20', ignore_index=255).to_ours([255]).tolist() == [20]
