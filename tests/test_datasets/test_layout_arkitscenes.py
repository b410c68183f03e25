"""Raw ARKitScenes: boxes become objects of points."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from tools.create_data import arguments
from unison3d.cli.main import main
from unison3d.datasets.prepare import get_layout, prepare_dataset, read_infos, verify_folder
from unison3d.datasets.prepare.arkitscenes import (
    ARKitScenesLayout,
    LabelledBox,
    points_in_boxes,
    read_boxes,
)
from unison3d.datasets.processed_dataset import ProcessedSegDataset
from unison3d.errors import FileFormatError, SceneWarning
from unison3d.structures.label_space import ARKITSCENES

NO, TABLE, MONITOR, PLANT = range(-1, 3)


def annotated(label, centroid, lengths, axes):
    wrong = {'centroid': [9, 9, 9], 'axesLengths': [99] * 3, 'normalizedAxes': [0] * 9}
    right = {'centroid': centroid, 'axesLengths': lengths, 'normalizedAxes': axes}
    return {'uid': 'ab', 'label': label, 'segments': {'obb': wrong, 'obbAligned': right}}


#: The table is turned by a quarter: 0.8 along x and 1.2 along y. The monitor stands in its box, and
#: its first axis points down.
BOXES = [
    annotated('table', [0, 0, 0.4], [1.2, 0.8, 0.8], [0, 1, 0, -1, 0, 0, 0, 0, 1]),
    annotated('tv monitor', [0, 0, 0.75], [0.5, 0.4, 0.2], [0, 0, -1, 1, 0, 0, 0, 1, 0]),
    annotated('office plant', [3, 0, 0.5], [0.4] * 3, [1, 0, 0, 0, 1, 0, 0, 0, 1]),
]
POINTS = [
    ((0.3, 0.5, 0.02), NO),  # the floor below the table
    ((0.3, 0.5, 0.06), TABLE),
    ((0.3, 0.55, 0.79), TABLE),
    ((0.55, 0.3, 0.79), NO),  # inside if the box were not turned
    ((0, 0, 0.7), MONITOR),  # in both boxes
    ((0, 0, 0.52), TABLE),  # the table top below the monitor
    ((0, 0, 0.98), MONITOR),
    ((3, 0, 0.5), PLANT),
    ((1, 1, 1), NO),
]
FACES = [(0, 1, 2), (1, 2, 3), (4, 5, 6), (5, 6, 7), (6, 7, 8)]


def write_scan(root, name='41', fold='Training', boxes=BOXES, **changes):
    folder = root / fold / name
    folder.mkdir(parents=True, exist_ok=True)
    lines = ['ply', 'format ascii 1.0', f'element vertex {len(POINTS)}']
    lines += [f'property float {axis}' for axis in 'xyz']
    lines += [f'property uchar {color}' for color in ('red', 'green', 'blue')]
    lines += [f'element face {len(FACES)}', 'property list uchar int vertex_indices', 'end_header']
    lines += ['{} {} {} {} 20 30'.format(*point, row) for row, (point, _) in enumerate(POINTS)]
    lines += ['3 {} {} {}'.format(*face) for face in FACES]
    (folder / f'{name}_3dod_mesh.ply').write_text('\n'.join(lines) + '\n')
    content = {'data': boxes, 'skipped': False, 'stats': {}} | changes
    (folder / f'{name}_3dod_annotation.json').write_text(json.dumps(content))
    return folder


def the_reason(tmp_path):
    report = prepare_dataset(ARKitScenesLayout(), tmp_path, tmp_path / 'out', overwrite=True)
    (failure,) = report.failures
    return failure.reason


def ids_of(out, folder, name='41'):
    return np.fromfile(out / folder / f'{name}.bin', '<i8')


@pytest.mark.filterwarnings('ignore:.*office_plant')
def test_a_scan(tmp_path):
    write_scan(tmp_path)
    out = tmp_path / 'out'
    assert main(['prepare', 'arkitscenes', '--root', str(tmp_path), '--out', str(out)]) == 0
    table = np.fromfile(out / 'points' / '41.bin', '<f4').reshape(-1, 6)
    np.testing.assert_array_equal(table[:, :3], np.float32([point for point, _ in POINTS]))
    np.testing.assert_array_equal(table[3, 3:], [3, 20, 30])
    owners = np.array([owner for _, owner in POINTS])
    np.testing.assert_array_equal(ids_of(out, 'instance_mask'), owners + 1)
    # Places in the list of classes from 1: table, tv_monitor; the plant has none.
    np.testing.assert_array_equal(ids_of(out, 'semantic_mask'), np.array([15, 16, 0, 0])[owners])
    infos = read_infos(out / 'arkitscenes_infos_train.pkl')
    (entry,) = infos['data_list']
    boxes = [(b['object_id'], b['object_name'], b['bbox_label_3d']) for b in entry['instances']]
    assert boxes == [(TABLE, 'table', 14), (MONITOR, 'tv_monitor', 15)]
    assert infos['metainfo']['largest_semantic_id'] == 17
    assert not verify_folder(out).findings
    sample = ProcessedSegDataset(str(out), label_space='arkitscenes')[0]
    np.testing.assert_array_equal(sample['semantic'], np.array([14, 15, 17, 17])[owners])


def test_unknown_labels_are_named_and_keep_their_object(tmp_path):
    write_scan(tmp_path)
    layout = ARKitScenesLayout()
    with pytest.warns(SceneWarning, match='office_plant'):
        scan = layout.read(layout.scans(tmp_path)[0])
    assert scan.instance_ids[7] == PLANT + 1 and scan.semantic_ids[7] == 0


def test_the_17_classes():
    assert len(ARKITSCENES) == 17 and ARKITSCENES.stuff == ()
    assert ARKITSCENES.raw_ids == tuple(range(1, 18))
    assert ARKITSCENES.classes[0] == 'cabinet' and ARKITSCENES.classes[-1] == 'sofa'
    assert ARKITSCENES.index('tv_monitor') == 15
    assert ARKITSCENES.from_raw([0, 1, 17, 18]).tolist() == [17, 0, 16, 17]
    assert len(np.unique(ARKITSCENES.palette, axis=0)) == 17


def box(center, sizes, axes=None):
    axes = np.eye(3) if axes is None else axes
    return LabelledBox('bed', np.float64(center), np.float64(sizes), axes)


@pytest.mark.parametrize(('height', 'margin'), [(2.0, 0.05), (0.5, 0.05), (0.2, 0.02)])
def test_a_box_begins_above_its_bottom_face(height, margin):
    points = np.array([[0, 0, z] for z in (0, 0.9 * margin, 1.1 * margin, 0.999 * height)])
    owners = points_in_boxes(points, [box((0, 0, height / 2), (1, 1, height))])
    np.testing.assert_array_equal(owners, [-1, -1, 0, 0])


def test_boxes_that_are_turned_and_overlap():
    c, s = np.cos(0.5), np.sin(0.5)
    turned = box((1, 2, 1), (4, 1, 2), np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]))
    along, across = turned.axes[:2]
    points = turned.center + np.stack([1.9 * along, 2.1 * along, 0.4 * across, 0.6 * across])
    np.testing.assert_array_equal(points_in_boxes(points, [turned]), [0, -1, 0, -1])
    # Of equally large boxes the first of the file; a smaller one goes before both.
    pair = [box((0, 0, 0), (2, 2, 2)), box((0.5, 0, 0), (2, 2, 2))]
    points = np.array([[0.2, 0, 0], [1.2, 0, 0], [-0.8, 0, 0]])
    np.testing.assert_array_equal(points_in_boxes(points, pair), [0, 1, 0])
    small = box((0.2, 0, 0), (0.1, 0.1, 0.1))
    np.testing.assert_array_equal(points_in_boxes(points, [*pair, small]), [2, 1, 0])
    assert points_in_boxes(points, []).tolist() == [-1, -1, -1]
    assert points_in_boxes(np.zeros((0, 3)), pair).shape == (0,)


@pytest.mark.parametrize('below', ['.', '3dod', 'raw'])
def test_places_and_splits(tmp_path, below):
    for name, fold in (('7', 'Validation'), ('9', 'Training'), ('8', 'Training')):
        write_scan(tmp_path / below, name, fold)
    (tmp_path / 'metadata.csv').write_text('video_id,visit_id,fold\n')
    (tmp_path / below / 'Training' / '.cache').mkdir()
    units = get_layout('arkitscenes').scans(tmp_path)
    assert [(u.name, u.split) for u in units] == [('8', 'train'), ('9', 'train'), ('7', 'val')]
    with pytest.raises(FileFormatError, match='no scan of ARKitScenes'):
        get_layout('arkitscenes').scans(tmp_path / below / 'Training')


def test_a_second_place_is_named(tmp_path):
    write_scan(tmp_path / 'raw', '7')
    write_scan(tmp_path / '3dod', '8')
    with pytest.warns(SceneWarning, match='3dod and .*raw'):
        (unit,) = get_layout('arkitscenes').scans(tmp_path)
    assert unit.name == '8'


def test_openmmlab_command_line(tmp_path):
    write_scan(tmp_path, boxes=[])
    words = ['arkitscenes', '--root-path', str(tmp_path), '--workers', '1']
    assert main(arguments(words)) == 0
    # A room without furniture has labels: none.
    assert not ids_of(tmp_path, 'instance_mask').any()


def test_skipped_scans_have_a_split_of_their_own_and_no_labels(tmp_path):
    write_scan(tmp_path, '1')
    write_scan(tmp_path, '2', skipped=True)
    # The word in another place is not it.
    write_scan(tmp_path, '3', boxes=[], stats={'skipped': True})
    out = tmp_path / 'out'
    with pytest.warns(SceneWarning):
        report = prepare_dataset(ARKitScenesLayout(), tmp_path, out)
    assert [(o.unit.name, o.unit.split, o.status) for o in report.outcomes] == [
        ('1', 'train', 'made'),
        ('2', 'skipped', 'made'),
        ('3', 'train', 'made'),
    ]
    (entry,) = read_infos(out / 'arkitscenes_infos_skipped.pkl')['data_list']
    assert 'pts_semantic_mask_path' not in entry and entry['num_points'] == len(POINTS)
    assert not verify_folder(out).findings


def test_scans_without_a_file_fail(tmp_path):
    folder = write_scan(tmp_path, boxes=BOXES[:2])
    (folder / '41_3dod_annotation.json').unlink()
    assert '41_3dod_annotation.json: not found' in the_reason(tmp_path)
    write_scan(tmp_path, boxes=BOXES[:2])
    (folder / '41_3dod_mesh.ply').unlink()
    assert '41_3dod_mesh.ply: not found' in the_reason(tmp_path)


@pytest.mark.parametrize(
    ('old', 'new', 'problem'),
    [
        ('red', 'rot', 'has no colours or no faces'),
        ('element face 5', 'element face 0', '41_3dod_mesh.ply'),
        ('element vertex 9', 'element vertex 10', '41_3dod_mesh.ply'),
        ('3 0 1 2', '3 0 1 9', 'faces name vertices 0 to 9'),
        ('3 0 0.5', 'nan 0 0.5', '1 points are not finite'),
    ],
)
def test_damaged_meshes(tmp_path, old, new, problem):
    path = write_scan(tmp_path, boxes=BOXES[:2]) / '41_3dod_mesh.ply'
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    reason = the_reason(tmp_path)
    assert problem in reason and path.name in reason


NAN, INF = float('nan'), float('inf')
TILTED = [1, 0, 0, 0, 1, 0, 0.1, 0, 1]


@pytest.mark.parametrize(
    ('key', 'value', 'problem'),
    [
        ('centroid', None, '"centroid" is None, expected 3 finite numbers'),
        ('centroid', [1, 2], '[1, 2]'),
        ('centroid', [1, 2, NAN], '[1, 2, nan]'),
        ('centroid', [1, 2, '3'], "'3'"),
        ('centroid', [1, True, 3], 'True'),
        ('centroid', [10**400, 0, 0], '"centroid" is [1000'),
        ('centroid', {'x': 1}, 'expected 3 finite numbers'),
        ('axesLengths', [1, -2, 1], '[1.0, -2.0, 1.0], expected above 0'),
        ('axesLengths', [1, 0, 1], 'expected above 0'),
        ('axesLengths', [1, INF, 1], 'expected 3 finite numbers'),
        ('axesLengths', [[1], [2], [3]], 'expected 3 finite numbers'),
        ('normalizedAxes', [1, 0, 0, 0, 1, 0], 'expected 9 finite numbers'),
        ('normalizedAxes', np.eye(3).tolist(), 'expected 9 finite numbers'),
        ('normalizedAxes', [2, 0, 0, 0, 1, 0, 0, 0, 1], 'right angles'),
        ('normalizedAxes', [0] * 9, 'right angles'),
        ('normalizedAxes', TILTED, '[0.1, 0.0, 1.0]'),
        ('normalizedAxes', [1, 0, 0, 0, NAN, 0, 0, 0, 1], 'expected 9 finite numbers'),
    ],
)
def test_damaged_boxes(tmp_path, key, value, problem):
    boxes = copy.deepcopy(BOXES)
    boxes[1]['segments']['obbAligned'][key] = value
    write_scan(tmp_path, boxes=boxes)
    reason = the_reason(tmp_path)
    assert '41_3dod_annotation.json, entry 1 of "data" (\'tv monitor\')' in reason
    assert f'"{key}"' in reason and problem in reason
    assert len(reason) < 500 + len(str(tmp_path))


@pytest.mark.parametrize(
    ('content', 'problem'),
    [
        ('', 'not valid JSON'),
        ('{"skipped": false, "data": [', 'not valid JSON'),
        ('{"skipped": true, "data": [', 'not valid JSON'),
        ('[' * 100_000, 'not valid JSON'),
        ('[]', '"skipped" is None'),
        ('{}', '"skipped" is None'),
        ('{"skipped": "no", "data": []}', '"skipped" is \'no\''),
        ('{"skipped": false}', 'list called "data"'),
        ('{"skipped": false, "data": {}}', 'list called "data"'),
        ('{"skipped": false, "data": [3]}', 'entry 0 of "data": "label" is None'),
        ('{"skipped": false, "data": [{"label": 4}]}', '"label" is 4'),
        ('{"skipped": false, "data": [{"label": ""}]}', '"label" is \'\''),
        ('{"skipped": false, "data": [{"label": "bed"}]}', '"obbAligned"'),
        ('{"skipped": false, "data": [{"label": "bed", "segments": [1]}]}', '"obbAligned"'),
        ('{"skipped": false, "data": [{"label": "bed", "segments": {"obb": {}}}]}', '"obbAligned"'),
    ],
)
def test_damaged_annotations(tmp_path, content, problem):
    path = write_scan(tmp_path) / '41_3dod_annotation.json'
    path.write_text(content)
    with pytest.raises(FileFormatError) as caught:
        read_boxes(path)
    assert problem in str(caught.value)
    # The job goes on.
    assert problem in the_reason(tmp_path)
