"""Files written in pieces are those that are written at once."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.io import read_npz_arrays, read_ply, write_ply
from unison3d.io.pieces import ArrayPieces, write_npz_pieces, write_ply_pieces


def arrays(count: int = 50) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        'points': rng.random((count, 3)),
        'colors': rng.random((count, 3)).astype(np.float32),
        'semantic_ids': rng.integers(0, 20, count),
        'instance_ids': rng.integers(-1, 9, count),
    }


def test_a_ply_in_pieces_has_the_same_bytes(tmp_path):
    whole = arrays()
    write_ply(tmp_path / 'whole.ply', **whole)
    pieces = ({name: a[i : i + 20] for name, a in whole.items()} for i in range(0, 50, 20))
    write_ply_pieces(tmp_path / 'pieces.ply', 50, pieces)
    assert (tmp_path / 'whole.ply').read_bytes() == (tmp_path / 'pieces.ply').read_bytes()
    write_ply_pieces(tmp_path / 'none.ply', 0, [])
    assert len(read_ply(tmp_path / 'none.ply')) == 0


def test_an_npz_in_pieces_reads_back(tmp_path):
    table = np.arange(30).reshape(10, 3)
    content = {
        'table': ArrayPieces(np.dtype(np.int32), (10, 3), (table[i : i + 4] for i in (0, 4, 8))),
        'plain': ArrayPieces(np.dtype('<f4'), (10, 3), [table], compress=False),
        'number': ArrayPieces.whole(np.float64(2.5)),
        'names': ArrayPieces.whole(np.array(['bed', 'night stand'])),
    }
    read = read_npz_arrays(write_npz_pieces(tmp_path / 'a.npz', content))
    assert np.array_equal(read['table'], table) and read['table'].dtype == np.int32
    assert np.array_equal(read['plain'], table)
    assert read['number'] == 2.5 and read['names'].tolist() == ['bed', 'night stand']
    with np.load(tmp_path / 'a.npz', allow_pickle=False) as theirs:
        assert np.array_equal(theirs['table'], table)


def test_pieces_that_do_not_add_up_leave_no_file(tmp_path):
    short = {'a': ArrayPieces(np.dtype(np.int32), (10,), [np.zeros(4)])}
    with pytest.raises(FileFormatError, match='4 rows, expected 10'):
        write_npz_pieces(tmp_path / 'a.npz', short)
    with pytest.raises(FileFormatError, match='50 rows, expected 60'):
        write_ply_pieces(tmp_path / 'a.ply', 60, [arrays()])
    mixed = [arrays(5), {'points': np.zeros((5, 3))}]
    with pytest.raises(FileFormatError, match='expected one'):
        write_ply_pieces(tmp_path / 'a.ply', 10, mixed)
    assert not list(tmp_path.iterdir())
