"""Data sets in the processed form: four folders of ``.bin`` files and an info file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mmengine.logging import MMLogger

from unison3d.datasets.instance_ids import first_points, number_instances
from unison3d.datasets.processed_files import read_ids, read_point_table, read_superpoints
from unison3d.datasets.processed_infos import scan_entries
from unison3d.datasets.scene_dataset import SceneDataset
from unison3d.errors import ConfigError, FileFormatError
from unison3d.registry import DATASETS
from unison3d.structures import LabelSpace
from unison3d.structures.label_space import get_label_space
from unison3d.superpoints import compute_superpoints, dense_ids, estimate_normals

#: metres. Cells that stand in for superpoints with ``superpoints='voxels'``.
VOXEL_SUPERPOINT = 0.05

_CHOICES = {
    'fields': ('unison3d', 'published'),
    'superpoints': ('file', 'compute', 'voxels'),
    'normals': ('none', 'estimate'),
}


@DATASETS.register_module()
class ProcessedSegDataset(SceneDataset):
    """Scans in the processed form of mmdetection3d, see :mod:`unison3d.datasets.processed_files`.

    Classes of the raw ids come from the label space. Points of stuff and of no class lose their
    instance; a scan without label files is all unlabelled and can be predicted.

    Args:
        data_root: folder of the four folders.
        ann_file: info file (``.pkl`` or ``.json``) below ``data_root``; '' lists the points folder.
        split_file: text file below ``data_root`` with a scan name per line; it chooses from the
            scans listed otherwise.
        label_space: of the semantic ids, see :func:`~unison3d.structures.get_label_space`.
        fields: ``'unison3d'`` gives the sample of :class:`SceneDataset`; ``'published'`` gives
            file paths and sentences under the published names, for the transforms in
            :mod:`unison3d.datasets.transforms.published`.
        superpoints: ``'file'`` reads them, ``'compute'`` cuts the points anew, ``'voxels'`` takes
            cells of 5 cm. Of no effect with published fields.
        normals: ``'estimate'`` from the points; ``'none'`` gives None, which is enough where the
            model does not use them. Of no effect with published fields.
        filter_cfg: ``dict(filter_empty_gt=True)`` leaves scans without an instance out of training;
            it reads the label files once. ``min_instances`` asks for more than one.
        data_prefix: names of the four folders.
        **kwargs: of :class:`SceneDataset`. Without a ``cache_dir`` coordinates stay exact; with
            one they are rounded as described in :mod:`unison3d.datasets.scene_record`.
    """

    METAINFO: dict = {}  # classes and colours come with the label space, see metainfo
    LABEL_SPACE = 'scannet20'
    PREFIX = {
        'pts': 'points',
        'pts_instance_mask': 'instance_mask',
        'pts_semantic_mask': 'semantic_mask',
        'sp_pts_mask': 'super_points',
    }

    def __init__(
        self,
        data_root: str,
        *,
        ann_file: str = '',
        split_file: str = '',
        label_space: str | Mapping[str, Any] | LabelSpace | None = None,
        fields: Literal['unison3d', 'published'] = 'unison3d',
        superpoints: Literal['file', 'compute', 'voxels'] = 'file',
        normals: Literal['none', 'estimate'] = 'none',
        filter_cfg: dict | None = None,
        data_prefix: dict | None = None,
        metainfo: dict | None = None,
        **kwargs: Any,
    ) -> None:
        self.label_space = get_label_space(label_space or self.LABEL_SPACE)
        self.split_file = split_file
        self.fields, self.superpoints, self.normals = fields, superpoints, normals
        self._check_options(filter_cfg, data_prefix)
        super().__init__(
            data_root=str(Path(data_root).expanduser()),
            ann_file=ann_file,
            metainfo=metainfo,
            data_prefix={**self.PREFIX, **(data_prefix or {})},
            filter_cfg=filter_cfg,
            **kwargs,
        )

    @property
    def metainfo(self) -> dict:
        """Of the label space: classes, palette, stuff, ignore index; what was given prevails."""
        space = self.label_space
        return {
            'classes': space.classes,
            'palette': space.palette.tolist(),
            'label_space': space.name,
            'stuff': space.stuff,
            'ignore_index': space.ignore_index,
            **super().metainfo,
        }

    def _check_options(self, filter_cfg: dict | None, data_prefix: dict | None) -> None:
        where = type(self).__name__
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f'{where}: {name} is {getattr(self, name)!r}, expected one of {allowed}.'
                )
        known = {'filter_cfg': {'filter_empty_gt', 'min_instances'}, 'data_prefix': {*self.PREFIX}}
        for name, given in (('filter_cfg', filter_cfg), ('data_prefix', data_prefix)):
            unknown = set(given or {}) - known[name]
            if unknown:
                raise ConfigError(
                    f'{where}: {name} has unknown entries {sorted(unknown)}; known are '
                    f'{sorted(known[name])}.'
                )

    def load_data_list(self) -> list[dict]:
        """One entry per scan.

        Raises:
            FileFormatError: folder, info file or a scan named in the split file is missing.
        """
        root = Path(self.data_root)
        if not root.is_dir():
            raise FileFormatError(f'{root}: is not a folder. Check data_root.')
        split = root / self.split_file if self.split_file else None
        entries = scan_entries(root, self.ann_file, split, self.data_prefix)
        if not entries:
            raise FileFormatError(f'{root}: lists no scan. Check data_root, ann_file and folders.')
        unchecked = [e for e in entries if e['pseudo_masks'] is not None]
        unchecked = [e['name'] for e in unchecked if e['superpoint_sha256'] is None]
        if unchecked and self.fields == 'published':
            MMLogger.get_current_instance().warning(
                f'{self.ann_file}: {len(unchecked)} scans ({unchecked[0]}, ...) have pseudo masks '
                'and no super_pts_sha256. Their number of superpoints is compared, the numbering '
                'cannot be: use them only with the superpoint files they were published with.'
            )
        return entries

    def filter_data(self) -> list[dict]:
        """Leave out scans with too few instances, in training and where it was asked for."""
        if self.test_mode or not (self.filter_cfg or {}).get('filter_empty_gt', False):
            return self.data_list
        least = self.filter_cfg.get('min_instances', 1)
        kept = [info for info in self.data_list if self._count_instances(info) >= least]
        if not kept:
            raise ConfigError(
                f'{self.data_root}: none of {len(self.data_list)} scans has {least} instances. '
                'Change filter_cfg or the label space.'
            )
        return kept

    def _count_instances(self, info: dict) -> int:
        if info['semantic_path'] is None:
            return 0
        num_points = Path(info['points_path']).stat().st_size // (4 * info['num_features'])
        return len(self._labels(info, num_points)[2])

    def load_scene(self, info: dict) -> dict:
        """The sample of an entry of the list."""
        if self.fields == 'published':
            return self._published(info)
        if self.cache_dir is not None:
            results = super().load_scene(info)
        else:
            results = self.build_scene(info)
            if self._text_config is not None:
                results['sentence_embeddings'] = self._embed(results['sentences'], None)
        results['num_classes'] = self.label_space.num_classes
        results['label_space'] = self.label_space.name
        if self.normals == 'none':
            results['normals'] = None  # zeros in the cache, which transforms need not turn
        return results

    def scene_key(self, info: dict) -> list:
        """Paths, sizes and times of the files, sentences, and the options."""
        keys = ('points_path', 'semantic_path', 'instance_path', 'superpoint_path')
        paths = [info[key] for key in keys if info[key] is not None]
        files = [[p, Path(p).stat().st_size, Path(p).stat().st_mtime_ns] for p in paths]
        text = hashlib.sha256(
            json.dumps([info['sentences'], info['object_names']]).encode()
        ).hexdigest()
        space = self.label_space
        # The classes too: two label spaces of people's own may have one name.
        classes = [space.name, space.classes, space.raw_ids, len(space.stuff)]
        options = [self.superpoints, self.normals, info['num_features']]
        return ['processed', files, text, *classes, *options]

    def build_scene(self, info: dict) -> dict:
        """Read a scan and its labels."""
        table = read_point_table(info['points_path'], info['num_features'])
        points = np.ascontiguousarray(table[:, :3])
        colors = table[:, 3:6] * np.float32(1 / 255)
        semantic, instances, object_ids = self._labels(info, len(points))
        classes = semantic[first_points(instances, len(object_ids))]
        row_of = {int(object_id): row for row, object_id in enumerate(object_ids)}
        return {
            'name': info['name'],
            'points': points,
            'colors': colors,
            'normals': (
                estimate_normals(points)[0] if self.normals == 'estimate' else np.zeros_like(points)
            ),
            'superpoints': self._superpoints(info, points, colors),
            'semantic': semantic,
            'instances': instances,
            'instance_semantic': classes,
            'instance_names': [
                info['object_names'].get(int(object_id), self.label_space.name_of(int(label)))
                for object_id, label in zip(object_ids, classes, strict=True)
            ],
            'sentences': [
                {'text': sentence['text'], 'targets': [row_of[sentence['object_id']]], 'kind': ''}
                for sentence in info['sentences']
                if sentence['object_id'] in row_of
            ],
        }

    def _labels(self, info: dict, num_points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Semantic (N,), instances (N,) and the object id (M,) of each instance."""
        space = self.label_space
        if info['semantic_path'] is None:
            semantic = np.full(num_points, space.ignore_index, np.int64)
            return semantic, np.full(num_points, -1, np.int64), np.zeros(0, np.int64)
        semantic = space.from_raw(read_ids(info['semantic_path'], num_points))
        ids = read_ids(info['instance_path'], num_points) - 1
        # Stuff comes first, no class last.
        ids[(semantic < len(space.stuff)) | (semantic == space.ignore_index)] = -1
        object_ids, instances = number_instances(ids)
        return semantic, instances, object_ids

    def _superpoints(self, info: dict, points: np.ndarray, colors: np.ndarray) -> np.ndarray:
        if self.superpoints == 'compute':
            return compute_superpoints(points, colors)
        if self.superpoints == 'voxels':
            return voxel_superpoints(points, VOXEL_SUPERPOINT)
        if info['superpoint_path'] is None:
            raise FileFormatError(
                f'{info["points_path"]}: there is no superpoint file of this name in '
                f'{self.data_prefix["sp_pts_mask"]}. Prepare the data again, or set '
                'superpoints="compute" or "voxels".'
            )
        sha256 = info['superpoint_sha256']
        return dense_ids(read_superpoints(info['superpoint_path'], len(points), sha256))

    def _published(self, info: dict) -> dict:
        """What the published transforms read: paths instead of arrays."""
        results = {
            'name': info['name'],
            'lidar_points': {
                'lidar_path': info['points_path'],
                'num_pts_feats': info['num_features'],
            },
            'pts_semantic_mask_path': info['semantic_path'],
            'pts_instance_mask_path': info['instance_path'],
            'super_pts_path': info['superpoint_path'],
            'super_pts_sha256': info['superpoint_sha256'],
            'axis_align_matrix': np.asarray(info['axis_align_matrix'], np.float64),
            'text_info': info['text_info'],
        }
        if info['pseudo_masks'] is not None:
            results['sam3d_pseudo_sp_masks'] = info['pseudo_masks']
        return results


def voxel_superpoints(points: np.ndarray, voxel: float) -> np.ndarray:
    """Number the occupied cells of a grid, int64 (N,), 0 .. S-1, in the order of the cells."""
    if len(points) == 0:
        return np.zeros(0, np.int64)
    cells = np.floor((points - points.min(0)) / np.float32(voxel)).astype(np.int64)
    size = cells.max(0) + 1
    keys = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    return np.unique(keys, return_inverse=True)[1].reshape(-1)
