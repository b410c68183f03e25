"""Every file that is opened lies in the folders that were named, wherever its name comes from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unison3d.errors import FileFormatError
from unison3d.io import write_json, write_npz
from unison3d.structures import PointScene, read_frames
from unison3d.viewer import library as library_module
from unison3d.viewer.exporting import import_labels
from unison3d.viewer.library import Library, PathError

POINTS = np.random.default_rng(0).random((20, 3)).astype(np.float32)


def write_mesh(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    PointScene(POINTS, colors=POINTS, instance_ids=np.arange(20) // 10).save(path)


def write_scannet(folder):
    write_mesh(folder / 'scan_vh_clean_2.ply')
    write_json(folder / 'scan_vh_clean_2.0.segs.json', {'segIndices': [0] * 10 + [1] * 10})
    group = {'objectId': 0, 'segments': [0], 'label': 'chair'}
    write_json(folder / 'scan.aggregation.json', {'segGroups': [group]})
    matrix = ' '.join(str(n) for n in np.eye(4).ravel())
    (folder / 'scan.txt').write_text(f'axisAlignment = {matrix}\n')
    (folder / 'x-labels.combined.tsv').write_text('raw_category\tnyu40id\nchair\t5\n')


def write_prepared(folder):
    table = np.concatenate([POINTS, POINTS], 1).astype('<f4')
    for name, content in (
        ('points', table),
        ('instance_mask', np.arange(20) // 10),
        ('semantic_mask', np.full(20, 5)),
        ('super_points', np.arange(20) // 2),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / 'scan.bin').write_bytes(content.tobytes())


def write_result(folder):
    folder.mkdir()
    arrays = {'points': POINTS, 'superpoints': np.arange(20) // 5, 'origin': np.zeros(3)}
    write_npz(folder / 'result.npz', arrays)
    write_json(folder / 'result.json', {'scene': {'source': 'room.ply'}})


def write_gltf(folder):
    folder.mkdir()
    (folder / 'scan.bin').write_bytes(POINTS.astype('<f4').tobytes())
    view = {'buffer': 0, 'byteOffset': 0, 'byteLength': 240}
    accessor = {'bufferView': 0, 'componentType': 5126, 'count': 20, 'type': 'VEC3'}
    document = {
        'asset': {'version': '2.0'},
        'buffers': [{'uri': 'scan.bin', 'byteLength': 240}],
        'bufferViews': [view],
        'accessors': [accessor],
        'meshes': [{'primitives': [{'attributes': {'POSITION': 0}, 'mode': 0}]}],
        'nodes': [{'mesh': 0}],
        'scenes': [{'nodes': [0]}],
    }
    (folder / 'scan.gltf').write_text(json.dumps(document))


def write_images(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = (np.uint16, 1000) if 'depth' in name else (np.uint8, 99)
        shape = (6, 8) if 'depth' in name else (6, 8, 3)
        Image.fromarray(np.full(shape, kind[1], kind[0])).save(path)


def write_lens(folder):
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / 'camera-intrinsics.txt', [[8, 0, 4], [0, 8, 3], [0, 0, 1]])


def write_capture(folder):
    write_lens(folder)
    np.savetxt(folder / 'a.pose.txt', np.eye(4))
    write_images(folder, 'a.color.png', 'a.depth.png')


WRITERS = {
    'scannet': write_scannet,
    'prepared': write_prepared,
    'result': write_result,
    'gltf': write_gltf,
    'capture': write_capture,
}
FILES = {
    'scannet': (
        *('scan_vh_clean_2.ply', 'scan_vh_clean_2.0.segs.json', 'scan.aggregation.json'),
        *('scan.txt', 'x-labels.combined.tsv'),
    ),
    'prepared': ('instance_mask/scan.bin', 'semantic_mask', 'super_points/scan.bin'),
    'result': ('result.json', 'result.npz'),
    'gltf': ('scan.bin',),
    'capture': ('a.color.png', 'a.depth.png', 'a.pose.txt', 'camera-intrinsics.txt'),
}
CASES = [(kind, file) for kind, files in FILES.items() for file in files]


def open_first(data):
    """The first scene of a folder; data of a glTF document may look like one."""
    library = Library([data])
    key = next(
        entry.key
        for entry in library.entries
        if entry.path.parent.name == 'points' or entry.path.suffix != '.bin'
    )
    return library.load(key)


def move(data: Path, file: str, place: Path) -> None:
    """Put a file or folder somewhere else, and a link where it was."""
    place.mkdir()
    shutil.move(data / file, place / 'moved')
    (data / file).symlink_to(place / 'moved')


@pytest.mark.parametrize(('kind', 'file'), CASES)
def test_no_file_of_a_scene_is_read_outside(tmp_path, kind, file):
    data = tmp_path / 'data'
    WRITERS[kind](data)
    move(data, file, tmp_path / 'secret')
    with pytest.raises(PathError, match='lies outside'):
        open_first(data)


@pytest.mark.parametrize(
    ('kind', 'file'), [case for case in CASES if case[0] not in ('result', 'capture')]
)
def test_links_within_are_followed(tmp_path, kind, file):
    data = tmp_path / 'data'
    WRITERS[kind](data)
    move(data, file, data / 'elsewhere')
    scene = open_first(data)
    assert len(scene) == 20
    # Chairs.
    assert kind == 'gltf' or 4 in scene.semantic_ids


def test_a_scan_that_was_named_keeps_its_data_beside_it(tmp_path):
    write_gltf(tmp_path / 'data')
    library = Library([tmp_path / 'data' / 'scan.gltf'])
    assert len(library.load('scan')) == 20
    move(tmp_path / 'data', 'scan.bin', tmp_path / 'secret')
    with pytest.raises(PathError):
        library.load('scan')


def test_the_scan_of_a_result_is_not_taken_from_outside(tmp_path):
    data = tmp_path / 'data'
    write_result(data)
    write_mesh(data / 'room.ply')
    library = Library([data])
    assert library.load('data').has_color
    move(data, 'room.ply', tmp_path / 'secret')
    assert not library.load('data').has_color


@pytest.mark.parametrize('name', ['../secret/{}', '{secret}/{}', 'link/{}'])
@pytest.mark.parametrize('what', ['depth.png', 'rgb.png'])
def test_a_list_of_images_names_none_outside(tmp_path, name, what):
    data, secret = tmp_path / 'data', tmp_path / 'secret'
    write_images(secret, 'depth.png', 'rgb.png')
    write_images(data, 'depth.png', 'rgb.png')
    write_lens(data)
    (data / 'link').symlink_to(secret)
    (data / 'groundtruth.txt').write_text('1.0 0 0 0 0 0 0 1\n')
    for file in ('depth.png', 'rgb.png'):
        place = name.format(file, secret=secret) if file == what else file
        (data / f'{file[:-4]}.txt').write_text(f'1.0 {place}\n')
    library = Library([data])
    # A name that leads out is refused by whoever reads it, a link by the library.
    refused = PathError if name.startswith('link') else FileFormatError
    with pytest.raises(refused):
        library.load('data')
    # The photos of a scene that is open are read later on.
    with library.reading('data'), pytest.raises(refused):
        frame = read_frames(data)[0]
        frame.read_depth()
        frame.read_color()


def test_a_model_of_colmap_names_no_photo_outside(tmp_path):
    data = tmp_path / 'data'
    write_images(tmp_path / 'secret', 'a.png')
    (data / 'images').mkdir(parents=True)
    (data / 'cameras.txt').write_text('1 PINHOLE 8 6 8 8 4 3\n')
    (data / 'images.txt').write_text('1 1 0 0 0 0 0 0 1 ../../secret/a.png\n\n')
    (data / 'points3D.txt').write_text('')
    library = Library([data])
    assert library.entries[0].kind == 'capture'
    with library.reading('data'), pytest.raises(FileFormatError, match='lies outside'):
        read_frames(data)


@pytest.mark.parametrize(
    'file', ['a.ply', 'a.npz', 'a.glb', 'a.json', 'folder', '../../secret/a.ply']
)
def test_labels_are_not_read_outside(tmp_path, file):
    data, secret = tmp_path / 'data', tmp_path / 'secret'
    write_mesh(data / 'scan.ply')
    write_mesh(secret / 'a.ply')
    library = Library([data])
    library.output.mkdir()
    if not file.startswith('..'):
        (library.output / file).symlink_to(secret if file == 'folder' else secret / 'a.ply')
    scene = library.load('scan')
    with pytest.raises(PathError), library.reading_labels(file) as path:
        import_labels(path, scene)


@pytest.mark.parametrize('file', FILES['scannet'][:3])
def test_a_folder_of_labels_holds_no_link_that_leads_out(tmp_path, file):
    data = tmp_path / 'data'
    write_mesh(data / 'scan.ply')
    library = Library([data])
    write_scannet(library.output / 'labels')
    scene = library.load('scan')
    with library.reading_labels('labels') as path:
        assert len(import_labels(path, scene).objects) == 1
    move(library.output / 'labels', file, tmp_path / 'secret')
    with library.reading_labels('labels') as path, pytest.raises(PathError):
        import_labels(path, scene)


@pytest.mark.parametrize('name', ['scan.ply', 'labels'])
def test_files_of_labels_have_a_largest_size(tmp_path, monkeypatch, name):
    data = tmp_path / 'data'
    write_mesh(data / 'scan.ply')
    library = Library([data], output=data)
    write_scannet(data / 'labels')
    scene = library.load('scan')
    with library.reading_labels(name) as path:
        import_labels(path, scene)
    monkeypatch.setattr(library_module, 'MAX_LABEL_FILE', 100)
    with library.reading_labels(name) as path:
        with pytest.raises(FileFormatError, match='of up to 100 bytes'):
            import_labels(path, scene)
    # Scans that were named when the program was started may be as large as they are.
    assert len(library.load('scan')) == 20
