"""Between points and images: what a camera sees of a scene, and what of an image shows a mask."""

from __future__ import annotations

from .mask_views import MaskView, best_views, crop_boxes
from .views import View, visible_points

__all__ = ['MaskView', 'View', 'best_views', 'crop_boxes', 'visible_points']
