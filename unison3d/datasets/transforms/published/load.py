"""Read the files of a scan."""

from __future__ import annotations

from unison3d.datasets.processed_files import read_ids, read_point_table, read_superpoints
from unison3d.errors import FileFormatError, SceneError
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPointTable:
    """Add ``points`` float32 (N, F): x, y, z in metres, red, green, blue in 0..255."""

    def __call__(self, results: dict) -> dict:
        lidar = results['lidar_points']
        results['points'] = read_point_table(lidar['lidar_path'], lidar['num_pts_feats'])
        return results


@TRANSFORMS.register_module()
class LoadPointLabels:
    """Add ``pts_instance_mask``, ``pts_semantic_mask`` and ``sp_pts_mask``, int64 (N,) each.

    A scan without label files gets superpoints alone. Pseudo masks are refused where the
    superpoint file is another one than they were made with.

    Args:
        with_labels: read instances and semantic ids where the scan has them.
        with_superpoints: read superpoints.
    """

    def __init__(self, with_labels: bool = True, with_superpoints: bool = True) -> None:
        self.with_labels = with_labels
        self.with_superpoints = with_superpoints

    def __call__(self, results: dict) -> dict:
        count = len(results['points'])
        if self.with_labels:
            for key in ('pts_instance_mask', 'pts_semantic_mask'):
                if results.get(f'{key}_path') is not None:
                    results[key] = read_ids(results[f'{key}_path'], count)
        if self.with_superpoints:
            path = results.get('super_pts_path')
            if path is None:
                name = results['lidar_points']['lidar_path']
                raise FileFormatError(
                    f'{name}: there is no superpoint file of this name. Prepare the data again, '
                    'or set with_superpoints=False.'
                )
            sha256 = results.get('super_pts_sha256')
            results['sp_pts_mask'] = read_superpoints(path, count, sha256)
            pseudo = results.get('sam3d_pseudo_sp_masks')
            found = int(results['sp_pts_mask'].max(initial=-1)) + 1
            if pseudo is not None and pseudo.shape[1] != found:
                raise SceneError(
                    f'{path}: holds {found} superpoints, but the pseudo masks of this scan cover '
                    f'{pseudo.shape[1]}. Use the superpoint files that came with the masks.'
                )
        return results
