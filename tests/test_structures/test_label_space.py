"""Names, ids and colours of a closed set of classes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from unison3d.errors import VocabularyError
from unison3d.structures.label_space import (
    LABEL_SPACES,
    SCANNET20,
    LabelSpace,
    frequency_groups,
    get_label_space,
)


def test_scannet20_facts():
    assert len(SCANNET20) == SCANNET20.num_classes == SCANNET20.ignore_index == 20
    assert SCANNET20.stuff == (0, 1) and SCANNET20.things == tuple(range(2, 20))
    assert SCANNET20.classes[0] == 'wall' and SCANNET20.thing_names[0] == 'cabinet'
    assert SCANNET20.raw_ids[-4:] == (33, 34, 36, 39)
    assert SCANNET20.palette.shape == (20, 3) and SCANNET20.palette.dtype == np.uint8
    assert len({tuple(c) for c in SCANNET20.palette}) == 20
    assert LABEL_SPACES['scannet20'] is SCANNET20 is get_label_space(SCANNET20)


def test_every_other_nyu40_id_is_ignored():
    nyu40 = np.arange(-1, 42)
    semantic = SCANNET20.from_raw(nyu40)
    known = semantic < 20
    assert known.sum() == 20
    np.testing.assert_array_equal(np.array(SCANNET20.raw_ids)[semantic[known]], nyu40[known])
    assert SCANNET20.from_raw(np.uint8([[1, 39]])).tolist() == [[0, 19]]
    assert SCANNET20.from_raw(10**15) == 20


def test_names():
    assert SCANNET20.index('shower curtain') == SCANNET20.index('showercurtrain') == 15
    assert SCANNET20.index(' Shower_Curtain ') == 15
    assert SCANNET20.name_of(20) == 'unlabeled' and SCANNET20.name_of(4) == 'chair'
    with pytest.raises(VocabularyError, match=r'"chiar".*chair'):
        SCANNET20.index('chiar')
    with pytest.raises(VocabularyError, match='Known'):
        SCANNET20.index('zzz')
    with pytest.raises(VocabularyError, match='scannet20'):
        get_label_space('scannet21')


@pytest.mark.parametrize(
    ('name', 'semantic'),
    [('office chair', 4), ('kitchen cabinets', 2), ('curtains', 13), ('shower curtain', 15),
     ('refridgerator', 14), ('unicorn', 20), ('', 20), ('chair lift', 20)],
)  # fmt: skip
def test_guess(name, semantic):
    assert SCANNET20.guess(name) == semantic


def test_thing_labels_and_colors():
    assert SCANNET20.thing_label(2) == 0
    np.testing.assert_array_equal(SCANNET20.thing_label(np.array([0, 19])), [-2, 17])
    np.testing.assert_array_equal(
        SCANNET20.colors([0, 20, -1]), [SCANNET20.palette[0], [128] * 3, [128] * 3]
    )


def test_frozen_and_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCANNET20.name = 'x'
    with pytest.raises(ValueError, match='read-only'):
        SCANNET20.palette[0] = 0
    with pytest.raises(VocabularyError, match='colour'):
        LabelSpace('x', ('a', 'b'), (), np.zeros((1, 3)), (1, 2))
    with pytest.raises(VocabularyError, match='stuff'):
        LabelSpace('x', ('a', 'b'), (1,), np.zeros((2, 3)), (1, 2))


def test_frequency_groups():
    from unison3d.structures.label_space import SCANNET200

    groups = frequency_groups(SCANNET200)
    assert [len(ids) for ids in groups.values()] == [66, 68, 66]
    assert sorted(sum(groups.values(), ())) == list(range(200))
    assert SCANNET200.index('chair') in groups['head']
    assert SCANNET200.index('mattress') in groups['common']
    with pytest.raises(VocabularyError, match='scannet20 has no head'):
        frequency_groups(SCANNET20)


def test_described_in_a_config():
    space = get_label_space({'name': 'mine', 'classes': ['wall', 'chair', 'lamp'], 'stuff': [0]})
    assert (space.classes, space.stuff, space.raw_ids) == (
        ('wall', 'chair', 'lamp'),
        (0,),
        (1, 2, 3),
    )
    assert space.palette.shape == (3, 3) and len(np.unique(space.palette, axis=0)) == 3
    whole = {
        'name': 'mine',
        'classes': ['wall', 'chair'],
        'stuff': [0],
        'palette': [[1, 2, 3], [4, 5, 6]],
        'raw_ids': [40, 7],
        'aliases': {'seat': 'chair'},
    }
    space = get_label_space(whole)
    assert space.from_raw([7, 40, 1]).tolist() == [1, 0, 2]
    assert (space.index('seat'), space.palette.tolist()) == (1, whole['palette'])
    assert 'mine' not in LABEL_SPACES


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'name': 3}, 'have to be text'),
        ({'classes': None}, 'not iterable'),
        ({'stuff': [1]}, 'stuff classes first'),
        ({'raw_ids': [1]}, '1 raw ids'),
        ({'palette': [[0, 0]]}, 'palette of shape'),
        ({'palette': [[999, 0, 0], [0, 0, 0]]}, 'no label space'),
        ({'classses': []}, "'classses' is not one of"),
    ],
)
def test_described_wrongly(change, reason):
    with pytest.raises(VocabularyError, match=reason):
        get_label_space({'name': 'mine', 'classes': ['wall', 'chair'], **change})
    with pytest.raises(VocabularyError, match="'name' is missing"):
        get_label_space({'classes': ['wall']})
