"""Networks that turn voxels into features."""

from unison3d.models.backbones.minkowski_architectures import ARCHITECTURES
from unison3d.models.backbones.minkowski_unet import (
    MinkowskiUNet,
    MinkUNet,
    Res16UNet,
)
from unison3d.models.backbones.mmdet3d_minkunet import MMDet3DMinkUNet
from unison3d.models.backbones.sparse_unet import SparseUNet

__all__ = [
    'ARCHITECTURES',
    'MMDet3DMinkUNet',
    'MinkUNet',
    'MinkowskiUNet',
    'Res16UNet',
    'SparseUNet',
]
