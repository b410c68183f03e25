"""Raw Replica: objects of faces become objects of points."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unison3d.cli.main import main
from unison3d.datasets.custom_dataset import CustomSegDataset
from unison3d.datasets.prepare import get_layout, prepare_dataset, read_infos, verify_folder
from unison3d.datasets.prepare.faces import objects_of_points
from unison3d.datasets.prepare.replica import ReplicaLayout
from unison3d.errors import FileFormatError
from unison3d.io.ply import read_ply_faces
from unison3d.io.ply_body import Ragged

CLASSES = [{'id': 20, 'name': 'chair'}, {'id': 40, 'name': 'floor'}]
OBJECTS = [
    {'id': 0, 'class_id': 40, 'class_name': 'floor'},
    {'id': 7, 'class_id': 20, 'class_name': 'chair'},
    {'id': 9, 'class_id': -1, 'class_name': 'undefined'},
]
#: Object of each of the four columns of quads; 3 is not in the list.
COLUMNS = (0, 7, 9, 3)


def write_mesh(path, columns=COLUMNS, kind='int', fields=True):
    """A sheet of 5 x 5 points and 4 x 4 quads; the columns along x are the objects."""
    x, y = np.meshgrid(np.arange(5), np.arange(5), indexing='ij')
    points = np.stack([x, y, 0 * x], -1).reshape(-1, 3)
    lines = ['ply', 'format ascii 1.0', 'element vertex 25']
    lines += [f'property float {axis}' for axis in 'xyz']
    lines += [f'property uchar {name}' for name in ('red', 'green', 'blue')]
    lines += ['element face 16', 'property list uchar int vertex_indices']
    lines += [f'property {kind} object_id'] * fields
    lines += ['end_header']
    lines += [f'{a} {b} {c} {10 * a} {10 * b} 200' for a, b, c in points]
    for column, object_id in enumerate(columns):
        for row in range(4):
            corner = 5 * column + row
            face = [4, corner, corner + 5, corner + 6, corner + 1]
            lines.append(' '.join(map(str, face + [object_id] * fields)))
    path.write_text('\n'.join(lines) + '\n')
    return points


def write_scene(root, name='office_0', **options):
    folder = root / name / 'habitat'
    folder.mkdir(parents=True, exist_ok=True)
    points = write_mesh(folder / 'mesh_semantic.ply', **options)
    content = {'classes': CLASSES, 'objects': OBJECTS}
    (folder / 'info_semantic.json').write_text(json.dumps(content))
    return points


def ids_of(tmp_path, folder):
    return np.fromfile(tmp_path / 'out' / folder / 'office_0.bin', '<i8')


def the_reason(tmp_path):
    (failure,) = prepare_dataset(ReplicaLayout(), tmp_path, tmp_path / 'out').failures
    return failure.reason


def test_a_scene(tmp_path):
    points = write_scene(tmp_path)
    (tmp_path / 'no_scene').mkdir()
    out = str(tmp_path / 'out')
    assert main(['prepare', 'replica', '--root', str(tmp_path), '--out', out]) == 0
    table = np.fromfile(tmp_path / 'out' / 'points' / 'office_0.bin', '<f4').reshape(-1, 6)
    np.testing.assert_array_equal(table[:, :3], points)
    np.testing.assert_array_equal(table[6, 3:], [10, 10, 200])
    # On a border both objects have as many faces: the smaller id. Unlisted objects have no vote.
    np.testing.assert_array_equal(ids_of(tmp_path, 'instance_mask'), np.repeat([1, 1, 8, 10, 0], 5))
    np.testing.assert_array_equal(
        ids_of(tmp_path, 'semantic_mask'), np.repeat([40, 40, 20, 0, 0], 5)
    )
    (entry,) = read_infos(tmp_path / 'out' / 'replica_infos_all.pkl')['data_list']
    boxes = [(b['object_id'], b['object_name'], b['bbox_label_3d']) for b in entry['instances']]
    assert boxes == [(0, 'floor', -1), (7, 'chair', -1), (9, '', -1)]
    assert not verify_folder(out).findings
    own = dict(classes=['floor', 'chair'], num_stuff=1, raw_ids=[40, 20])
    sample = CustomSegDataset(out, **own)[0]
    np.testing.assert_array_equal(sample['semantic'], np.repeat([0, 0, 1, 2, 2], 5))


def test_votes_of_faces_not_of_triangles():
    # Point 0: one quad of object 5, in which a fan would count it twice, and one of object 2.
    polygons = Ragged(np.array([4, 3, 3]), np.array([0, 1, 2, 3, 0, 1, 4, 4, 1, 2]))
    owners = objects_of_points(polygons, np.array([5, 2, 2]), 6, None)
    np.testing.assert_array_equal(owners, [2, 2, 2, 5, 2, -1])


def test_fields_of_faces_are_read(tmp_path):
    path = tmp_path / 'a.ply'
    write_mesh(path)
    scene, polygons, fields = read_ply_faces(path)
    assert scene.faces.shape == (32, 3) and (polygons.counts == 4).all()
    np.testing.assert_array_equal(fields['object_id'], np.repeat(COLUMNS, 4))


def test_scenes_and_split(tmp_path):
    for name in ('room_1', 'office_0'):
        write_scene(tmp_path, name)
    units = get_layout('replica').scans(tmp_path)
    assert [(u.name, u.split) for u in units] == [('office_0', 'all'), ('room_1', 'all')]
    with pytest.raises(FileFormatError, match='no scene of Replica'):
        get_layout('replica').scans(tmp_path / 'room_1')


@pytest.mark.parametrize(
    ('content', 'problem'),
    [
        ({'classes': CLASSES}, 'list called "objects"'),
        ({'objects': OBJECTS}, 'list called "classes"'),
        ({'classes': CLASSES[:1], 'objects': OBJECTS}, 'object 0 is of class 40'),
        ({'classes': CLASSES, 'objects': []}, 'lists no object'),
        ({'classes': CLASSES, 'objects': [{'id': 0}]}, '"class_id" is None'),
        ({'classes': CLASSES, 'objects': [3]}, '"id" is None'),
        ({'classes': [{'id': 1}], 'objects': OBJECTS}, '"name" is None'),
        ({'classes': CLASSES, 'objects': [{'id': 10**7, 'class_id': 20}]}, 'out of range'),
        ({'classes': CLASSES, 'objects': OBJECTS[:1] * 2}, 'there twice'),
    ],
)
def test_damaged_lists_of_objects(tmp_path, content, problem):
    write_scene(tmp_path)
    path = tmp_path / 'office_0' / 'habitat' / 'info_semantic.json'
    path.write_text(json.dumps(content))
    reason = the_reason(tmp_path)
    assert problem in reason and 'info_semantic.json' in reason


def test_damaged_meshes(tmp_path):
    write_scene(tmp_path, fields=False)
    assert 'no object_id at its faces' in the_reason(tmp_path)
    write_scene(tmp_path, kind='float')
    assert 'not a whole number' in the_reason(tmp_path)
    write_scene(tmp_path, columns=(3, 4, 5, 6))
    assert 'none of its 16 faces' in the_reason(tmp_path)
    path = tmp_path / 'office_0' / 'habitat' / 'mesh_semantic.ply'
    write_scene(tmp_path)
    text = path.read_text()
    path.write_text(text.replace('4 18 23 24 19 3', '4 18 23 25 19 3'))
    assert 'vertices 0 to 25, there are 25' in the_reason(tmp_path)
    path.write_text(text[: len(text) * 2 // 3])
    assert 'mesh_semantic.ply' in the_reason(tmp_path)
    path.unlink()
    assert 'mesh_semantic.ply: not found' in the_reason(tmp_path)
