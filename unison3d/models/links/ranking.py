"""Clicks and sentences about one object are closer than those about two."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.models.links.prompt_link import PromptLink
from unison3d.models.links.prompt_pairs import PromptPairs, similarity
from unison3d.models.tasks import TaskOutput
from unison3d.registry import MODELS

Rank = Literal['row_mean', 'column_sum']


@MODELS.register_module()
class RankingLink(PromptLink):
    """``max(0, cosine of a wrong pair - cosine of the right pair)``.

    Args:
        clicks: name of the click task.
        texts: name of the text task.
        weight: of the loss.
        rank: ``'row_mean'`` compares, for every click, its sentence with the others, and divides by
            the number of clicks, as the paper writes it; ``'column_sum'`` compares, for every
            sentence, its click with the others, and does not divide, as the released code does.

    Source:
        UniSeg3D (arXiv:2407.03263), Sec. 3.
    """

    LOSS = 'loss_ranking'

    def __init__(
        self,
        clicks: str = 'click',
        texts: str = 'text',
        weight: float = 0.1,
        rank: Rank = 'row_mean',
    ) -> None:
        super().__init__(clicks, texts, weight)
        if rank not in ('row_mean', 'column_sum'):
            raise ConfigError(f"rank is {rank!r}, expected 'row_mean' or 'column_sum'.")
        self.rank = rank

    def scene_loss(self, click: TaskOutput, text: TaskOutput, pairs: PromptPairs) -> Tensor:
        """Excess of wrong pairs; two sentences about one object are no wrong pair."""
        cosine = similarity(
            click.final.embeddings[pairs.clicks], text.final.embeddings[pairs.texts]
        )
        right = cosine.diagonal()
        wrong = pairs.instances[:, None] != pairs.instances[None]
        if self.rank == 'column_sum':
            return ((cosine - right[None]).clamp(min=0) * wrong).sum()
        return ((cosine - right[:, None]).clamp(min=0) * wrong).sum() / len(pairs)
