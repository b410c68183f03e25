"""Whole models."""

from unison3d.models.segmentors.unified_segmentor import UnifiedSegmentor

__all__ = ['UnifiedSegmentor']
