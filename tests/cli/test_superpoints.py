from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unison3d.cli.main import main
from unison3d.cli.superpoints import level_path
from unison3d.errors import ConfigError, FileFormatError
from unison3d.structures import PointScene
from unison3d.superpoints import compute_superpoints


@pytest.fixture(scope='module')
def mesh(tmp_path_factory):
    """A bent sheet: two squares that meet at a right angle."""
    u, v = np.meshgrid(np.arange(41), np.arange(20), indexing='ij')
    points = np.stack([np.minimum(u, 20), v, np.maximum(u - 20, 0)], -1).reshape(-1, 3) / 50
    corner = np.arange(41 * 20).reshape(41, 20)
    a, b = corner[:-1, :-1].ravel(), corner[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, a + 1], 1), np.stack([a + 1, b, b + 1], 1)])
    path = tmp_path_factory.mktemp('mesh') / 'sheet.ply'
    PointScene.from_arrays(points, faces=faces).save(path)
    return path


def cut(scan, out, *words):
    return main(['superpoints', str(scan), '--out', str(out), *map(str, words)])


def test_the_scan_with_its_superpoints(scan, tmp_path, capsys):
    out = tmp_path / 'new' / 'room.ply'
    assert cut(scan, out) == 0
    before, after = PointScene.from_file(scan), PointScene.from_file(out)
    np.testing.assert_array_equal(after.points, before.points)
    np.testing.assert_array_equal(after.colors, before.colors)
    wanted = compute_superpoints(before.points, before.colors)
    np.testing.assert_array_equal(after.superpoints, wanted)
    assert f'9,000 points, {wanted.max() + 1} superpoints (points' in capsys.readouterr().out


def test_levels_are_nested(scan, tmp_path, capsys):
    out = tmp_path / 'room.npz'
    assert cut(scan, out, '--levels', 6, 3) == 0
    fine = PointScene.from_file(out).superpoints
    for count in (6, 3):
        level = PointScene.from_file(level_path(out, count)).superpoints
        assert level.max() + 1 == count
        assert len(np.unique(np.stack([fine, level]), axis=1).T) == fine.max() + 1
        fine = level
    assert capsys.readouterr().out.count('Written:') == 3


def test_a_level_that_is_not_there_is_named(scan, tmp_path, capsys):
    assert cut(scan, tmp_path / 'room.ply', '--levels', 10**6) == 0
    assert 'no level with exactly as many' in capsys.readouterr().out


def test_a_mesh_is_cut_by_its_faces(mesh, tmp_path, capsys):
    assert cut(mesh, tmp_path / 'a.ply') == 0
    assert '(mesh' in capsys.readouterr().out
    scene = PointScene.from_file(tmp_path / 'a.ply')
    assert scene.faces is not None
    np.testing.assert_array_equal(
        scene.superpoints, compute_superpoints(scene.points, faces=scene.faces)
    )
    assert cut(mesh, tmp_path / 'b.ply', '--ignore-faces') == 0
    assert '(points' in capsys.readouterr().out


def test_a_preview(scan, tmp_path):
    picture = tmp_path / 'pictures' / 'room.png'
    words = ('--levels', 4, '--preview', picture, '--size', '80x60')
    assert cut(scan, tmp_path / 'room.ply', *words) == 0
    image = np.asarray(Image.open(picture))
    # The scan, its superpoints and one level.
    assert image.shape[1] > 2 * 80
    assert image.shape[0] > 2 * 60
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20


def test_the_default_name(scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['superpoints', str(scan)]) == 0
    assert (tmp_path / 'box room.superpoints.ply').is_file()


def test_nothing_is_lost(scan, tmp_path, capsys):
    out = tmp_path / 'room.ply'
    level_path(out, 5).write_bytes(b'mine')
    assert cut(scan, out, '--levels', 5) == ConfigError.exit_code
    assert level_path(out, 5).read_bytes() == b'mine'
    assert not out.exists()
    assert cut(scan, out, '--levels', 5, '--overwrite') == 0
    kept = scan.read_bytes()
    assert cut(scan, scan, '--overwrite') == ConfigError.exit_code
    assert scan.read_bytes() == kept
    assert 'the scan itself' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--levels', '0'], 'expected 1 or more'),
        (['--preview', 'a.jpg'], 'ends in .png'),
        (['--out', 'a.obj'], 'ends in .ply or .npz'),
    ],
)
def test_words_that_say_nothing(scan, tmp_path, capsys, words, said):
    assert cut(scan, tmp_path / 'room.ply', *words) == ConfigError.exit_code
    assert said in capsys.readouterr().err


def test_unusable_scans(tmp_path, capsys):
    assert cut(tmp_path / 'none.ply', tmp_path / 'a.ply') == FileFormatError.exit_code
    np.save(tmp_path / 'bad.npy', np.array([[0, 0, 0], [0, np.nan, 0]]))
    assert cut(tmp_path / 'bad.npy', tmp_path / 'a.ply') == FileFormatError.exit_code
    assert 'row 1' in capsys.readouterr().err
    assert not (tmp_path / 'a.ply').exists()
    assert cut(tmp_path / 'bad.npy', tmp_path / 'a.ply', '--on-bad', 'drop') == 0


def test_a_scan_without_points(tmp_path):
    np.save(tmp_path / 'none.npy', np.zeros((0, 3)))
    assert cut(tmp_path / 'none.npy', tmp_path / 'a.ply', '--levels', 3) == 0
    assert len(PointScene.from_file(tmp_path / 'a.ply')) == 0
