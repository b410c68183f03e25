"""Adapters to models that look at images."""

from __future__ import annotations

from .image_text import ImageTextModel
from .open_clip_model import OpenClipImageText
from .rendered_names import RenderedNamesModel
from .transformers_model import TransformersImageText

__all__ = ['ImageTextModel', 'OpenClipImageText', 'RenderedNamesModel', 'TransformersImageText']
