"""AFOV, also called SSOV and UOV: the LiDAR U-Net, and that of SLidR it may start from."""

from __future__ import annotations

from unison3d.convert.minkowski_shapes import read_minkowski
from unison3d.convert.system import System

AFOV = System(
    name='afov',
    summary='AFOV LiDAR segmentation without annotations, and SLidR (arXiv:2405.15286)',
    target='Res16UNet',
    architecture=read_minkowski,
    containers=('model_points', 'state_dict'),
    # Lightning files put the name of the attribute in front.
    wrappers=('model.', 'model_points.', 'module.', 'encoder.'),
)
