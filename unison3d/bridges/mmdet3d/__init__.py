"""MMDetection3D and this package in one config, either way round.

``custom_imports = dict(imports=['unison3d.bridges.mmdet3d'])`` in a config is all it takes. Then

- everything here can be named in a config of theirs (``default_scope = 'mmdet3d'``) with the prefix
  ``unison3d.``, and everything of theirs in a config of ours with ``mmdet3d.``. Parts that name
  further parts without a prefix get ``_scope_='mmdet3d'``;
- :class:`FromMMDet3D` and :class:`ToMMDet3D` stand in pipelines between transforms of one kind and
  the other, :class:`BridgedMetric` lets the metrics of one judge the samples of the other;
- :class:`MMDet3DMinkUNetBackbone` runs their MinkUNet, and the weights of their model zoo, on the
  sparse engine of this package;
- mmcv-lite is enough, see :mod:`unison3d.bridges.mmdet3d.compiled_ops`.

docs/mmdet3d.md has complete configs.
"""

import importlib.util

from unison3d.bridges.mmdet3d.compiled_ops import INSTALL, has_compiled_ops, provide_compiled_ops
from unison3d.errors import MissingDependencyError

if importlib.util.find_spec('mmdet3d') is None:
    raise MissingDependencyError(
        'The package "mmdet3d" is needed for unison3d.bridges.mmdet3d and is not installed. '
        f'Install it with: {INSTALL}'
    )
# Before anything of MMDetection3D is imported.
provide_compiled_ops()

from unison3d.bridges.mmdet3d.backbone import MMDet3DMinkUNetBackbone  # noqa: E402
from unison3d.bridges.mmdet3d.labels import ClassTable  # noqa: E402
from unison3d.bridges.mmdet3d.metrics import BridgedMetric  # noqa: E402
from unison3d.bridges.mmdet3d.nuscenes import NuScenesLidarSegDataset  # noqa: E402
from unison3d.bridges.mmdet3d.points import (  # noqa: E402
    det3d_points,
    point_scene,
    scene_inputs,
)
from unison3d.bridges.mmdet3d.preprocessor import MinkUNetPreprocessor  # noqa: E402
from unison3d.bridges.mmdet3d.samples import det3d_sample, scene_sample  # noqa: E402
from unison3d.bridges.mmdet3d.transforms import FromMMDet3D, ToMMDet3D  # noqa: E402

__all__ = [
    'BridgedMetric',
    'ClassTable',
    'FromMMDet3D',
    'MMDet3DMinkUNetBackbone',
    'MinkUNetPreprocessor',
    'NuScenesLidarSegDataset',
    'ToMMDet3D',
    'det3d_points',
    'det3d_sample',
    'has_compiled_ops',
    'point_scene',
    'scene_inputs',
    'scene_sample',
]
