"""Losses shared by the tasks."""

from unison3d.models.losses.distillation import distillation_loss
from unison3d.models.losses.mask_losses import bce_loss, dice_loss, mask_iou
from unison3d.models.losses.mask_set_loss import MaskSetLoss, MaskTargets, class_loss

__all__ = [
    'MaskSetLoss',
    'MaskTargets',
    'bce_loss',
    'class_loss',
    'dice_loss',
    'distillation_loss',
    'mask_iou',
]
