"""The ScanNet folder layout."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import data_root

from unison3d.errors import FileFormatError
from unison3d.io import read_scannet_folder, write_ply


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / 'scene0001_00'
    write_ply(
        folder / 'scene0001_00_vh_clean_2.ply',
        np.arange(18, dtype=np.float32).reshape(6, 3),
        colors=np.full((6, 3), 9, np.uint8),
        faces=np.array([[0, 1, 2]]),
    )
    (folder / 'scene0001_00_vh_clean_2.0.010000.segs.json').write_text(
        json.dumps({'segIndices': [40, 40, 7, 7, 99, 99]})
    )
    groups = [
        {'objectId': 0, 'label': 'office chair', 'segments': [40]},
        {'objectId': 1, 'label': 'wall', 'segments': [99, 12345]},
    ]
    (folder / 'scene0001_00.aggregation.json').write_text(json.dumps({'segGroups': groups}))
    matrix = np.eye(4)
    matrix[0, 3] = 2.5
    line = ' '.join(str(v) for v in matrix.reshape(-1))
    (folder / 'scene0001_00.txt').write_text(f'axisAlignment = {line}\nnumColorFrames = 7\n')
    return folder


def test_everything_is_read(scan):
    scene = read_scannet_folder(scan)
    np.testing.assert_array_equal(scene.superpoints, [1, 1, 0, 0, 2, 2])
    np.testing.assert_array_equal(scene.instance_ids, [0, 0, -1, -1, 1, 1])
    assert scene.instance_names == ('office chair', 'wall')
    assert scene.axis_alignment[0, 3] == 2.5
    # Kept as data: the points stay where the file has them.
    assert scene.points[0, 0] == 0
    assert scene.nyu40_ids is None and scene.faces.shape == (1, 3)


def test_label_table_next_to_the_scan_is_used(scan):
    (scan / 'scannetv2-labels.combined.tsv').write_text(
        'id\traw_category\tnyu40id\n1\twall\t1\n2\toffice chair\t5\n3\todd\t\n'
    )
    np.testing.assert_array_equal(read_scannet_folder(scan).nyu40_ids, [5, 5, 0, 0, 1, 1])


def test_mesh_alone_is_enough(scan):
    for path in scan.iterdir():
        if path.suffix != '.ply':
            path.unlink()
    scene = read_scannet_folder(scan)
    assert scene.superpoints is None and scene.axis_alignment is None and len(scene) == 6


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('scene0001_00_vh_clean_2.0.010000.segs.json', '{"segIndices": [1, 2]}', '2 segment ids'),
        ('scene0001_00_vh_clean_2.0.010000.segs.json', '{"segIndices": ["a"]}', 'whole numbers'),
        ('scene0001_00_vh_clean_2.0.010000.segs.json', '{"segIndices": [1,', 'not valid JSON'),
        ('scene0001_00_vh_clean_2.0.010000.segs.json', '[]', 'segIndices'),
        ('scene0001_00.aggregation.json', '{"segGroups": [3]}', 'segments'),
        ('scene0001_00.aggregation.json', '{"segGroups": [{"segments": ["x"]}]}', 'whole numbers'),
        ('scene0001_00.txt', 'axisAlignment = 1 2 3\n', '16'),
        ('scene0001_00.txt', 'axisAlignment = one\n', 'no number'),
    ],
)
def test_annotation_that_does_not_fit(scan, name, content, message):
    (scan / name).write_text(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_scannet_folder(scan)
    assert name in str(caught.value)


def test_folders_without_one_scan(scan, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileFormatError, match='none'):
        read_scannet_folder(tmp_path / 'empty')
    mesh = scan / 'scene0001_00_vh_clean_2.ply'
    (scan / 'scene0002_00_vh_clean_2.ply').write_bytes(mesh.read_bytes())
    assert len(read_scannet_folder(scan)) == 6  # the one named like the folder
    other = scan.rename(tmp_path / 'scans')
    with pytest.raises(FileFormatError, match='2 scans'):
        read_scannet_folder(other)


@pytest.mark.skipif(
    not (data_root() / 'scannet_scene0000_00').is_dir(), reason='real scan not there'
)
def test_real_scan_agrees_with_its_stored_labels():
    folder = data_root() / 'scannet_scene0000_00'
    scene = read_scannet_folder(folder)
    labels = np.load(folder / 'labels_v2.npz')
    np.testing.assert_array_equal(scene.superpoints, labels['superpoint'])
    np.testing.assert_array_equal(scene.instance_ids + 1, labels['instance'])
    assert scene.axis_alignment[0, 0] == pytest.approx(0.945519)
