"""What tasks teach each other. One file per link; a model has none unless its config names it."""

from unison3d.models.links.base import Link
from unison3d.models.links.class_distillation import ClassDistillationLink
from unison3d.models.links.click_distillation import ClickDistillationLink
from unison3d.models.links.contrastive import ContrastiveLink
from unison3d.models.links.prompt_class import PromptClassLink
from unison3d.models.links.ranking import RankingLink

__all__ = [
    'ClassDistillationLink',
    'ClickDistillationLink',
    'ContrastiveLink',
    'Link',
    'PromptClassLink',
    'RankingLink',
]
