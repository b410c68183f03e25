from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unison3d.errors import CheckpointError, VocabularyError
from unison3d.models.text import (
    PUBLISHED_TEMPLATES,
    TextEncoder,
    class_prototypes,
    read_class_prototypes,
)
from unison3d.models.text.prototypes import split_synonyms


class LetterEncoder(TextEncoder):
    """Counts letters: vectors of any length that differ from sentence to sentence."""

    name, dim, unit_rows = 'letters', 26, False

    def _encode(self, phrases):
        letters = 'abcdefghijklmnopqrstuvwxyz'
        return torch.tensor([[p.lower().count(c) for c in letters] for p in phrases]).float()


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('sofa', ['sofa']),
        ('sofa, couch', ['sofa', 'couch']),
        ('tv/screen ,monitor', ['tv', 'screen', 'monitor']),
        ('cup_or_mug', ['cup', 'mug']),
        ('floor or mat,', ['floor or mat']),
    ],
)
def test_synonyms(name, expected):
    assert split_synonyms(name) == expected


def test_the_published_recipe():
    encoder = LetterEncoder()
    names = ['wall', 'sofa, couch/settee', 'desk_or_table']
    prototypes = class_prototypes(encoder, names)
    assert prototypes.shape == (3, 3, 26)

    def of(synonym):
        sentences = [template.format(synonym) for template in PUBLISHED_TEMPLATES]
        unit = [F.normalize(encoder.encode([s])[0], dim=0) for s in sentences]
        return F.normalize(sum(unit) / 14, dim=0)

    rows = [['wall'] * 3, ['sofa', 'couch', 'settee'], ['desk', 'table', 'desk']]
    expected = torch.stack([torch.stack([of(synonym) for synonym in row]) for row in rows])
    torch.testing.assert_close(prototypes, expected)


def test_other_templates():
    bare = class_prototypes(LetterEncoder(), ['wall', 'floor'], ['{}'])
    torch.testing.assert_close(bare[:, 0], LetterEncoder().encode_unit(['wall', 'floor']))


def test_there_are_fourteen_different_templates():
    assert len(set(PUBLISHED_TEMPLATES)) == 14


@pytest.mark.parametrize(
    ('names', 'templates'),
    [([], ['{}']), ('wall', ['{}']), (['wall', ' , '], ['{}']), (['a'], []), (['a'], ['a wall'])],
)
def test_nothing_to_encode(names, templates):
    with pytest.raises(VocabularyError):
        class_prototypes(LetterEncoder(), names, templates)


def test_a_published_file(tmp_path):
    path = tmp_path / 'scannet_cls_embedding.pth'
    stored = F.normalize(torch.randn(20, 3, 8), dim=-1)
    torch.save(stored, path)
    assert torch.equal(read_class_prototypes(path), stored)
    torch.save(stored.double(), path)
    assert read_class_prototypes(path).dtype == torch.float32


@pytest.mark.parametrize(
    ('content', 'word'),
    [
        (torch.ones(20, 8), 'shape'),
        (torch.ones(2, 2, 2).long(), 'type'),
        (torch.ones(0, 3, 8), 'shape'),
        (torch.ones(20, 3, 8), 'unit'),
        (torch.full((2, 1, 4), torch.nan), 'unit'),
        ({'a': torch.ones(1)}, 'dict'),
        ([1, 2], 'list'),
        (LetterEncoder(), 'Python objects'),
    ],
    ids=range(8),
)
def test_other_files(tmp_path, content, word):
    path = tmp_path / 'file.pth'
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=word):
        read_class_prototypes(path)
