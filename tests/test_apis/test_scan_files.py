"""Which scans a folder or a list holds, and what each is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.test_io.frame_samples import frame_files, write
from unison3d.apis.scan_files import find_scans, is_single_scan, read_scan_list
from unison3d.errors import FileFormatError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')


def found(root: Path, **options) -> dict[str, str]:
    return {s.name: s.path.relative_to(root).as_posix() for s in find_scans(root, **options)}


def test_a_folder_of_all_kinds(tmp_path):
    touch(
        tmp_path,
        *('a.ply', 'b.LAZ', 'notes.txt', 'texture.png', '.hidden.ply', '.git/x.ply'),
        *('level 1/a.ply', 'level 1/deep/c.npz', 'model/m.gltf', 'model/m.bin', 'model/other.bin'),
        *('scene0000_00/scene0000_00_vh_clean_2.ply', 'scene0000_00/scene0000_00_vh_clean_2.npz'),
        *('pair/s0_vh_clean_2.ply', 'pair/s1_vh_clean_2.ply', 'pair/s1_vh_clean_2.labels.ply'),
        *('result/result.json', 'result/result.npz', 'result/semantic.ply', 'out/x/y.ply'),
        *('ride.sens', 'walk.sens', 'no scan/readme.md'),
    )
    assert found(tmp_path, leave_out=[tmp_path / 'out']) == {
        'a': 'a.ply',
        'b': 'b.LAZ',
        'level 1__a': 'level 1/a.ply',
        'level 1__deep__c': 'level 1/deep/c.npz',
        'model__m': 'model/m.gltf',
        'model__other': 'model/other.bin',
        'pair__s0_vh_clean_2': 'pair/s0_vh_clean_2.ply',
        'pair__s1_vh_clean_2': 'pair/s1_vh_clean_2.ply',
        'ride': 'ride.sens',
        'scene0000_00': 'scene0000_00',
        'walk': 'walk.sens',
    }
    assert is_single_scan(tmp_path / 'scene0000_00') and is_single_scan(tmp_path / 'a.ply')
    assert not is_single_scan(tmp_path) and not is_single_scan(tmp_path / 'pair')


def test_names_are_unique(tmp_path):
    touch(tmp_path, 'a.ply', 'a.pcd', 'A.npy', 'b/c.ply', 'b__c.ply', 'a_ply.obj')
    names = list(found(tmp_path))
    assert names == ['A_npy', 'a_pcd', 'a_ply', 'a_ply_2', 'b__c_ply', 'b__c_ply_2']
    # A scan keeps its name when others come.
    touch(tmp_path, 'z/a.ply', 'b/d.ply')
    assert set(names) < set(found(tmp_path))


def test_links_are_followed_once(tmp_path):
    touch(tmp_path, 'real/a.ply')
    try:
        (tmp_path / 'real' / 'up').symlink_to(tmp_path)
        (tmp_path / 'shortcut').symlink_to(tmp_path / 'real')
    except OSError:
        pytest.skip('no links here')
    assert list(found(tmp_path)) == ['real__a']


def test_a_capture_is_one_scan(tmp_path):
    write(tmp_path / 'rides' / 'monday', frame_files())
    touch(tmp_path, 'a.ply', 'rides/monday/scan.ply')
    assert list(found(tmp_path)) == ['a', 'rides__monday']
    assert is_single_scan(tmp_path / 'rides' / 'monday')


def test_a_folder_without_scans(tmp_path):
    touch(tmp_path, 'deep/readme.md')
    with pytest.raises(FileFormatError, match='holds no scan'):
        find_scans(tmp_path)


def test_a_list(tmp_path):
    text = '\ufeff# of today\n\n b/x.ply \na y.npy\n/far/away/x.pcd\n'
    (tmp_path / 'list.txt').write_text(text, encoding='utf-8')
    scans = read_scan_list(tmp_path / 'list.txt')
    assert [s.path for s in scans] == [
        tmp_path / 'b' / 'x.ply',
        tmp_path / 'a y.npy',
        Path('/far/away/x.pcd'),
    ]
    # As missing files have their endings; by the way from the list, or by the whole path.
    assert [s.name for s in scans] == ['b__x.ply', 'a y.npy', 'far__away__x.pcd']


def test_names_of_a_list_do_not_depend_on_its_other_lines(tmp_path):
    touch(tmp_path, 'in/a/x.ply', 'in/a/y.ply', 'in/b/z.ply', 'out/w.ply')
    path = tmp_path / 'in' / 'list.txt'
    lines = ['a/x.ply', 'a/y.ply']
    path.write_text('\n'.join(lines))
    before = [s.name for s in read_scan_list(path)]
    path.write_text('\n'.join([*lines, 'b/z.ply', '../out/w.ply']))
    after = [s.name for s in read_scan_list(path)]
    assert before == after[:2] == ['a__x', 'a__y']
    assert after[2] == 'b__z' and after[3].endswith(f'{tmp_path.name}__out__w')


def test_long_names_are_cut(tmp_path):
    names = ['/'.join(['ä' * 90, *'abc', end, 'scan.ply']) for end in ('x', 'y')]
    touch(tmp_path, *names, 'short.ply')
    (tmp_path / 'list.txt').write_text('\n'.join([*names, 'z' * 300 + '.ply']), 'utf-8')
    for scans in (find_scans(tmp_path), read_scan_list(tmp_path / 'list.txt')):
        assert len({s.name for s in scans}) == 3
        assert all(len(os.fsencode(s.name)) <= 180 for s in scans)
    assert '__a__b__c__x__scan_' in scans[0].name


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'# nothing\n', 'no scan'), (b'\xff\xfe\x00', 'UTF-8'), (b'a.ply\n./a.ply\n', '2 times')],
)
def test_lists_that_cannot_be_used(tmp_path, content, message):
    (tmp_path / 'list.txt').write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_scan_list(tmp_path / 'list.txt')
