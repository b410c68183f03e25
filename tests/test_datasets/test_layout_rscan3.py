"""Raw 3RScan: labels of points, splits of rooms and their rescans."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from unison3d.cli.main import main
from unison3d.datasets.prepare import get_layout, prepare_dataset, read_infos, verify_folder
from unison3d.datasets.prepare.rscan3 import texture_colors
from unison3d.errors import FileFormatError, SceneWarning

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


def write_texture(folder, dx=0.0, skip=0, materials=None):
    """The textured mesh: the six points, of which the first is split in two.

    The texture is two rows of four pixels; red counts the columns, green tells the upper row.
    """
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[..., 0], pixels[0, :, 1], pixels[..., 2] = 10 * np.arange(4), 200, 50
    Image.fromarray(pixels).save(folder / 'mesh.refined_0.png')
    if materials is None:
        materials = 'newmtl paint\nKd 1 1 1\nmap_Kd C:\\scans\\mesh.refined_0.png\n'
    (folder / 'mesh.refined.mtl').write_text(materials)
    points = [0, 0, 1, 2, 3, 4, 5]
    lines = ['mtllib mesh.refined.mtl', 'usemtl paint']
    lines += [f'v {i + dx} {i % 2} 0.01' for i in points]
    # From below: the lower left corner is (0, 0). The last two repeat the texture.
    lines += [f'vt {u} {v}' for u, v in ((0.1, 0.9), (0.3, 0.9), (0.6, 0.1), (1, 0), (-0.1, 1.6))]
    lines += ['f 2/1 3/2 4/3', 'f 1/1 3/2 4/3', 'f 5/4 -2/5 7/1'][skip:]
    (folder / 'mesh.refined.v2.obj').write_text('\n'.join(lines) + '\n')


#: Of the six points, by the texture.
COLORS = [[0, 200, 50], [10, 200, 50], [20, 0, 50], [30, 0, 50], [30, 200, 50], [0, 200, 50]]


def colors_of(tmp_path):
    points = np.array([[i, i % 2, 0] for i in range(6)], np.float32)
    return texture_colors(tmp_path / 'room-a', points)


def test_points_take_the_colours_of_the_texture(tmp_path, capsys):
    for name in ('room-a', 'room-b'):
        write_scan(tmp_path, name)
    write_texture(tmp_path / 'room-a')
    out = tmp_path / 'out'
    words = ['--root', str(tmp_path), '--out', str(out), '--verify']
    assert main(['prepare', '3rscan', *words]) == 0
    assert '1 scans have no colours' in capsys.readouterr().out
    for name, expected in (('room-a', COLORS), ('room-b', np.zeros((6, 3)))):
        table = np.fromfile(out / 'points' / f'{name}.bin', '<f4').reshape(-1, 6)
        np.testing.assert_array_equal(table[:, 3:], expected)
    assert verify_folder(out).colorless == {'room-b.bin'}


def test_points_far_from_the_textured_mesh(tmp_path):
    write_scan(tmp_path)
    # 4 cm and the 1 cm of the height are within 5 cm, 5 cm are not.
    write_texture(tmp_path / 'room-a', dx=0.04)
    np.testing.assert_array_equal(colors_of(tmp_path), COLORS)
    write_texture(tmp_path / 'room-a', dx=0.05)
    with pytest.raises(FileFormatError, match=r'mesh\.refined\.v2\.obj: 6 of 6 points'):
        colors_of(tmp_path)
    write_texture(tmp_path / 'room-a')
    points = np.array([[i % 6, i % 2, 0.5 * (i == 20)] for i in range(24)], np.float32)
    with pytest.warns(SceneWarning, match='1 of 24 points'):
        colors = texture_colors(tmp_path / 'room-a', points)
    expected = np.tile(COLORS, (4, 1))
    expected[20] = 0
    np.testing.assert_array_equal(colors, expected)


@pytest.mark.parametrize('name', ['mesh.refined.v2.obj', 'mesh.refined.mtl', 'mesh.refined_0.png'])
def test_a_textured_mesh_that_lacks_a_file_is_an_error(tmp_path, name):
    write_scan(tmp_path)
    write_texture(tmp_path / 'room-a')
    (tmp_path / 'room-a' / name).unlink()
    assert f'{name}: is missing' in the_reason(tmp_path)


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


def test_one_object_id_for_two_names(tmp_path):
    write_scan(tmp_path)
    twice = {'segGroups': [*NAMES, {**NAMES[0], 'label': 'rug'}]}
    (tmp_path / 'room-a' / 'semseg.v2.json').write_text(json.dumps(twice))
    reason = the_reason(tmp_path)
    assert 'semseg.v2.json' in reason
    assert 'objectId 1 is there twice, as "floor" and as "rug"' in reason


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
