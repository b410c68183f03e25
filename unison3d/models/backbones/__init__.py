"""Networks that turn voxels into features."""

from unison3d.models.backbones.sparse_unet import SparseUNet

__all__ = ['SparseUNet']
