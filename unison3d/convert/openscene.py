"""OpenScene: the distilled Minkowski U-Net."""

from __future__ import annotations

from functools import partial

from unison3d.convert.minkowski_shapes import read_minkowski
from unison3d.convert.system import System

OPENSCENE = System(
    name='openscene',
    summary='OpenScene, distilled features of 512 or 768 channels (arXiv:2211.15654)',
    target='MinkUNet',
    architecture=partial(read_minkowski, final_bias=False),
    wrappers=('module.', 'net3d.'),
    published_prefix='net3d.',
)
