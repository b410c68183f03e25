"""A simulated user who corrects the answers to clicks, through the door for users."""

from __future__ import annotations

import numpy as np

from unison3d import Segmenter
from unison3d.models.click_simulation import ClickSimulator
from unison3d.structures import Click, PointScene


def corrected_ious(
    segmenter: Segmenter,
    scene: PointScene,
    first: np.ndarray,
    objects: np.ndarray,
    targets: np.ndarray,
    num_clicks: int,
) -> np.ndarray:
    """IoU of each object after 1, 2, ... clicks; nan from where nothing is wrong any more.

    Args:
        segmenter: has the scene set.
        scene: the scene.
        first: int64, (O,). Point of the first click on each object.
        objects: int64, (N,). Object of each point, -1 for none.
        targets: int64, (O,). The object each first click is for.
        num_clicks: K.

    Returns:
        float64, (O, K).
    """
    curves = np.full((len(first), num_clicks), np.nan)
    simulator = ClickSimulator(scene.points)
    at, places = simulator.representatives, scene.world_points

    def click(point: int, owner: int, positive: bool = True) -> Click:
        return Click(tuple(places[point]), positive=positive, object=owner)

    clicks = [click(point, owner) for owner, point in enumerate(first)]
    open_ = np.ones(len(first), bool)
    for number in range(num_clicks):
        if not open_.any():
            break
        masks = segmenter.predict('interactive', clicks=clicks).click_masks.masks.numpy()
        for owner in np.flatnonzero(open_):
            true = objects == targets[owner]
            found = masks[owner]
            curves[owner, number] = (found & true).sum() / max((found | true).sum(), 1)
            correction = simulator.next_click(true[at], found[at])
            if correction is None:
                open_[owner] = False
            else:
                clicks.append(click(correction.point, int(owner), correction.positive))
    return curves
