"""Raw ScanNet: export rules, splits, and the real scan."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from conftest import data_files
from test_datasets.scannet_samples import (
    ALIGNMENT,
    GROUPS,
    TABLE,
    TEST,
    TRAIN,
    VAL,
    read_ids,
    write_raw_scan,
    write_raw_test_scan,
)

from unison3d.datasets.prepare import find_layouts, get_layout, prepare_dataset, read_infos
from unison3d.datasets.prepare.job import PrepareWork
from unison3d.datasets.prepare.scannet import (
    TABLES,
    ScanNet200Layout,
    ScanNetLayout,
    read_name_list,
)
from unison3d.errors import ConfigError, FileFormatError
from unison3d.io import read_label_table
from unison3d.jobs import attempt
from unison3d.structures.label_space import SCANNET200
from unison3d.superpoints import segment_mesh


def prepare(root, out, layout=None, **options):
    return prepare_dataset(layout or ScanNetLayout(), root, out, **options)


def the_reason(root, tmp_path):
    (failure,) = prepare(root, tmp_path / 'out').failures
    return failure.reason


def test_files_of_a_scan(tmp_path):
    write_raw_scan(tmp_path)
    assert not prepare(tmp_path, tmp_path / 'out').failures
    out = tmp_path / 'out'
    table = np.fromfile(out / 'points' / f'{TRAIN}.bin', '<f4').reshape(-1, 6)
    assert table.shape == (100, 6)
    # Not aligned: rows and columns of the square are where the mesh has them.
    np.testing.assert_allclose(table[[0, -1], :2], [[0, 0], [0.9, 0.9]], atol=1e-6)
    assert (table[:, 3:] == np.rint(table[:, 3:])).all() and table[:, 3:].max() > 200
    stripe = np.arange(100) // 20
    np.testing.assert_array_equal(read_ids(out, 'instance_mask'), np.array([1, 2, 2, 3, 0])[stripe])
    np.testing.assert_array_equal(read_ids(out, 'semantic_mask'), np.array([2, 5, 5, 5, 0])[stripe])
    np.testing.assert_array_equal(read_ids(out, 'super_points'), np.array([4, 1, 2, 3, 0])[stripe])


def test_infos_of_a_scan(tmp_path):
    write_raw_scan(tmp_path)
    prepare(tmp_path, tmp_path / 'out')
    infos = read_infos(tmp_path / 'out' / 'scannet_infos_train.pkl')
    assert infos == read_infos(tmp_path / 'out' / 'scannet_infos_train.json')
    assert infos['metainfo']['categories']['cabinet'] == 0
    (entry,) = infos['data_list']
    assert entry['lidar_points'] == {'num_pts_feats': 6, 'lidar_path': f'{TRAIN}.bin'}
    assert entry['axis_align_matrix'] == ALIGNMENT
    # The floor has no box. Chair is thing 2.
    assert [(b['object_id'], b['object_name'], b['bbox_label_3d']) for b in entry['instances']] == [
        *((1, 'chair', 2), (2, 'office chair', 2)),
    ]
    points = np.fromfile(tmp_path / 'out' / 'points' / f'{TRAIN}.bin', '<f4').reshape(-1, 6)
    own = points[20:60, :3].astype(float)
    aligned = own @ np.array(ALIGNMENT)[:3, :3].T + np.array(ALIGNMENT)[:3, 3]
    for key, cloud in (('bbox_3d', aligned), ('unaligned_bbox_3d', own)):
        low, high = cloud.min(0), cloud.max(0)
        expected = [*(low + high) / 2, *(high - low)]
        np.testing.assert_allclose(entry['instances'][0][key], expected, atol=1e-12)


def test_overlapping_objects_are_painted_in_the_published_order(tmp_path):
    groups = [
        {'objectId': 0, 'label': 'chair', 'segments': [40, 99]},
        {'objectId': 1, 'label': 'floor', 'segments': [40, 700]},
        {'objectId': 2, 'label': 'chair', 'segments': [99, 700]},
    ]
    write_raw_scan(tmp_path, groups=groups)
    prepare(tmp_path, tmp_path / 'out')
    stripe = np.arange(100) // 20  # of segments 700, 40, 99, 512, 3
    # Chair is painted before floor, also where a chair comes later in the file.
    np.testing.assert_array_equal(
        read_ids(tmp_path / 'out', 'semantic_mask'), np.array([2, 2, 5, 0, 0])[stripe]
    )
    np.testing.assert_array_equal(
        read_ids(tmp_path / 'out', 'instance_mask'), np.array([3, 2, 3, 0, 0])[stripe]
    )


def test_scannet200_takes_the_other_column(tmp_path):
    write_raw_scan(tmp_path)
    prepare(tmp_path, tmp_path / 'out', ScanNet200Layout())
    semantic = read_ids(tmp_path / 'out', 'semantic_mask')
    stripe = np.arange(100) // 20
    np.testing.assert_array_equal(semantic, np.array([3, 2, 2, 10, 0])[stripe])
    # Floor is class 1 and chair class 2 inside, whatever the ids on disk.
    np.testing.assert_array_equal(SCANNET200.from_raw(semantic[::20]), [1, 2, 2, 9, 200])
    (entry,) = read_infos(tmp_path / 'out' / 'scannet200_infos_train.pkl')['data_list']
    labels = [SCANNET200.thing_names[box['bbox_label_3d']] for box in entry['instances']]
    assert labels == ['chair', 'office chair']


def test_test_scans_have_no_labels_and_are_cut_along_the_mesh(tmp_path):
    write_raw_test_scan(tmp_path)
    report = prepare(tmp_path, tmp_path / 'out')
    assert [o.unit.split for o in report.outcomes] == ['test'] and not report.failures
    (entry,) = read_infos(tmp_path / 'out' / 'scannet_infos_test.pkl')['data_list']
    assert 'pts_semantic_mask_path' not in entry and entry['instances'] == []
    assert entry['axis_align_matrix'] == np.eye(4).tolist()
    assert not (tmp_path / 'out' / 'semantic_mask').exists()
    from unison3d.io import read_ply

    mesh = read_ply(tmp_path / 'scans_test' / TEST / f'{TEST}_vh_clean_2.ply')
    expected = segment_mesh(mesh.points, mesh.faces.astype(np.int32))
    np.testing.assert_array_equal(read_ids(tmp_path / 'out', 'super_points', TEST), expected)


def test_splits_are_the_official_ones_or_those_at_the_root(tmp_path):
    for name in (VAL, TRAIN, 'room_0001'):
        write_raw_scan(tmp_path, name)
    units = ScanNetLayout().scans(tmp_path)
    assert [(u.name, u.split) for u in units] == [
        *(('room_0001', 'unlisted'), (TRAIN, 'train'), (VAL, 'val')),
    ]
    (tmp_path / 'scannetv2_val.txt').write_text(f'# mine\n{TRAIN}\nroom_0001\n')
    assert [u.split for u in ScanNetLayout().scans(tmp_path)] == ['val', 'val', 'unlisted']


def test_root_may_be_the_folder_of_scans(tmp_path):
    folder = write_raw_scan(tmp_path)
    assert [u.path for u in ScanNetLayout().scans(tmp_path / 'scans')] == [folder]
    with pytest.raises(FileFormatError, match='no ScanNet scan'):
        ScanNetLayout().scans(folder)


def test_unknown_label_is_named(tmp_path):
    groups = [*GROUPS, {'objectId': 3, 'label': 'wibble', 'segments': [3]}]
    write_raw_scan(tmp_path, groups=groups)
    assert '"wibble"' in the_reason(tmp_path, tmp_path)
    # A table at the root is preferred to the one that ships.
    (tmp_path / 'scannetv2-labels.combined.tsv').write_text(TABLE + '9\twibble\t39\n')
    assert not prepare(tmp_path, tmp_path / 'out').failures


@pytest.mark.parametrize(
    ('file', 'text', 'reason'),
    [
        ('.aggregation.json', None, 'not found'),
        ('_vh_clean_2.0.010000.segs.json', None, 'not found'),
        ('_vh_clean_2.ply', None, 'not found'),
        ('.txt', 'numColorFrames = 3', 'axisAlignment'),
        ('_vh_clean_2.0.010000.segs.json', '{"segIndices": [1, 2]}', '2 segment ids for 100'),
        ('_vh_clean_2.0.010000.segs.json', '{"segIndices": [1, 2', 'not valid JSON'),
        ('.aggregation.json', '{"segGroups": [{"segments": [3]}]}', 'group 0'),
        (
            '.aggregation.json',
            '{"segGroups": [{"objectId": 0, "label": "wall", "segments": [9]}]}',
            'segment 9',
        ),
        (
            '.aggregation.json',
            '{"segGroups": [{"objectId": 123456789, "label": "wall", "segments": [3]}]}',
            'objectId 123456789',
        ),
        (
            '.aggregation.json',
            '{"segGroups": [{"objectId": 0, "label": "wall", "segments": [3]}, '
            '{"objectId": 0, "label": "chair", "segments": [40]}]}',
            'objectId 0 is there twice, as "wall" and as "chair"',
        ),
    ],
)
def test_damaged_scans_say_why(tmp_path, file, text, reason):
    path = write_raw_scan(tmp_path) / f'{TRAIN}{file}'
    path.unlink() if text is None else path.write_text(text)
    assert reason in the_reason(tmp_path, tmp_path)
    assert path.name in the_reason(tmp_path, tmp_path)


@pytest.mark.parametrize(
    'file', ['.aggregation.json', '_vh_clean_2.0.010000.segs.json', '_vh_clean_2.ply']
)
def test_files_cut_anywhere_are_failures_that_name_them(tmp_path, file):
    path = write_raw_scan(tmp_path) / f'{TRAIN}{file}'
    whole = path.read_bytes()
    (unit,) = ScanNetLayout().scans(tmp_path)
    for end in np.linspace(0, len(whole) - 2, 64).astype(int):
        path.write_bytes(whole[:end])
        outcome = attempt(PrepareWork(ScanNetLayout(), tmp_path / 'out'), unit)
        assert outcome.error and path.name in outcome.reason
        assert outcome.reason.startswith(str(tmp_path)), 'our own error, not one of Python'


def test_tables_name_their_source():
    for path in sorted(TABLES.iterdir()):
        head = path.read_text('utf-8')[:600]
        assert 'github.com' in head or 'arXiv:' in head, path.name
    lists = [read_name_list(TABLES / f'scannetv2_{s}.txt') for s in ('train', 'val', 'test')]
    assert [len(names) for names in lists] == [1201, 312, 100]
    table = read_label_table(TABLES / 'scannetv2_categories.tsv', 'id')
    assert len(table) == 607 and max(table.values()) == 1357


def test_layouts_are_found_by_name():
    assert type(get_layout('scannet200')) is ScanNet200Layout
    layouts = find_layouts()
    assert {'scannet', 'scannet200'} <= set(layouts)
    assert all(name == layout.name for name, layout in layouts.items())
    with pytest.raises(ConfigError, match='scannet200'):
        get_layout('scannet20')


@pytest.mark.parametrize('labels', data_files('scannet_scene0000_00', 'labels_v2.npz'))
def test_real_scan_has_its_published_labels(labels, tmp_path):
    name, source = 'scene0000_00', labels.parent
    folder = tmp_path / 'scans' / name
    folder.mkdir(parents=True)
    for file in (f'{name}_vh_clean_2.ply', f'{name}_vh_clean_2.0.010000.segs.json'):
        (folder / file).symlink_to(source / file)
    derived = source / f'{name}.aggregation.derived.json'
    (folder / f'{name}.aggregation.json').symlink_to(derived)
    numbers = ' '.join((source / 'axis_alignment.txt').read_text().split())
    (folder / f'{name}.txt').write_text(f'axisAlignment = {numbers}\n')
    # The objects of this copy are named by their NYU40 class.
    table = source.parent / 'scannet_meta' / 'scannetv2-labels.combined.tsv'
    rows = csv.DictReader(table.read_text().splitlines(), delimiter='\t')
    ids = {row['nyu40class']: row['nyu40id'] for row in rows}
    lines = ['id\traw_category\tnyu40id', *(f'{i}\t{label}\t{i}' for label, i in ids.items())]
    (tmp_path / table.name).write_text('\n'.join(lines))
    report = prepare(tmp_path, tmp_path / 'out', splits=['train'])
    assert not report.failures
    expected = np.load(labels)
    folders = {'nyu40': 'semantic_mask', 'instance': 'instance_mask', 'superpoint': 'super_points'}
    for key, folder in folders.items():
        np.testing.assert_array_equal(read_ids(tmp_path / 'out', folder, name), expected[key])
    content = json.loads((tmp_path / 'out' / 'scannet_infos_train.json').read_text())
    np.testing.assert_allclose(
        content['data_list'][0]['axis_align_matrix'], np.array(numbers.split(), float).reshape(4, 4)
    )
