"""SemanticKITTI labels."""

from __future__ import annotations

import pytest
from conftest import data_files

from unison3d.errors import FileFormatError
from unison3d.io import read_semantickitti_labels, write_semantickitti_labels


def test_the_bits_are_where_they_belong(tmp_path):
    path = write_semantickitti_labels(tmp_path / 'a.label', [0, 10, 65535], [0, 3, 65535])
    assert path.read_bytes().hex() == '000000000a000300ffffffff'
    semantic, instance = read_semantickitti_labels(path, 3)
    assert semantic.tolist() == [0, 10, 65535] and instance.tolist() == [0, 3, 65535]


def test_what_does_not_fit(tmp_path):
    for semantic, instance in (([-1], [0]), ([0], [65536]), ([0, 1], [0])):
        with pytest.raises(FileFormatError, match=r'a\.label'):
            write_semantickitti_labels(tmp_path / 'a.label', semantic, instance)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / 'a.label').write_bytes(bytes(7))
    with pytest.raises(FileFormatError, match='multiple of 4'):
        read_semantickitti_labels(tmp_path / 'a.label')
    (tmp_path / 'a.label').write_bytes(bytes(8))
    with pytest.raises(FileFormatError, match='2 labels for 3 points'):
        read_semantickitti_labels(tmp_path / 'a.label', 3)


@pytest.mark.parametrize('path', data_files('semantickitti', '**/*.label'))
def test_a_real_file_comes_back_byte_by_byte(path, tmp_path):
    semantic, instance = read_semantickitti_labels(path)
    assert len(semantic) > 100_000 and semantic.max() < 260
    again = write_semantickitti_labels(tmp_path / 'a.label', semantic, instance)
    assert again.read_bytes() == path.read_bytes()
