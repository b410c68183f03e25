"""JSON out and in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.io import read_json, write_json


def test_numpy_paths_and_nonfinite_numbers(tmp_path):
    content = {
        'score': np.float32(0.5),
        'count': np.int64(3),
        'box': np.eye(2),
        'path': Path('a') / 'b',
        'bad': [float('nan'), np.inf],
        'flag': np.True_,
        3: ('ü', None),
    }
    path = write_json(tmp_path / 'a.json', content)
    strict = json.loads(path.read_text('utf-8'), parse_constant=pytest.fail)
    assert strict == {
        'score': 0.5,
        'count': 3,
        'box': [[1, 0], [0, 1]],
        'path': 'a/b',
        'bad': [None, None],
        'flag': True,
        '3': ['ü', None],
    }
    assert read_json(path) == strict


@pytest.mark.parametrize('bad', [b'', b'{"a": 1', b'\xff\xfe\xfd', b'[' * 200_000])
def test_damaged(tmp_path, bad):
    (tmp_path / 'a.json').write_bytes(bad)
    with pytest.raises(FileFormatError, match='JSON'):
        read_json(tmp_path / 'a.json')
