"""The label rules of the published unified system, for converted data and for comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.datasets.instance_ids import first_points, number_instances
from unison3d.datasets.transforms.superpoint_targets import majority_labels, majority_masks
from unison3d.errors import SceneError


@dataclass(frozen=True)
class PublishedTargets:
    """What the published system learns from one scene.

    Attributes:
        masks: bool, (G + Z + R, S). G instances, Z pseudo masks, R rows of classes.
        labels: int64, (G + Z + R,). Thing class of the first G rows, 0 elsewhere.
        object_ids: int64, (G,), ids in the file, from 0.
        instances: int64, (N,), 0..G-1, -1 for none.
        evaluation_instances: int64, (N,). Wall 0, floor 1, ... (one id per stuff class), then the
            instances; -1 for none.
        pseudo: bool, (G + Z + R,). True on pseudo masks.
    """

    masks: np.ndarray
    labels: np.ndarray
    object_ids: np.ndarray
    instances: np.ndarray
    evaluation_instances: np.ndarray
    pseudo: np.ndarray


def published_targets(
    instance_ids: np.ndarray,
    semantic: np.ndarray,
    superpoints: np.ndarray,
    *,
    num_classes: int = 20,
    stuff: tuple[int, ...] = (0, 1),
    pseudo_masks: np.ndarray | None = None,
    merge_things: bool = False,
) -> PublishedTargets:
    """Build superpoint labels as the published system does.

    Unlike there, a scene whose every point belongs to an instance is fine.

    Args:
        instance_ids: int, (N,), object id + 1, 0 for none.
        semantic: int, (N,), 0..num_classes; ``num_classes`` is unlabelled.
        superpoints: int, (N,), 0..S-1.
        num_classes: K.
        stuff: classes without instances, the first of the label space.
        pseudo_masks: bool, (Z, S), or None.
        merge_things: class rows are the stuff classes and one row for all else, instead of K + 1.

    Raises:
        SceneError: pseudo masks were made for other superpoints.

    Source:
        UniSeg3D (arXiv:2407.03263), release 1.0.
    """
    semantic = np.asarray(semantic, np.int64)
    instances = np.asarray(instance_ids, np.int64) - 1
    has_none = np.zeros(num_classes + 1, bool)
    has_none[[*stuff, num_classes]] = True
    instances[has_none[semantic]] = -1
    object_ids, instances = number_instances(instances)
    found = instances >= 0
    instance_masks = majority_masks(instances, superpoints, len(object_ids))
    instance_labels = semantic[first_points(instances, len(object_ids))] - len(stuff)

    winner = majority_labels(semantic, superpoints, num_classes)
    if merge_things:
        merged = np.where(np.isin(semantic, stuff), semantic, len(stuff))
        class_masks = majority_masks(merged, superpoints, len(stuff) + 1)
        class_masks[-1] |= ~class_masks.any(0)
    else:
        class_masks = np.arange(num_classes + 1)[:, None] == winner
    num_superpoints = class_masks.shape[1]
    if pseudo_masks is None:
        pseudo_masks = np.zeros((0, num_superpoints), bool)
    if pseudo_masks.shape[1] != num_superpoints:
        raise SceneError(
            f'pseudo masks cover {pseudo_masks.shape[1]} superpoints, the scene has '
            f'{num_superpoints}. Use the superpoints that the masks were made with.'
        )
    masks = np.concatenate([instance_masks, np.asarray(pseudo_masks, bool), class_masks])
    labels = np.zeros(len(masks), np.int64)
    labels[: len(object_ids)] = instance_labels
    pseudo = np.zeros(len(masks), bool)
    pseudo[len(object_ids) : len(object_ids) + len(pseudo_masks)] = True
    of_class = np.full(num_classes + 1, -1)
    of_class[list(stuff)] = np.arange(len(stuff))
    evaluation = np.where(found, instances + len(stuff), of_class[semantic])
    return PublishedTargets(masks, labels, object_ids, instances, evaluation, pseudo)
