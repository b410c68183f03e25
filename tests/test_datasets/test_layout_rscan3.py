"""Raw 3RScan: labels of points, splits of rooms and their rescans."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unison3d.cli.main import main
from unison3d.datasets.prepare import get_layout, prepare_dataset, read_infos, verify_folder
from unison3d.errors import FileFormatError

NAMES = [
    {'objectId': 1, 'label': 'floor', 'segments': [1]},
    {'objectId': 3, 'label': 'armchair', 'segments': [3]},
]
ROOMS = [
    {'reference': 'room-a', 'type': 'train', 'scans': [{'reference': 'room-a-again'}]},
    {'reference': 'room-b', 'type': 'validation', 'scans': []},
]
#: objectId and NYU40 of six points.
OBJECTS, CLASSES = (1, 1, 1, 3, 3, 0), (2, 2, 2, 5, 5, 0)


def write_scan(root, name='room-a', kind='ushort', objects=OBJECTS, classes=CLASSES):
    folder = root / name
    folder.mkdir()
    lines = ['ply', 'format ascii 1.0', 'element vertex 6']
    lines += [f'property float {axis}' for axis in 'xyz']
    lines += [f'property uchar {color}' for color in ('red', 'green', 'blue')]
    lines += [f'property {kind} objectId', 'property ushort globalId', 'property uchar NYU40']
    lines += ['element face 2', 'property list uchar int vertex_indices', 'end_header']
    lines += [f'{i} {i % 2} 0 255 0 0 {o} 9 {c}' for i, (o, c) in enumerate(zip(objects, classes))]
    lines += ['3 0 1 2', '3 3 4 5']
    (folder / 'labels.instances.annotated.v2.ply').write_text('\n'.join(lines) + '\n')
    (folder / 'semseg.v2.json').write_text(json.dumps({'segGroups': NAMES}))
    (root / '3RScan.json').write_text(json.dumps(ROOMS))


def the_reason(tmp_path):
    report = prepare_dataset(get_layout('3rscan'), tmp_path, tmp_path / 'out')
    (failure,) = report.failures
    return failure.reason


@pytest.mark.parametrize('kind', ['ushort', 'int'])
def test_scans(tmp_path, kind):
    for name in ('room-a', 'room-a-again', 'room-b', 'room-c'):
        write_scan(tmp_path, name, kind)
    units = get_layout('3rscan').scans(tmp_path)
    assert [unit.split for unit in units] == ['train', 'train', 'val', 'unlisted']
    out = tmp_path / 'out'
    words = ['--root', str(tmp_path), '--out', str(out), '--verify']
    assert main(['prepare', '3rscan', *words]) == 0
    for folder, ids in {'instance_mask': OBJECTS, 'semantic_mask': CLASSES}.items():
        np.testing.assert_array_equal(np.fromfile(out / folder / 'room-b.bin', '<i8'), ids)
    table = np.fromfile(out / 'points' / 'room-b.bin', '<f4').reshape(-1, 6)
    assert not table[:, 3:].any(), 'the colours are those of the labels'
    (entry,) = read_infos(out / '3rscan_infos_val.pkl')['data_list']
    boxes = [(b['object_id'], b['object_name'], b['bbox_label_3d']) for b in entry['instances']]
    assert boxes == [(2, 'armchair', 2)]
    assert not verify_folder(out).findings


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'objects': (1, 1, 1, 4, 4, 0)}, 'object 4'),
        ({'objects': (1, 1, 1, 900, 3, 0)}, 'objectId reaches'),
        ({'classes': (2, 2, 2, 41, 5, 0)}, '41'),
    ],
)
def test_labels_out_of_range(tmp_path, change, said):
    write_scan(tmp_path, **change)
    assert said in the_reason(tmp_path)


def test_missing_files_are_named(tmp_path):
    (tmp_path / '3RScan.json').write_text('[]')
    with pytest.raises(FileFormatError, match='labels.instances'):
        get_layout('3rscan').scans(tmp_path)
    write_scan(tmp_path)
    (tmp_path / 'room-a' / 'semseg.v2.json').unlink()
    assert 'semseg.v2.json' in the_reason(tmp_path)
    (tmp_path / '3RScan.json').unlink()
    with pytest.raises(FileFormatError, match='3RScan.json'):
        get_layout('3rscan').scans(tmp_path)


@pytest.mark.parametrize('content', [{}, [1], [{'type': 'x'}], [{'type': 'test', 'scans': 1}]])
def test_splits_of_another_form(tmp_path, content):
    write_scan(tmp_path)
    (tmp_path / '3RScan.json').write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match='3RScan.json'):
        get_layout('3rscan').scans(tmp_path)


def test_a_scan_that_lost_its_mesh_fails_and_hidden_test_scans_do_not(tmp_path):
    for name in ('room-a', 'room-b', 'room-t'):
        write_scan(tmp_path, name)
        if name != 'room-a':
            (tmp_path / name / 'labels.instances.annotated.v2.ply').unlink()
    rooms = [*ROOMS, {'reference': 'room-t', 'type': 'test', 'scans': []}]
    (tmp_path / '3RScan.json').write_text(json.dumps(rooms))
    (tmp_path / 'something else').mkdir()
    report = prepare_dataset(get_layout('3rscan'), tmp_path, tmp_path / 'out')
    (failure,) = report.failures
    assert failure.unit.name == 'room-b' and 'labels.instances.annotated' in failure.reason
