"""Every kind of damage is found, and the finding names the file and the place."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from test_datasets.scannet_samples import TRAIN, VAL, read_ids, write_raw_scan, write_raw_test_scan

from unison3d.cli.main import main
from unison3d.datasets.prepare import prepare_dataset, read_infos, verify_folder
from unison3d.datasets.prepare.scannet import ScanNetLayout
from unison3d.errors import FileFormatError

INFO = 'scannet_infos_train'


@pytest.fixture
def out(tmp_path):
    for name in (TRAIN, VAL):
        write_raw_scan(tmp_path / 'raw', name)
    write_raw_test_scan(tmp_path / 'raw')
    prepare_dataset(ScanNetLayout(), tmp_path / 'raw', tmp_path / 'out')
    return tmp_path / 'out'


def found(out):
    return [str(finding).replace(f'{out}/', '') for finding in verify_folder(out).findings]


def change_infos(out, change, suffixes=('.pkl', '.json'), name=INFO):
    """Let ``change`` edit the content of an info file."""
    content = read_infos(out / f'{name}.pkl')
    change(content)
    if '.pkl' in suffixes:
        (out / f'{name}.pkl').write_bytes(pickle.dumps(content))
    if '.json' in suffixes:
        (out / f'{name}.json').write_text(json.dumps(content))


def change_entry(out, **values):
    change_infos(out, lambda content: content['data_list'][0].update(values))


def change_numbers(out, folder, dtype, place, value):
    path = out / folder / f'{TRAIN}.bin'
    numbers = np.fromfile(path, dtype)
    numbers[place] = value
    numbers.tofile(path)


def test_a_good_folder_has_no_findings(out, capsys):
    assert found(out) == []
    words = ['--out', str(out), '--verify']
    assert main(['prepare', 'scannet', *words]) == 0
    assert f'{INFO}.pkl: 1 scans' in capsys.readouterr().out
    (out / 'points' / f'{TRAIN}.bin').unlink()
    assert main(['prepare', 'scannet', *words]) == 3
    assert '1 findings' in capsys.readouterr().out


def test_no_infos(tmp_path):
    with pytest.raises(FileFormatError, match='no info file'):
        verify_folder(tmp_path)


@pytest.mark.parametrize('folder', ['points', 'instance_mask', 'semantic_mask', 'super_points'])
def test_missing_file(out, folder):
    (out / folder / f'{TRAIN}.bin').unlink()
    assert found(out) == [f'{folder}/{TRAIN}.bin: whole file: is missing']


@pytest.mark.parametrize('folder', ['instance_mask', 'semantic_mask', 'super_points'])
def test_mask_of_another_size(out, folder):
    path = out / folder / f'{TRAIN}.bin'
    np.fromfile(path, '<i8').astype('<i4').tofile(path)
    assert found(out) == [
        f'{folder}/{TRAIN}.bin: byte 400: 400 bytes, expected 800 (int64 for each of 100 points)'
    ]


def test_points_of_another_size(out):
    path = out / 'points' / f'{TRAIN}.bin'
    path.write_bytes(path.read_bytes()[:-5])
    assert found(out) == [
        f'points/{TRAIN}.bin: byte 2376: 2395 bytes, expected a positive multiple of 24 '
        '(6 float32 a point)'
    ]
    path.write_bytes(b'')
    assert 'expected a positive multiple' in found(out)[0]


def test_points_that_are_not_finite(out):
    change_numbers(out, 'points', '<f4', 6 * 31 + 2, np.nan)
    assert found(out) == [
        f'points/{TRAIN}.bin: point 31: nan in column 2, expected finite numbers (1 bad)'
    ]


def test_colours_out_of_range(out):
    change_numbers(out, 'points', '<f4', 6 * 12 + 4, 300)
    assert found(out) == [f'points/{TRAIN}.bin: point 12: colour 300, expected 0 to 255 (1 bad)']


@pytest.mark.parametrize(
    ('folder', 'value', 'limit'),
    [
        ('semantic_mask', 41, '0 to 40'),
        ('semantic_mask', -1, '0 to 40'),
        ('instance_mask', -1, '0 or more'),
        ('super_points', -1, '0 to 99'),
        ('super_points', 2**40, '0 to 99'),
    ],
)
def test_ids_out_of_range(out, folder, value, limit):
    change_numbers(out, folder, '<i8', 17, value)
    expected = f'{folder}/{TRAIN}.bin: point 17: id {value}, expected {limit}'
    assert found(out)[0] == expected


def test_superpoints_with_a_gap(out):
    ids = read_ids(out, 'super_points')
    change_numbers(out, 'super_points', '<i8', ids == 2, 3)
    findings = found(out)
    assert findings[0].startswith(f'super_points/{TRAIN}.bin: superpoint 2: no point has this id')


def test_superpoints_that_are_other_ones(out):
    change_numbers(out, 'super_points', '<i8', slice(0, 1), 2)
    assert found(out) == [
        f'super_points/{TRAIN}.bin: whole file: is another one than {INFO}.pkl, '
        f'entry 0 ({TRAIN}), was written with (sha256 differs)'
    ]


def test_pseudo_masks_of_other_superpoints(out):
    change_infos(
        out,
        lambda content: content['data_list'][0].update(sam3d_pseudo_sp_masks=torch.ones(2, 9) > 0),
        ['.pkl'],
    )
    where = f'{INFO}.pkl: entry 0 ({TRAIN})'
    assert found(out) == [f'{where}: pseudo masks over 9 superpoints, the file has 5']


@pytest.mark.parametrize(
    'matrix', [np.diag([2.0, 1, 1, 1]), np.diag([-1.0, 1, 1, 1]), np.eye(3), 'abc', None]
)
def test_alignment(out, matrix):
    change_entry(out, axis_align_matrix=matrix if isinstance(matrix, str) else _list(matrix))
    problem = 'axis_align_matrix is no rigid 4x4 matrix of finite numbers'
    expected = [] if matrix is None else [f'{INFO}.pkl: entry 0 ({TRAIN}): {problem}']
    assert found(out) == expected


def _list(matrix):
    return None if matrix is None else matrix.tolist()


def test_boxes(out):
    boxes = read_infos(out / f'{INFO}.pkl')['data_list'][0]['instances']
    change_entry(out, instances=[{**boxes[0], 'bbox_3d': [0, 0, 0, -1, 1, 1]}, boxes[1]])
    where = f'{INFO}.pkl: entry 0 ({TRAIN}), instance 0'
    assert found(out) == [f'{where}: bbox_3d is no box of finite numbers']
    change_entry(out, instances=[{**boxes[0], 'bbox_label_3d': 18}, boxes[1]])
    assert found(out) == [f'{where}: bbox_label_3d is 18, expected 0 to 17']


def test_objects_that_are_not_there(out):
    change_entry(out, text_info={'8': {'text': ['x']}, '1': {'text': ['y']}})
    assert found(out) == [
        f'{INFO}.pkl: entry 0 ({TRAIN}): speaks of object 8, which has no point in its mask'
    ]


def test_one_mask_of_two(out):
    change_infos(out, lambda content: content['data_list'][0].pop('pts_instance_mask_path'))
    assert found(out) == [
        f'{INFO}.pkl: entry 0 ({TRAIN}): names only one of semantic and instance mask'
    ]


def test_unreadable_info_file(out):
    (out / f'{INFO}.json').write_text('{')
    (finding,) = found(out)
    assert finding.startswith(f'{INFO}.json: whole file: ') and 'not valid JSON' in finding


def test_harmful_info_file(out):
    (out / 'other_infos_train.pkl').write_bytes(b'cos\nsystem\n(S"echo"\ntR.')
    (finding,) = found(out)
    assert finding.startswith('other_infos_train.pkl: whole file: ') and 'os.system' in finding


def test_twins_that_differ(out):
    change_infos(out, lambda content: content['data_list'].clear(), ['.json'])
    assert found(out) == [f'{INFO}.json: entry 0: 0 entries, the .pkl has 1']

    def rename(content):
        content['data_list'][0]['lidar_points']['lidar_path'] = f'{VAL}.bin'

    change_infos(out, rename, ['.json'])
    assert found(out)[0] == (
        f'{INFO}.json: entry 0: is about {VAL} or its older files, the .pkl about {TRAIN}'
    )


def test_a_scan_in_two_splits(out):
    for suffix in ('.pkl', '.json'):
        (out / f'scannet_infos_val{suffix}').write_bytes((out / f'{INFO}{suffix}').read_bytes())
    findings = found(out)
    assert f'scannet_infos_val.pkl: entry 0: {TRAIN} is also entry 0 of {INFO}.pkl' in findings


def test_files_without_an_entry(out):
    (out / 'points' / 'stray.bin').write_bytes(b'')
    assert found(out) == ['points/stray.bin: whole file: no info file names it']


def test_folders_of_others_are_checked_too(out):
    """An OpenMMLab folder: one pickle without our additions, no superpoints named."""

    def as_published(content):
        content['metainfo'] = {'categories': {}, 'dataset': 'scannet', 'info_version': '1.1'}
        for entry in content['data_list']:
            for key in ('super_pts_path', 'super_pts_sha256', 'num_points', 'num_superpoints'):
                entry.pop(key)

    for name in (INFO, 'scannet_infos_val', 'scannet_infos_test'):
        change_infos(out, as_published, ['.pkl'], name)
        (out / f'{name}.json').unlink()
    assert found(out) == []
    change_numbers(out, 'semantic_mask', '<i8', 3, 41)
    change_numbers(out, 'super_points', '<i8', 3, -4)
    assert [finding.split(': id')[0] for finding in found(out)] == [
        f'semantic_mask/{TRAIN}.bin: point 3',
        f'super_points/{TRAIN}.bin: point 3',
    ]
