"""Every shape of question that users write, and what is no question."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.test_apis.api_samples import room
from unison3d.apis.questions import as_clicks, as_tasks, as_texts, as_vocabulary
from unison3d.errors import ConfigError, PromptError, SceneError, VocabularyError
from unison3d.structures import Click

PLACE = (1.0, 2.0, 0.5)


@pytest.mark.parametrize(
    'clicks',
    [
        [PLACE],
        PLACE,
        list(PLACE),
        [list(PLACE)],
        np.array(PLACE),
        np.array([PLACE]),
        np.array([PLACE, (3.0, 4.0, 5.0)])[:1],
        [np.array(PLACE, np.float32)],
        torch.tensor([PLACE]),
        [tuple(np.float32(value) for value in PLACE)],
        Click(PLACE),
        [Click(np.array(PLACE))],
        (place for place in [PLACE]),
    ],
)
def test_one_click_in_many_spellings(clicks):
    assert as_clicks(clicks) == [Click(PLACE)]


def test_several_clicks():
    assert as_clicks(np.zeros((0, 3))) == as_clicks([]) == as_clicks(None) == []
    assert as_clicks(np.eye(3)) == [Click(tuple(row), object=i) for i, row in enumerate(np.eye(3))]
    mixed = as_clicks([PLACE, Click(PLACE, object=np.int64(4), positive=np.bool_(False)), PLACE])
    assert [click.object for click in mixed] == [5, 4, 6]
    assert [click.positive for click in mixed] == [True, False, True]


def test_words_in_many_spellings():
    assert as_texts('the chair ') == as_texts(['the chair']) == as_texts(np.array(['the chair']))
    assert as_texts(None) == as_texts([]) == []
    assert as_vocabulary('chair') == as_vocabulary((' chair',)) == ['chair']
    assert as_vocabulary(np.array(['Chair', 'table'])) == ['Chair', 'table']
    assert as_vocabulary(None) is None


def test_tasks_in_many_spellings():
    given = {'interactive': False, 'referring': False, 'open_vocabulary': False}
    everything = ('closed_set', 'click', 'text', 'open_vocabulary')
    assert as_tasks('semantic', given, everything) == ['semantic']
    assert as_tasks(np.array(['panoptic', 'semantic']), given, everything) == [
        'semantic',
        'panoptic',
    ]
    assert as_tasks(None, given, ['click']) == []
    with pytest.raises(ConfigError, match='no part for'):
        as_tasks(['semantic'], given, ['click'])


BAD = [
    (PromptError, {'clicks': '1,2,3'}),
    (PromptError, {'clicks': ['1,2,3']}),
    (PromptError, {'clicks': 3}),
    (PromptError, {'clicks': (1.0, 2.0)}),
    (PromptError, {'clicks': (1.0, 2.0, 3.0, 4.0)}),
    (PromptError, {'clicks': [None]}),
    (PromptError, {'clicks': [(1.0, 2.0, True)]}),
    (PromptError, {'clicks': [('a', 'b', 'c')]}),
    (PromptError, {'clicks': [(float('inf'), 0.0, 0.0)]}),
    (PromptError, {'clicks': [(10**400, 0, 0)]}),
    (PromptError, {'clicks': [(1e300, 0.0, 0.0)]}),
    (PromptError, {'clicks': np.zeros((2, 2))}),
    (PromptError, {'clicks': np.zeros((1, 1, 3))}),
    (PromptError, {'clicks': np.array(['a', 'b', 'c'])}),
    (PromptError, {'clicks': np.array([[1j, 0, 0]])}),
    (PromptError, {'clicks': {'x': 1.0}}),
    (PromptError, {'clicks': Click(('a', 'b', 'c'))}),
    (PromptError, {'clicks': Click(None)}),
    (PromptError, {'clicks': Click(PLACE, object='chair')}),
    (PromptError, {'clicks': Click(PLACE, positive='no')}),
    (PromptError, {'texts': [None]}),
    (PromptError, {'texts': [3]}),
    (PromptError, {'texts': 3}),
    (PromptError, {'texts': np.array([1, 2])}),
    (PromptError, {'texts': ['']}),
    (PromptError, {'texts': b'the chair'}),
    (VocabularyError, {'vocabulary': [None]}),
    (VocabularyError, {'vocabulary': 7}),
    (VocabularyError, {'vocabulary': ''}),
    (VocabularyError, {'vocabulary': []}),
    (VocabularyError, {'vocabulary': np.array([], str)}),
    (VocabularyError, {'vocabulary': ['chair', 'Chair ']}),
    (VocabularyError, {'vocabulary': ['office chair', 'office  chair']}),
    (VocabularyError, {'vocabulary': {'chair': 1}}),
    (ConfigError, {'tasks': []}),
    (ConfigError, {'tasks': 3}),
    (ConfigError, {'tasks': [None]}),
    (ConfigError, {'tasks': [['semantic']]}),
    (ConfigError, {'tasks': np.zeros((2, 2))}),
    (PromptError, {'tasks': 'interactive', 'clicks': []}),
]


@pytest.mark.parametrize(('error', 'question'), BAD, ids=lambda value: repr(value)[:60])
def test_what_is_no_question(segmenter, error, question):
    if segmenter._scene is None:
        segmenter.set_scene(room())
    with pytest.raises(error) as caught:
        segmenter.predict(**question)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize(
    ('error', 'scene', 'options'),
    [
        (SceneError, np.zeros((5, 3)), {}),
        (SceneError, 3, {}),
        (SceneError, None, {}),
        (SceneError, [(0.0, 0.0, 0.0)], {}),
        (ConfigError, 'scan.ply', {'scale': 'mm'}),
        (ConfigError, 'scan.ply', {'scale': None}),
        (SceneError, 'scan.npy', {'scale': 0}),
        (SceneError, 'scan.npy', {'on_bad': 'ignore'}),
    ],
    ids=repr,
)
def test_what_is_no_scene(segmenter, tmp_path, error, scene, options):
    np.save(tmp_path / 'scan.npy', np.zeros((5, 3)))
    scene = tmp_path / scene if isinstance(scene, str) else scene
    with pytest.raises(error):
        segmenter.set_scene(scene, **options)
