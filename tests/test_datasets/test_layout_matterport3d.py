"""Raw Matterport3D: segments of faces become objects of points."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_datasets.test_layout_replica import write_mesh

from unison3d.cli.main import main
from unison3d.datasets.prepare import get_layout, prepare_dataset, read_infos, verify_folder
from unison3d.errors import FileFormatError, SceneWarning

GROUPS = [
    {'id': 0, 'objectId': 0, 'label': 'floor', 'segments': [10, 11]},
    {'id': 1, 'objectId': 3, 'label': 'office chair', 'segments': [12]},
]
TABLE = 'index\traw_category\tnyu40id\n1\tfloor\t2\n2\toffice chair\t5\n'


def write_region(root, number=0, house='1LXtFkjw3qL', groups=GROUPS, segments=None):
    """Four columns of four quads: segments 10 to 13, the last of no object."""
    folder = root / 'v1' / 'scans' / house / 'region_segmentations'
    folder.mkdir(parents=True, exist_ok=True)
    points = write_mesh(folder / f'region{number}.ply', fields=False)
    segments = np.repeat([10, 11, 12, 13], 4).tolist() if segments is None else segments
    (folder / f'region{number}.fsegs.json').write_text(json.dumps({'segIndices': segments}))
    (folder / f'region{number}.semseg.json').write_text(json.dumps({'segGroups': groups}))
    (root / 'category_mapping.tsv').write_text(TABLE)
    return points


def the_reason(tmp_path):
    report = prepare_dataset(get_layout('matterport3d'), tmp_path, tmp_path / 'out')
    (failure,) = report.failures
    return failure.reason


def test_regions(tmp_path):
    points = write_region(tmp_path, 10)
    write_region(tmp_path, 2)
    (tmp_path / 'splits').mkdir()
    (tmp_path / 'splits' / 'val.txt').write_text('1LXtFkjw3qL\n')
    units = get_layout('matterport3d').scans(tmp_path)
    assert [unit.name for unit in units] == ['1LXtFkjw3qL_region2', '1LXtFkjw3qL_region10']
    out = tmp_path / 'out'
    words = ['--root', str(tmp_path), '--out', str(out), '--verify']
    assert main(['prepare', 'matterport3d', *words]) == 0

    name = '1LXtFkjw3qL_region10.bin'
    table = np.fromfile(out / 'points' / name, '<f4').reshape(-1, 6)
    np.testing.assert_array_equal(table[:, :3], points)
    # Lines of five points; where two objects meet the smaller id has it.
    expected = {'instance_mask': [1, 1, 1, 4, 0], 'semantic_mask': [2, 2, 2, 5, 0]}
    for folder, ids in expected.items():
        np.testing.assert_array_equal(np.fromfile(out / folder / name, '<i8'), np.repeat(ids, 5))
    entries = read_infos(out / 'matterport3d_infos_val.pkl')['data_list']
    boxes = [
        (b['object_id'], b['object_name'], b['bbox_label_3d']) for b in entries[0]['instances']
    ]
    # The floor is stuff; chair is the third thing of ScanNet20.
    assert boxes == [(3, 'office chair', 2)]
    assert not verify_folder(out).findings


def test_unknown_names_keep_their_object(tmp_path):
    write_region(tmp_path, groups=[{**GROUPS[1], 'label': 'zzz'}, GROUPS[0]])
    layout = get_layout('matterport3d')
    (unit,) = layout.scans(tmp_path)
    with pytest.warns(SceneWarning, match='zzz'):
        scan = layout.read(unit)
    assert set(scan.instance_ids) == {0, 1, 4}
    assert set(scan.semantic_ids) == {0, 2}


def test_lists_that_do_not_fit_the_mesh(tmp_path):
    write_region(tmp_path, segments=[10, 11])
    assert '2 segment ids for 16 faces' in the_reason(tmp_path)


@pytest.mark.parametrize('suffix', ['ply', 'fsegs.json', 'semseg.json'])
def test_missing_files_are_named(tmp_path, suffix):
    write_region(tmp_path)
    write_region(tmp_path, 1)
    folder = tmp_path / 'v1/scans/1LXtFkjw3qL/region_segmentations'
    (folder / f'region0.{suffix}').unlink()
    assert f'region0.{suffix}' in the_reason(tmp_path)


def test_object_ids_out_of_range(tmp_path):
    write_region(tmp_path, groups=[{**GROUPS[0], 'objectId': 10**9}])
    assert 'objectId 1000000000' in the_reason(tmp_path)


def test_one_object_id_for_two_groups(tmp_path):
    write_region(tmp_path, groups=[*GROUPS, {**GROUPS[0], 'label': 'ceiling'}])
    reason = the_reason(tmp_path)
    assert 'region0.semseg.json' in reason
    assert 'objectId 0 is there twice, as "floor" and as "ceiling"' in reason


def test_an_object_without_segments_has_no_points(tmp_path):
    write_region(tmp_path, groups=[*GROUPS, {'objectId': 9, 'label': 'floor', 'segments': []}])
    layout = get_layout('matterport3d')
    scan = layout.read(layout.scans(tmp_path)[0])
    assert 10 not in scan.instance_ids and scan.instance_names[9] == 'floor'


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(FileFormatError, match='region_segmentations'):
        get_layout('matterport3d').scans(tmp_path)
    write_region(tmp_path)
    (tmp_path / 'category_mapping.tsv').unlink()
    with pytest.raises(FileFormatError, match='category_mapping.tsv'):
        get_layout('matterport3d').scans(tmp_path)
