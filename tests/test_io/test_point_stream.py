"""Points in pieces are those of the whole file, and broken files are refused."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.io import read_scene, write_npz_scene, write_ply
from unison3d.io.point_stream import open_points


def write(folder, ending: str):
    rng = np.random.default_rng(0)
    points, colors = rng.random((25, 3)), rng.integers(0, 256, (25, 3)).astype(np.uint8)
    path = folder / f'scan{ending}'
    if ending == '.ply':
        write_ply(path, points, colors=colors, semantic_ids=np.arange(25), faces=[[0, 1, 2]])
    elif ending == '.npy':
        np.save(path, np.hstack([points, colors]))
    elif ending == '.npz':
        write_npz_scene(path, points, colors=colors)
    else:
        laspy = pytest.importorskip('laspy', reason='needs the extra lidar')
        pytest.importorskip('lazrs', reason='needs the extra lidar')
        header = laspy.LasHeader(point_format=2, version='1.2')
        header.scales = [1e-4] * 3
        file = laspy.LasData(header)
        file.x, file.y, file.z = points.T
        file.red, file.green, file.blue = (colors.astype(np.uint16) * 257).T
        file.write(path)
    return path


@pytest.mark.parametrize('ending', ['.ply', '.npy', '.npz', '.las', '.laz'])
def test_pieces_are_the_file(tmp_path, ending):
    path = write(tmp_path, ending)
    stream = open_points(path)
    pieces = list(stream.pieces(10))
    raw = read_scene(path)
    assert stream.num_points == 25 and len(pieces) == 3
    assert stream.in_pieces == (ending != '.npz')
    assert np.array_equal(np.concatenate([points for points, _ in pieces]), raw.points)
    assert np.array_equal(np.concatenate([colors for _, colors in pieces]), raw.colors)
    # Again, from the beginning.
    assert np.array_equal(next(stream.pieces(4))[0], raw.points[:4])


@pytest.mark.parametrize('ending', ['.ply', '.npy', '.las', '.laz'])
def test_a_file_that_was_cut_off(tmp_path, ending):
    path = write(tmp_path, ending)
    content = path.read_bytes()
    for size in (len(content) - 40, len(content) // 2, 20, 0):
        path.write_bytes(content[:size])
        with pytest.raises(FileFormatError, match=r'scan\.'):
            list(open_points(path).pieces(10))


def test_other_layouts_are_read_whole(tmp_path):
    ascii_ply = tmp_path / 'a.ply'
    ascii_ply.write_text(
        'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n'
        'property float z\nend_header\n1 2 3\n'
    )
    np.save(tmp_path / 'b.npy', np.asfortranarray(np.arange(12.0).reshape(4, 3)))
    for name in ('a.ply', 'b.npy'):
        stream = open_points(tmp_path / name)
        assert not stream.in_pieces
        assert np.array_equal(next(stream.pieces(9))[0], read_scene(tmp_path / name).points)
