from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.evaluation.benchmark_files import (
    read_benchmark_ids,
    read_benchmark_predictions,
    write_benchmark_ids,
    write_benchmark_predictions,
)


def test_reads_masks_labels_and_scores(tmp_path):
    (tmp_path / 'm').mkdir()
    (tmp_path / 'm' / 'a.txt').write_text('0\n1\n1\n')
    (tmp_path / 'm' / 'b.txt').write_text('1\n0\n0\n')
    (tmp_path / 'scene.txt').write_text('m/a.txt 5 0.25\n\nm/b.txt 3 1\n')
    masks, labels, scores = read_benchmark_predictions(tmp_path / 'scene.txt')
    assert masks.tolist() == [[False, True, True], [True, False, False]]
    assert labels.tolist() == [5, 3]
    assert scores.tolist() == [0.25, 1.0]


def test_an_empty_list_has_no_predictions(tmp_path):
    (tmp_path / 'scene.txt').write_text('')
    masks, labels, scores = read_benchmark_predictions(tmp_path / 'scene.txt')
    assert masks.shape == (0, 0)
    assert len(labels) == len(scores) == 0


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('a.txt 5', 'line 1'),
        ('a.txt five 0.5', 'line 1'),
        ('../a.txt 5 0.5', 'outside'),
        ('missing.txt 5 0.5', 'no such file'),
        ('a.txt 5 0.5\nb.txt 5 0.5', '2 vertices'),
        ('words.txt 5 0.5', 'one integer per line'),
    ],
)
def test_damaged_lists_are_refused(tmp_path, line, message):
    folder = tmp_path / 'list'
    folder.mkdir()
    (tmp_path / 'a.txt').write_text('1\n')
    (folder / 'a.txt').write_text('1\n0\n1\n')
    (folder / 'b.txt').write_text('1\n0\n')
    (folder / 'words.txt').write_text('chair\n')
    (folder / 'scene.txt').write_text(line)
    with pytest.raises(FileFormatError, match=message):
        read_benchmark_predictions(folder / 'scene.txt')


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match='no such file'):
        read_benchmark_predictions(tmp_path / 'none.txt')
    with pytest.raises(FileFormatError, match='no such file'):
        read_benchmark_ids(tmp_path / 'none.txt')
    (tmp_path / 'raw.txt').write_bytes(np.arange(128, 255, dtype=np.uint8).tobytes())
    with pytest.raises(FileFormatError, match='not a text file'):
        read_benchmark_predictions(tmp_path / 'raw.txt')
    with pytest.raises(FileFormatError):
        read_benchmark_ids(tmp_path / 'raw.txt')


def test_what_is_written_reads_back(tmp_path):
    ids = np.array([0, 39, 1, 7])
    path = write_benchmark_ids(tmp_path / 'semantic' / 'scene.txt', ids)
    assert path.read_text() == '0\n39\n1\n7\n'
    rows = [(np.array([True, False, True, True]), 5, 0.25), (np.zeros(4, bool), 3, 1.0)]
    path = write_benchmark_predictions(tmp_path / 'instance' / 'scene.txt', rows)
    assert path.read_text().splitlines() == [
        'predicted_masks/scene_000.txt 5 0.250000',
        'predicted_masks/scene_001.txt 3 1.000000',
    ]
    masks, labels, scores = read_benchmark_predictions(path)
    np.testing.assert_array_equal(masks, [mask for mask, _, _ in rows])
    assert labels.tolist() == [5, 3] and scores.tolist() == [0.25, 1.0]
    assert read_benchmark_predictions(write_benchmark_predictions(tmp_path / 'none.txt', []))[
        0
    ].shape == (0, 0)
    with pytest.raises(FileFormatError, match='blanks'):
        write_benchmark_predictions(tmp_path / 'my scene.txt', rows)
