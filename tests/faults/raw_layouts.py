"""Small valid downloads of every dataset; see :mod:`tests.faults.bad_raw_files` for the damage.

A new dataset is one entry of :data:`LAYOUTS`: two scans, and which files can be broken.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from test_datasets import scannet_samples as scannet
from test_datasets import test_layout_arkitscenes as arkitscenes
from test_datasets import test_layout_custom as custom
from test_datasets import test_layout_matterport3d as matterport3d
from test_datasets import test_layout_replica as replica
from test_datasets import test_layout_rscan3 as rscan3
from test_datasets import test_layout_s3dis as s3dis
from test_datasets import test_layout_scannetpp as scannetpp
from test_datasets import test_prepare_sentences as sentences


@dataclass(frozen=True)
class RawLayout:
    """A download of two scans, of which one is to be broken.

    Args:
        dataset: on the command line.
        write: writes the download into a folder.
        victim: name of the scan that is broken.
        healthy: name of the other.
        files: of the victim and of both, by their place in the folder; with the bytes at the end
            whose loss nobody can see (the digits of the last number), or None for text without any
            length, of which every part may be a whole file.
        optional: those that need not be there.
        classes: those that say what the ids of both scans mean; a new one asks for a new start.
        options: further words on the command line; names of files are taken in the folder.
    """

    dataset: str
    write: Callable[[Path], object]
    victim: str
    healthy: str
    files: dict[str, int | None]
    optional: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


_TABLE = 'scannetv2-labels.combined.tsv'


def _scannet(root: Path) -> None:
    for seed, name in enumerate((scannet.TRAIN, scannet.VAL)):
        scannet.write_raw_scan(root, name, seed=seed)
    for split, name in (('train', scannet.TRAIN), ('val', scannet.VAL)):
        (root / f'scannetv2_{split}.txt').write_text(f'{name}\n')
    (root / _TABLE).write_text(scannet.TABLE)


def _scannet_files() -> dict[str, int | None]:
    stem = f'scans/{scannet.TRAIN}/{scannet.TRAIN}'
    return {
        f'{stem}_vh_clean_2.ply': 1,
        f'{stem}_vh_clean_2.0.010000.segs.json': 1,
        f'{stem}.aggregation.json': 1,
        f'{stem}.txt': None,
        _TABLE: None,
        'scannetv2_train.txt': None,
    }


def _scanrefer(root: Path) -> None:
    _scannet(root)
    entries = [sentences.sentence(1, 'first'), sentences.sentence(2, 'second', ann_id='4')]
    (root / 'refer.json').write_text(json.dumps(entries))


def _referit3d(root: Path) -> None:
    _scannet(root)
    (root / 'nr3d.csv').write_text(sentences.NR3D)
    (root / 'sr3d.csv').write_text(sentences.SR3D)


def _scannetpp(root: Path) -> None:
    folder = scannetpp.write_metadata(root)
    (folder / 'map_benchmark.csv').write_text('class,semantic_map_to\noffice chair,chair\n')
    for name in (scannetpp.SCENE, 'val0'):
        scannetpp.write_scene(root, name)


def _s3dis(root: Path) -> None:
    for area in ('Area_5', 'Area_1'):
        s3dis.write_room(root, area)


def _replica(root: Path) -> None:
    for name in ('office_0', 'room_1'):
        replica.write_scene(root, name)


def _matterport3d(root: Path) -> None:
    for number in (0, 1):
        matterport3d.write_region(root, number)
    (root / 'splits').mkdir()
    (root / 'splits' / 'val.txt').write_text('1LXtFkjw3qL\n')


def _rscan3(root: Path) -> None:
    for name in ('room-a', 'room-b'):
        rscan3.write_scan(root, name)
        rscan3.write_texture(root / name)


def _custom(root: Path) -> None:
    fields = {'faces': np.array([[0, 1, 2], [3, 4, 5]]), 'axis_alignment': np.eye(4)}
    for name in 'ab':
        custom.write_scan(root, name, instance_names=['chair', 'table'], **fields)
    (root / 'labels.json').write_text(json.dumps({'1': 'wall', '2': 'chair', '7': None}))
    (root / 'splits').mkdir()
    (root / 'splits' / 'train.txt').write_text('a\nb\n')


def _custom_npz(root: Path) -> None:
    _custom(root)
    (root / 'a.ply').unlink()
    np.savez(root / 'a.npz', **npz_arrays())


def _arkitscenes(root: Path) -> None:
    for name in ('41', '42'):
        # The third box of the samples has a label of no class, about which a warning is due.
        arkitscenes.write_scan(root, name, boxes=arkitscenes.BOXES[:2])


def npz_arrays() -> dict[str, np.ndarray]:
    """A scan of :func:`_custom_npz`."""
    points = np.random.default_rng(3).random((custom.COUNT, 3))
    return {
        'points': points,
        'colors': (points * 255).astype(np.uint8),
        'faces': np.array([[0, 1, 2], [3, 4, 5]]),
        'superpoints': np.arange(custom.COUNT) // 5,
        'semantic_ids': custom.SEMANTIC,
        'instance_ids': custom.INSTANCE,
    }


_PP = f'data/{scannetpp.SCENE}/scans'
_S3DIS = f'{s3dis.FOLDER}/Area_5/office_1/Annotations'
_REGION = 'v1/scans/1LXtFkjw3qL/region_segmentations/region0'

LAYOUTS: dict[str, RawLayout] = {
    'scannet': RawLayout(
        'scannet',
        _scannet,
        scannet.TRAIN,
        scannet.VAL,
        _scannet_files(),
        optional=(_TABLE, 'scannetv2_train.txt'),
    ),
    # The other files are read by the same code.
    'scannet200': RawLayout(
        'scannet200',
        _scannet,
        scannet.TRAIN,
        scannet.VAL,
        {_TABLE: None},
        optional=(_TABLE,),
    ),
    'scanrefer': RawLayout(
        'scannet',
        _scanrefer,
        scannet.TRAIN,
        scannet.VAL,
        {'refer.json': 1},
        options=('--sentences', 'refer.json'),
    ),
    'referit3d': RawLayout(
        'scannet',
        _referit3d,
        scannet.TRAIN,
        scannet.VAL,
        {'nr3d.csv': None, 'sr3d.csv': None},
        options=('--sentences', 'nr3d.csv', 'sr3d.csv'),
    ),
    'scannetpp': RawLayout(
        'scannetpp',
        _scannetpp,
        scannetpp.SCENE,
        'val0',
        {
            f'{_PP}/mesh_aligned_0.05.ply': 1,
            f'{_PP}/segments.json': 1,
            f'{_PP}/segments_anno.json': 1,
            'metadata/semantic_benchmark/top100.txt': None,
            'metadata/semantic_benchmark/map_benchmark.csv': None,
            'splits/nvs_sem_train.txt': None,
        },
        optional=('metadata/semantic_benchmark/map_benchmark.csv', 'splits/nvs_sem_train.txt'),
        classes=('metadata/semantic_benchmark/top100.txt',),
    ),
    's3dis': RawLayout(
        's3dis',
        _s3dis,
        'Area_5_office_1',
        'Area_1_office_1',
        {f'{_S3DIS}/{name}.txt': None for name in ('ceiling_1', 'chair_1', 'chair_2')},
        # Nothing lists the objects of a room.
        optional=tuple(f'{_S3DIS}/{name}.txt' for name in ('ceiling_1', 'chair_1', 'chair_2')),
    ),
    'replica': RawLayout(
        'replica',
        _replica,
        'office_0',
        'room_1',
        {'office_0/habitat/mesh_semantic.ply': 2, 'office_0/habitat/info_semantic.json': 1},
    ),
    'matterport3d': RawLayout(
        'matterport3d',
        _matterport3d,
        '1LXtFkjw3qL_region0',
        '1LXtFkjw3qL_region1',
        {
            f'{_REGION}.ply': 3,
            f'{_REGION}.fsegs.json': 1,
            f'{_REGION}.semseg.json': 1,
            'category_mapping.tsv': None,
            'splits/val.txt': None,
        },
        optional=('splits/val.txt',),
    ),
    '3rscan': RawLayout(
        '3rscan',
        _rscan3,
        'room-a',
        'room-b',
        {
            '3RScan.json': 1,
            'room-a/labels.instances.annotated.v2.ply': 2,
            'room-a/semseg.v2.json': 1,
            'room-a/mesh.refined.v2.obj': None,
            'room-a/mesh.refined.mtl': None,
            'room-a/mesh.refined_0.png': 24,  # checksums, and a closing chunk that says nothing
        },
    ),
    'arkitscenes': RawLayout(
        'arkitscenes',
        _arkitscenes,
        '41',
        '42',
        {'Training/41/41_3dod_mesh.ply': 2, 'Training/41/41_3dod_annotation.json': 1},
    ),
    'custom': RawLayout(
        'custom',
        _custom,
        'a',
        'b',
        {'a.ply': 1, 'labels.json': 1, 'splits/train.txt': None},
        optional=('labels.json', 'splits/train.txt'),
        classes=('labels.json',),
    ),
    'custom npz': RawLayout('custom', _custom_npz, 'a', 'b', {'a.npz': 1}),
}
