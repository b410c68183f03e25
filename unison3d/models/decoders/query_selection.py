"""Which of many queries are worth decoding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def select_queries(mask_logits: Tensor, max_queries: int) -> Tensor:
    """Queries with masks that differ, from one query per superpoint.

    Two queries that each claim the superpoint of the other mean the same object. Within an object
    a query ranks by the mean probability inside its mask, and the best of every object go first,
    then the second best, and so on; so small objects keep a query, and large ones keep several.

    Args:
        mask_logits: (S, S), row ``i`` the mask of the query of superpoint ``i``.
        max_queries: most rows that stay.

    Returns:
        int64, (min(S, max_queries),), ascending.
    """
    if len(mask_logits) <= max_queries:
        return torch.arange(len(mask_logits), device=mask_logits.device)
    claimed = mask_logits > 0
    inside = torch.where(claimed, mask_logits.float().sigmoid(), 0.0).sum(dim=1)
    score = inside / claimed.sum(dim=1).clamp(min=1)
    # A stable sort, so that equal scores are in the same order on every device.
    order = torch.sort(score, descending=True, stable=True).indices
    mutual = (claimed & claimed.t())[order][:, order]
    # How many better queries of the same object there are.
    rank = mutual.triu(diagonal=1).sum(dim=0)
    best = torch.sort(rank, stable=True).indices[:max_queries]
    return order[best].sort().values


def answering_queries(embeddings: Tensor, kept: Tensor) -> Tensor:
    """The query that answers for each superpoint: its own, else the most similar that was kept.

    Not the one whose mask claims it: the masks of walls and floors are never taught, so what claims
    a piece of wall is anything.

    Args:
        embeddings: (S, D), the query of every superpoint before the first layer.
        kept: int64, (Q,), superpoint of each query that was kept.

    Returns:
        int64, (S,), in ``0..Q-1``.
    """
    unit = F.normalize(embeddings, dim=1)
    answering = (unit @ unit[kept].t()).argmax(dim=1)
    # Of equal queries each answers for itself.
    answering[kept] = torch.arange(len(kept), device=kept.device)
    return answering
