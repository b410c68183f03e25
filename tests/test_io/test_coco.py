"""Run lengths and the files they are exchanged in."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.io import CocoMask, decode_rle, encode_rle, read_coco_masks, write_coco_masks


@pytest.mark.parametrize(
    ('mask', 'counts'),
    [
        # Worked out by hand from the format: runs, then differences from the fourth on.
        ([0, 0, 1, 1, 1], '23'),
        ([1, 1, 0, 1], '021O'),  # runs 0 2 1 1; the last is 1 - 2 = -1
        ([0] * 20, 'd0'),  # 20 needs a second group of five bits, else it would be negative
        ([1], '01'),
        ([], '0'),
    ],
)
def test_counts_are_those_of_coco(mask, counts):
    rle = encode_rle(np.array(mask, bool))
    assert rle == {'size': [len(mask), 1], 'counts': counts}
    np.testing.assert_array_equal(decode_rle(rle, len(mask)), np.array(mask, bool))


def test_counts_recorded_from_pycocotools():
    """Of version 2.0.11, ``encode(mask[:, None])``."""
    points = np.arange(120)
    short = '074JO0O020M000001000011170IOOO0000O0000030N0101<0DO0O0'
    assert encode_rle(points**2 % 101 < 37)['counts'] == short
    points = np.arange(3000)
    assert encode_rle(points % 1500 > 1000 + points // 10)['counts'] == 'hR1T<nW1jJ'


def test_files_come_back(tmp_path):
    rng = np.random.default_rng(0)
    masks = [
        CocoMask(rng.random(50) < 0.5, 5, 0.75, 'chair', np.array([[0.0, 1, 2], [3, 4, 5]])),
        CocoMask(np.zeros(50, bool), 7, 0.5, 'table'),
    ]
    names = {5: 'chair', 7: 'table', 9: 'never seen'}
    path = write_coco_masks(tmp_path / 'a.json', masks, num_points=50, categories=names)
    again, categories = read_coco_masks(path, 50)
    assert categories == names
    for one, other in zip(masks, again, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
        assert (one.category, one.score, one.name) == (other.category, other.score, other.name)
    np.testing.assert_array_equal(again[0].box, masks[0].box)
    content = json.loads(path.read_text())
    assert content['images'] == [{'id': 1, 'file_name': 'scene', 'height': 50, 'width': 1}]
    assert content['annotations'][0]['area'] == masks[0].mask.sum()
    rows = np.flatnonzero(masks[0].mask)
    assert content['annotations'][0]['bbox'] == [0, rows[0], 1, rows[-1] - rows[0] + 1]
    with pytest.raises(FileFormatError, match='another scan'):
        read_coco_masks(path, 51)
    with pytest.raises(FileFormatError, match='mask 1'):
        write_coco_masks(path, masks, num_points=49, categories=names)


@pytest.mark.parametrize(
    'rle',
    [
        None,
        {'size': [5, 1]},
        {'size': [5, 1], 'counts': [2, 3]},
        {'size': [2**40, 1], 'counts': '5'},
        {'size': [5, 1], 'counts': '2'},
        {'size': [5, 1], 'counts': '24'},
        {'size': [5, 1], 'counts': '2\x7f'},
        {'size': [5, 1], 'counts': 'o'},
        {'size': [5, 1], 'counts': 'oooooooooooooooooo0'},
        {'size': [5, 1], 'counts': 'N5'},
        {'size': [5, 1], 'counts': 'ü'},
    ],
)
def test_damaged_runs(rle):
    with pytest.raises(FileFormatError, match='here'):
        decode_rle(rle, 5, 'here')


@pytest.mark.parametrize(
    'content',
    ['{', '[]', '{"annotations": []}', '{"categories": [], "annotations": [3]}',
     '{"categories": [], "annotations": [{"category_id": 1, "segmentation": '
     '{"size": [5, 1], "counts": "5"}}]}'],
)  # fmt: skip
def test_damaged_files(tmp_path, content):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(FileFormatError, match=r'a\.json'):
        read_coco_masks(tmp_path / 'a.json', 5)
