from __future__ import annotations

import numpy as np
import pytest

from unison3d.datasets.published_targets import published_targets
from unison3d.errors import SceneError


def test_rows_are_instances_then_pseudo_masks_then_classes():
    # Superpoints: a wall, a chair (object 5 in the file), an unlabelled rest.
    targets = published_targets(
        [0, 0, 6, 6, 0],
        [0, 0, 2, 2, 3],
        [0, 0, 1, 1, 2],
        num_classes=3,
        stuff=(0,),
        pseudo_masks=np.array([[0, 1, 1]], bool),
    )
    np.testing.assert_array_equal(targets.object_ids, [5])
    np.testing.assert_array_equal(targets.instances, [-1, -1, 0, 0, -1])
    np.testing.assert_array_equal(targets.evaluation_instances, [0, 0, 1, 1, -1])
    np.testing.assert_array_equal(targets.labels[:1], [1])
    np.testing.assert_array_equal(targets.pseudo, [0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(
        targets.masks, [[0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]]
    )


def test_pseudo_masks_of_other_superpoints_are_refused():
    with pytest.raises(SceneError, match='cover 3 superpoints'):
        published_targets([1], [4], [0], pseudo_masks=np.zeros((1, 3), bool))
