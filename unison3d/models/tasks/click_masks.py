"""From the mask logits of clicks and boxes to those of the objects they mean.

Nothing here is learned, and an object with a single positive click keeps the logits of that click.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks.click_rows import RowLayout, box_shares
from unison3d.structures import Prompts

Vote = Literal['first', 'mean']


def doubtful_clicks(
    layout: RowLayout, mask_logits: Tensor, sizes: Tensor, num_objects: int, threshold: float
) -> Tensor:
    """Further positive clicks that hit a superpoint larger than the object: bool, (R,).

    Such a superpoint is mostly something else, a floor or a wall that a part of the object was
    joined with. Taking it in costs more than it brings, and its row describes that something.

    Args:
        layout: R rows.
        mask_logits: (R, S).
        sizes: (S,). Points of each superpoint.
        num_objects: O.
        threshold: of the probability in a mask. An object is as large as the mask of its first
            positive row.
    """
    rows = torch.arange(len(layout.objects), device=layout.objects.device)
    speaking = layout.positive
    first = rows.new_full((num_objects,), len(rows)).scatter_reduce(
        0, layout.objects[speaking], rows[speaking], 'amin'
    )[layout.objects]
    further = speaking & (rows != first) & (layout.superpoints >= 0)
    if not bool(further.any()):
        return further
    claimed = (mask_logits.float().sigmoid() > threshold).to(torch.float64) @ sizes.double()
    larger = sizes[layout.superpoints.clamp(min=0)] > claimed[first.clamp(max=len(rows) - 1)]
    return further & larger


def votes(
    layout: RowLayout, num_objects: int, vote: Vote = 'mean', doubtful: Tensor | None = None
) -> Tensor:
    """Which rows speak for which object: bool, (O, R).

    Args:
        layout: R rows.
        num_objects: O.
        vote: ``'mean'``: its positive clicks and boxes; ``'first'``: the first of them. All its
            rows, or the first of those, where an object has none.
        doubtful: bool, (R,). Rows that do not speak.
    """
    objects = torch.arange(num_objects, device=layout.objects.device)
    member = objects[:, None] == layout.objects[None]
    positive = member & layout.positive
    if doubtful is not None:
        positive = positive & ~doubtful
    speaking = torch.where(positive.any(dim=1, keepdim=True), positive, member)
    return speaking & (speaking.cumsum(dim=1) == 1) if vote == 'first' else speaking


def combine_rows(mask_logits: Tensor, voting: Tensor) -> Tensor:
    """Mean logits of the rows that speak for an object; -inf where there is none.

    Args:
        mask_logits: (R, S).
        voting: bool, (O, R).

    Returns:
        (O, S).
    """
    count = voting.sum(dim=1, keepdim=True)
    share = (voting / count.clamp(min=1)).to(mask_logits.dtype)
    return (share @ mask_logits).masked_fill(count == 0, -torch.inf)


def confine_to_boxes(
    logits: Tensor, features: SceneFeatures, prompts: Prompts, margin: float
) -> Tensor:
    """Keep the mask of an object inside its boxes; a box without points leaves nothing.

    Args:
        logits: (O, S).
        features: one scene.
        prompts: boxes of O objects; objects without one are left alone.
        margin: metres by which boxes are larger on every side here.

    Returns:
        (O, S), -inf where less than half of a superpoint's points lie in the boxes.
    """
    if len(prompts.boxes) == 0:
        return logits
    counts = box_shares(features, prompts.boxes, margin)
    inside = (2 * counts >= features.superpoint_sizes) & (counts > 0)
    objects = torch.arange(len(logits), device=logits.device)
    member = objects[:, None] == prompts.box_objects[None]
    reached = (member.to(logits.dtype) @ inside.to(logits.dtype)) > 0
    return logits.masked_fill(member.any(dim=1, keepdim=True) & ~reached, -torch.inf)


def settled_by_clicks(
    layout: RowLayout, shape: tuple[int, int], doubtful: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Superpoints that clicks put into an object, and out of it: two times bool, (O, S).

    Objects with a single row are left alone, and so are superpoints with clicks of both signs:
    there the model decides, because part of the superpoint belongs to the object.

    Args:
        layout: R rows.
        shape: O, S.
        doubtful: bool, (R,). Clicks that do not count.
    """
    rows_of = torch.bincount(layout.objects, minlength=shape[0])
    told = (layout.superpoints >= 0) & (rows_of[layout.objects] > 1)
    if doubtful is not None:
        told = told & ~doubtful
    wanted, unwanted = torch.zeros(2, *shape, dtype=torch.bool, device=told.device)
    for mask, rows in ((wanted, told & layout.positive), (unwanted, told & ~layout.positive)):
        mask[layout.objects[rows], layout.superpoints[rows]] = True
    return wanted & ~unwanted, unwanted & ~wanted


def spread_clicks(
    logits: Tensor, wanted: Tensor, unwanted: Tensor, positions: Tensor, reach: float
) -> Tensor:
    """What a click changes at its superpoint, it changes around it too, less with distance.

    The logits of a clicked superpoint should be beyond 1 or -1. What they lack is interpolated by
    a Gaussian process with a Gaussian kernel, so that close clicks do not count twice.

    Args:
        logits: (O, S).
        wanted: bool, (O, S).
        unwanted: bool, (O, S).
        positions: (S, 3), metres.
        reach: metres, standard deviation of the kernel.

    Returns:
        (O, S).
    """
    spread = logits.clone()
    clicked = wanted | unwanted
    for number in torch.nonzero(clicked.any(dim=1))[:, 0].tolist():
        places = torch.nonzero(clicked[number])[:, 0]
        now = logits[number, places].double()
        goal = torch.where(wanted[number, places], now.clamp(min=1), now.clamp(max=-1))
        centres = positions.double()
        near = torch.exp(-(torch.cdist(centres[places], centres) ** 2) / (2 * reach**2))
        # The small term keeps the system solvable where two superpoints have one centre.
        system = near[:, places] + 1e-3 * torch.eye(len(places), device=near.device).double()
        change = torch.linalg.solve(system, goal - now) @ near
        spread[number] += change.to(logits.dtype)
    return spread


def enforce_clicks(logits: Tensor, wanted: Tensor, unwanted: Tensor) -> Tensor:
    """Superpoints are in an object, or out of it, as clicks say: +inf and -inf, (O, S)."""
    return logits.masked_fill(wanted, torch.inf).masked_fill(unwanted, -torch.inf)


def exclusive_logits(logits: Tensor) -> Tensor:
    """Every superpoint is left to the object with the largest logit, the first of equals."""
    if len(logits) < 2:
        return logits
    objects = torch.arange(len(logits), device=logits.device)
    return logits.masked_fill(objects[:, None] != logits.argmax(dim=0), -torch.inf)
