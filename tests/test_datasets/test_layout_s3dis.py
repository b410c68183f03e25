"""Raw S3DIS: rooms from annotation files, the known damage, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.cli.main import main
from unison3d.datasets import S3DISSegDataset
from unison3d.datasets.prepare import get_layout, prepare_dataset, read_infos, verify_folder
from unison3d.datasets.prepare.s3dis import FOLDER, S3DISLayout, read_points, repair_line
from unison3d.errors import FileFormatError, SceneWarning

ROOM = 'Area_5_office_1'


def object_text(seed, count=30, offset=0.0):
    rng = np.random.default_rng(seed)
    points = rng.random((count, 3)) + offset
    colors = rng.integers(0, 256, (count, 3))
    rows = zip(points, colors, strict=True)
    return ''.join(f'{x:.3f} {y:.3f} {z:.3f} {r} {g} {b}\n' for (x, y, z), (r, g, b) in rows)


def write_room(root, area='Area_5', room='office_1', words=('ceiling_1', 'chair_1', 'chair_2')):
    folder = root / FOLDER / area / room / 'Annotations'
    folder.mkdir(parents=True)
    for seed, word in enumerate(words):
        (folder / f'{word}.txt').write_text(object_text(seed, offset=2.0 * seed))
    return folder


def ids_of(out, folder, name=ROOM):
    return np.fromfile(out / folder / f'{name}.bin', '<i8')


def the_reason(root, tmp_path):
    (failure,) = prepare_dataset(S3DISLayout(), root, tmp_path / 'out').failures
    return failure.reason


def test_a_room_is_its_objects_in_the_order_of_their_names(tmp_path):
    # Sorted as strings: chair_10 before chair_2. Unknown words have no class but an object.
    words = ('wall_1', 'chair_2', 'chair_10', 'stairs_1', 'ceiling_1')
    folder = write_room(tmp_path, words=words)
    (folder / '._wall_1.txt').write_bytes(b'\0resource fork')
    assert main(['prepare', 's3dis', '--root', str(tmp_path), '--out', str(tmp_path / 'out')]) == 0
    out = tmp_path / 'out'
    table = np.fromfile(out / 'points' / f'{ROOM}.bin', '<f4').reshape(-1, 6)
    expected = [np.loadtxt(folder / f'{word}.txt') for word in sorted(words)]
    # Not shifted to the corner of the room.
    np.testing.assert_array_equal(table, np.concatenate(expected).astype(np.float32))
    np.testing.assert_array_equal(ids_of(out, 'instance_mask'), np.repeat([1, 2, 3, 4, 5], 30))
    np.testing.assert_array_equal(ids_of(out, 'semantic_mask'), np.repeat([0, 8, 8, 13, 2], 30))
    (entry,) = read_infos(out / 's3dis_infos_val.pkl')['data_list']
    boxes = [(b['object_id'], b['object_name'], b['bbox_label_3d']) for b in entry['instances']]
    assert boxes == [(0, 'ceiling', 0), (1, 'chair', 8), (2, 'chair', 8), (4, 'wall', 2)]
    assert not verify_folder(out).findings


def test_the_data_set_reads_the_same_classes(tmp_path):
    write_room(tmp_path, words=('ceiling_1', 'clutter_1', 'stairs_1'))
    prepare_dataset(get_layout('s3dis'), tmp_path, tmp_path / 'out')
    sample = S3DISSegDataset(str(tmp_path / 'out'), areas=[5])[0]
    np.testing.assert_array_equal(sample['semantic'], np.repeat([0, 12, 13], 30))
    np.testing.assert_array_equal(sample['instances'], np.repeat([0, 1, -1], 30))
    assert list(sample['instance_names']) == ['ceiling', 'clutter']


def test_area_5_is_for_validation(tmp_path):
    for area in ('Area_1', 'Area_5', 'Area_6'):
        write_room(tmp_path, area)
    expected = [('Area_1_office_1', 'train'), (ROOM, 'val'), ('Area_6_office_1', 'train')]
    for root in (tmp_path, tmp_path / FOLDER):
        assert [(u.name, u.split) for u in S3DISLayout().scans(root)] == expected
    with pytest.raises(FileFormatError, match='no room of S3DIS'):
        S3DISLayout().scans(tmp_path / FOLDER / 'Area_1')


@pytest.mark.parametrize(
    ('damaged', 'expected'),
    [
        # Both lines of the release.
        (b'22.35 6.69 3.05 185\x00187 182', b'22.35 6.69 3.05 185 187 182'),
        (b'22.35 6.69 3.05 103.0\x100000 7 8', b'22.35 6.69 3.05 103.00000 7 8'),
        # 13.5 or 123.5; 0.1 to 0.91 in the last place; 1 to 9 in front; two bytes.
        (b'1\x003.5 6.69 3.05 185 187 182', None),
        (b'1.35 6.6\x009 3.05 185 187 182', None),
        (b'1.35 6.69 3.05 185 187 1\x00', None),
        (b'1.35 6.69 3.05 185\x00\x00187 182', None),
        (b'1.35 6.69 3.05 300\x00187 182', None),
    ],
)
def test_a_stray_byte_is_repaired_where_only_one_reading_is_left(damaged, expected):
    assert repair_line(damaged) == expected


def test_repair_is_told(tmp_path):
    folder = write_room(tmp_path)
    path = folder / 'ceiling_1.txt'
    whole = path.read_bytes().split(b'\n')
    whole[7] = b'1.5 2.5 3.5 185\x00187 182'
    path.write_bytes(b'\n'.join(whole))
    with pytest.warns(SceneWarning, match=r'ceiling_1\.txt: line 8 holds a byte'):
        report = prepare_dataset(S3DISLayout(), tmp_path, tmp_path / 'out')
    assert not report.failures
    table = np.fromfile(tmp_path / 'out' / 'points' / f'{ROOM}.bin', '<f4').reshape(-1, 6)
    assert len(table) == 90
    np.testing.assert_array_equal(table[7], [1.5, 2.5, 3.5, 185, 187, 182])


@pytest.mark.parametrize(
    'line',
    [
        b'1\x003.5 6.69 3.05 185 187 182',
        b'1.5 2.5 3.5 185 187',
        b'1.5 2.5 3.5 185 187 182 9',
        b'1.5 2.5 3.5 185 187 256',
        b'1.5 2.5 3.5 185 187.5 182',
        b'1.5 2.5 3.5 185 -1 182',
        b'1.5 2.5.5 3.5 185 187 182',
        b'1e999 2.5 3.5 185 187 182',
        b'1.5 two 3.5 185 187 182',
    ],
)
@pytest.mark.parametrize('ending', [b'\n', b'\r\n'])
def test_damaged_lines_are_named(tmp_path, line, ending):
    path = write_room(tmp_path) / 'chair_1.txt'
    lines = path.read_bytes().split(b'\n')
    lines[11] = line
    path.write_bytes(ending.join(lines))
    reason = the_reason(tmp_path, tmp_path)
    assert 'chair_1.txt: line 12 is' in reason and reason.startswith(str(tmp_path))


def test_short_and_long_lines_do_not_make_up_for_each_other(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('1 2 3 4 5\n1 2 3 4 5 6 7\n')
    with pytest.raises(FileFormatError, match='line 1 is'):
        read_points(path)


def test_blank_lines_and_line_ends_do_not_matter(tmp_path):
    path = tmp_path / 'a.txt'
    for text in (
        '1 2 3 4 5 6\n7 8 9 10 11 12',
        '\r\n1 2\t3 4 5 6 \r\n\r\n 7 8 9 10 11 12.000\r\n\n',
    ):
        path.write_bytes(text.encode())
        np.testing.assert_array_equal(read_points(path), np.arange(1, 13).reshape(2, 6))


def test_hidden_folders_are_no_rooms(tmp_path):
    room = write_room(tmp_path).parent
    (room.parent / '.cache').mkdir()
    assert len(get_layout('s3dis').scans(tmp_path)) == 1
    # A folder that lost its annotations is a room, and fails.
    (room.parent / 'office_9').mkdir()
    assert len(get_layout('s3dis').scans(tmp_path)) == 2


def test_missing_files_and_odd_names(tmp_path):
    folder = write_room(tmp_path, words=('ceiling_1',))
    (folder / 'ceiling_1.txt').write_text('\n')
    assert 'holds no point' in the_reason(tmp_path, tmp_path)
    (folder / 'ceiling_1.txt').rename(folder / 'ceiling.txt')
    (folder / 'ceiling.txt').write_text(object_text(0))
    assert 'ceiling.txt: the name is not' in the_reason(tmp_path, tmp_path)
    (folder / 'ceiling.txt').unlink()
    assert 'holds no <class>_<n>.txt' in the_reason(tmp_path, tmp_path)
