"""Edits, undo and listeners of labels."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.viewer.label_edits import (
    Delete,
    Draw,
    LabelObject,
    Merge,
    Recolor,
    Rename,
    Replace,
    SetVisible,
    Split,
)
from unison3d.viewer.labels import SceneLabels

EDITS = [
    Rename(1, 'sofa'),
    Recolor(2, (1, 2, 3)),
    SetVisible(1, False),
    Merge(1, (2,)),
    Delete(2),
    Split(1, np.array([0, 1, 7])),
    Draw(np.array([2, 3, 4, 9]), name='lamp'),
    Draw(np.array([2, 3, 4, 9]), rule='keep'),
    Draw(np.array([3, 9]), object=1, replace=True),
    Replace(np.array([0, 0, 5, 5, 5, 5, 5, 5, 5, 5]), (LabelObject(5, 'room', (9, 9, 9)),)),
]


def make_labels() -> SceneLabels:
    """Points 0..3 are object 1, 4..7 object 2."""
    labels = SceneLabels(10)
    labels.apply(Draw(np.arange(4), name='chair'))
    labels.apply(Draw(np.arange(4, 8), name='table', score=0.5, origin='model'))
    return labels


def state(labels: SceneLabels) -> tuple:
    return labels.ids.tolist(), labels.objects


@pytest.mark.parametrize('edit', EDITS, ids=lambda edit: edit.title)
def test_every_edit_can_be_undone_and_redone(edit):
    labels = make_labels()
    before = state(labels)
    labels.apply(edit)
    after = state(labels)
    assert after != before
    sizes = np.bincount(labels.ids, minlength=20)
    assert all(item.num_points == sizes[item.id] for item in labels.objects)
    assert labels.undo().title == f'undo: {edit.title}'
    assert state(labels) == before
    assert labels.redo_title == edit.title
    labels.redo()
    assert state(labels) == after
    assert labels.version == 5


def test_what_edits_mean():
    labels = make_labels()
    event = labels.apply(Split(1, np.array([0, 1, 7]), 'seat'))
    assert event.created == (3,)
    assert labels.ids.tolist() == [3, 3, 1, 1, 2, 2, 2, 2, 0, 0]
    labels.apply(Draw(np.array([3, 4, 8]), object=3, rule='keep'))
    assert labels.ids.tolist() == [3, 3, 1, 1, 2, 2, 2, 2, 3, 0]
    labels.apply(Draw(np.array([3, 4, 8]), object=3, replace=True))
    assert labels.ids.tolist() == [0, 0, 1, 3, 3, 2, 2, 2, 3, 0]
    event = labels.apply(Merge(2, (1, 3)))
    assert labels.ids.tolist() == [0, 0, 2, 2, 2, 2, 2, 2, 2, 0]
    assert event.rows.tolist() == [2, 3, 4, 8]
    assert [item.id for item in labels.objects] == [2]
    assert labels.at(3).name == 'table'
    assert labels.at(0) is None
    # The id of an object that is gone is not given again, nor after an undo.
    labels.undo()
    labels.undo()
    assert labels.apply(Draw(np.array([9]))).created == (4,)
    # Loading moves new ids behind the old ones.
    labels.apply(EDITS[-1])
    assert [item.id for item in labels.objects] == [9]


@pytest.mark.parametrize(
    ('edit', 'says'),
    [
        (Rename(7, 'a'), 'no object 7; the labels have 1, 2'),
        (Rename(1, ' \n'), 'is no name'),
        (Recolor(1, (0, 0, 256)), 'no colour'),
        (Merge(1, (1,)), 'no other object'),
        (Split(1, np.arange(10)), '4 of its 4 points'),
        (Split(1, np.array([8])), '0 of its 4 points'),
        (Draw(np.array([10])), 'expected 0 to 9'),
        (Draw(np.zeros(9, bool)), r'mask of shape \(9,\)'),
        (Draw(np.array([0.5])), 'float64'),
        (Draw(np.arange(8), rule='keep'), 'no point is left'),
        (Draw(np.arange(8), rule='never'), 'take or keep'),
        (Replace(np.ones(10, int), ()), 'also name'),
        (Replace(np.ones(9, int), ()), 'one per point'),
    ],
)
def test_edits_that_do_not_fit_change_nothing(edit, says):
    labels = make_labels()
    before = state(labels)
    with pytest.raises(SceneError, match=says):
        labels.apply(edit)
    assert state(labels) == before
    assert labels.version == 2


def test_undo_is_bounded():
    labels = SceneLabels(5, undo_limits=(3, 1 << 20))
    for point in range(5):
        labels.apply(Draw(np.array([point])))
    while labels.undo():
        pass
    assert labels.ids.tolist() == [1, 2, 0, 0, 0]
    # 16 bytes for every point that changed.
    labels = SceneLabels(5, undo_limits=(3, 40))
    labels.apply(Draw(np.arange(2)))
    labels.apply(Draw(np.arange(1)))
    assert labels.undo() is not None
    assert labels.undo() is None


def test_two_listeners_see_the_edits_of_each_other_in_order():
    labels = make_labels()
    seen: dict[str, list] = {'left': [], 'right': []}
    stops = [
        labels.subscribe(lambda event, tab=tab: seen[tab].append((event.source, event.title)))
        for tab in seen
    ]
    labels.apply(Rename(1, 'sofa'), source='left')
    labels.undo(source='right')
    assert seen['left'] == seen['right']
    assert [source for source, _ in seen['left']] == ['left', 'right']
    stops[0]()
    labels.redo()
    assert len(seen['left']) == 2
    assert len(seen['right']) == 3


def test_a_listener_may_edit_and_may_fail():
    labels = make_labels()
    titles = []

    def answer(event):
        titles.append(event.title)
        if event.title.startswith('rename'):
            labels.apply(SetVisible(1, False))

    def fail(event):
        raise RuntimeError('a broken tab')

    stop = labels.subscribe(fail)
    labels.subscribe(answer)
    with pytest.raises(RuntimeError, match='a broken tab'):
        labels.apply(Rename(1, 'sofa'))
    stop()
    labels.apply(Recolor(1, (1, 1, 1)))
    assert titles == ['rename object 1 to "sofa"', 'hide object 1', 'colour object 1']


def test_threads_do_not_disturb_each_other():
    labels = SceneLabels(400)
    versions = []
    labels.subscribe(lambda event: versions.append(event.version))

    def draw(first):
        for point in range(first, first + 100):
            labels.apply(Draw(np.array([point])))

    threads = [threading.Thread(target=draw, args=(100 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(labels.ids.tolist()) == list(range(1, 401))
    assert versions == list(range(1, 401))
