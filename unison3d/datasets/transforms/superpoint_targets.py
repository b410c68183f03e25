"""Labels of superpoints by the majority of their points."""

from __future__ import annotations

import numpy as np

from unison3d.registry import TRANSFORMS
from unison3d.structures.label_space import SCANNET20


def majority_masks(ids: np.ndarray, superpoints: np.ndarray, num_ids: int) -> np.ndarray:
    """Superpoints of which strictly more than half carries an id.

    Args:
        ids: int, (N,), 0..num_ids-1; negative for none.
        superpoints: int, (N,), 0..S-1. Ids without points give False.
        num_ids: rows of the result.

    Returns:
        bool, (num_ids, S). Exactly half is False, so a superpoint belongs to at most one id.
    """
    ids, superpoints = np.asarray(ids, np.int64), np.asarray(superpoints, np.int64)
    num_superpoints = int(superpoints.max()) + 1 if len(superpoints) else 0
    total = np.bincount(superpoints, minlength=num_superpoints)
    named = ids >= 0
    pair = ids[named] * num_superpoints + superpoints[named]
    counts = np.bincount(pair, minlength=num_ids * num_superpoints)
    return 2 * counts.reshape(num_ids, num_superpoints) > total


def majority_labels(labels: np.ndarray, superpoints: np.ndarray, num_classes: int) -> np.ndarray:
    """Class of each superpoint, ``num_classes`` where none has more than half of its points.

    Args:
        labels: int, (N,), 0..num_classes; ``num_classes`` is unlabelled.
        superpoints: int, (N,), 0..S-1.
        num_classes: K.

    Returns:
        int64, (S,), 0..K.
    """
    masks = majority_masks(labels, superpoints, num_classes + 1)
    masks[num_classes] = ~masks[:num_classes].any(0)
    return masks.argmax(0).astype(np.int64)


@TRANSFORMS.register_module()
class SuperpointTargets:
    """Add ``sp_masks`` (M, S), ``sp_semantic`` (S,) and ``sp_ignore`` (S,).

    An instance may own no superpoint: thin objects lose every majority. Superpoints are ignored
    where most points are withheld, or have neither class nor instance.

    Args:
        num_classes: classes of the label space; the same number means unlabelled. None takes
            ``results['num_classes']``, else the 20 of ScanNet.

    Source:
        The majority rule of SPFormer (arXiv:2211.15766), strictly more than half.
    """

    def __init__(self, num_classes: int | None = None) -> None:
        self.num_classes = num_classes

    def __call__(self, results: dict) -> dict:
        superpoints, instances = results['superpoints'], results['instances']
        semantic = results['semantic']
        results['sp_masks'] = majority_masks(
            instances, superpoints, len(results['instance_semantic'])
        )
        num_classes = self.num_classes
        if num_classes is None:
            num_classes = results.get('num_classes', SCANNET20.num_classes)
        results['sp_semantic'] = majority_labels(semantic, superpoints, num_classes)
        unknown = (semantic == num_classes) & (instances < 0)
        if results.get('ignore') is not None:
            unknown |= results['ignore']
        results['sp_ignore'] = majority_masks(unknown.astype(np.int64), superpoints, 2)[1]
        return results
