"""Clicks and sentences that mean the same object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import PromptError


@dataclass
class PromptPairs:
    """Every sentence with a click on the object it means.

    Attributes:
        clicks: int64, (T,). Row of the click.
        texts: int64, (T,). Row of the sentence.
        instances: int64, (T,). The object; two sentences may mean the same one.
        weights: float32, (T,). How much each pair counts.
    """

    clicks: Tensor
    texts: Tensor
    instances: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.texts)


def pair_prompts(
    click_instances: Tensor, text_instances: Tensor, click_weights: Tensor | None = None
) -> PromptPairs:
    """Pair sentences with clicks; a sentence without a click is left out.

    Args:
        click_instances: int64, (P,). Object of each click, and then of each box; -1 for none.
        text_instances: int64, (R,). Object of each sentence, -1 for none or several.
        click_weights: float32, (W,) with W <= P, of the first rows. The others, boxes and clicks
            that corrections added, weigh 1, and so do all without weights.

    Raises:
        PromptError: more weights than rows.
    """
    same = (text_instances[:, None] == click_instances[None]) & (text_instances[:, None] >= 0)
    texts = same.any(dim=1).nonzero()[:, 0]
    clicks = same[texts].int().argmax(dim=1) if len(texts) else texts
    weights = torch.ones(len(click_instances), device=texts.device)
    if click_weights is not None:
        if len(click_weights) > len(weights):
            raise PromptError(
                f'{len(click_weights)} click_weights for {len(weights)} clicks and boxes, expected '
                'one per click. Set them together with the clicks of the sample.'
            )
        weights[: len(click_weights)] = click_weights
    return PromptPairs(clicks, texts, text_instances[texts], weights[clicks])


def similarity(clicks: Tensor, texts: Tensor) -> Tensor:
    """Cosine of every click (T, D) with every sentence (T, D), (T, T)."""
    return F.normalize(clicks, dim=1) @ F.normalize(texts, dim=1).t()
