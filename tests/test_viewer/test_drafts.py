"""Clicked objects before they are labels, with a session that counts."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import PromptError
from unison3d.viewer.drafts import Drafts
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.labels import SceneLabels
from unison3d.viewer.session import MaskAnswer


class Session:
    """Answers with as many points as an object has clicks."""

    def __init__(self):
        self.scene = np.zeros((10, 3))
        self.labels = SceneLabels(10)
        self.clicks = {}

    def _answer(self, number):
        mask = np.arange(10) < len(self.clicks[number])
        return MaskAnswer(number, mask, mask, 0.5)

    def click(self, point, positive, object):
        self.clicks.setdefault(object, []).append((point, positive))
        return self._answer(object)

    def box(self, center, size, object):
        return self.click(center, True, object)

    def undo_click(self, object):
        self.clicks[object].pop()
        return self._answer(object) if self.clicks[object] else None

    def clear_clicks(self, object):
        self.clicks.pop(object, None)

    def levels(self, point):
        return [np.arange(10) < size for size in (1, 5, 9)]

    def to_points(self, rows):
        return rows


@pytest.fixture
def drafts():
    return Drafts(Session())


def test_several_objects_are_clicked_one_after_the_other(drafts):
    first = drafts.click((0, 0, 0), 'new')
    assert drafts.click((1, 0, 0), 'add') is first
    assert drafts.click((2, 0, 0), 'remove') is first
    assert first.mask.sum() == 3
    second = drafts.click((3, 0, 0), 'new')
    assert drafts.items == [first, second]
    assert drafts._session.clicks[first.number][2] == ((2.0, 0.0, 0.0), False)
    colors = drafts.paint(np.full((10, 3), 100, np.uint8))
    assert (colors[3:] == 100).all()
    assert (colors[:3] != 100).any(axis=1).all()


def test_undo_and_redo(drafts):
    drafts.click((0, 0, 0), 'new')
    drafts.click((1, 0, 0), 'add')
    drafts.undo()
    assert drafts.active.mask.sum() == 1
    drafts.redo()
    assert drafts.active.mask.sum() == 2
    drafts.undo()
    drafts.undo()
    assert drafts.active is None and not drafts.items
    drafts.undo()
    drafts.redo()
    drafts.redo()
    assert drafts.active.mask.sum() == 2
    assert drafts.redo_version is None
    drafts.undo()
    drafts.click((5, 0, 0), 'add')
    assert drafts.redo_version is None


def state(drafts):
    """Number, points, level and clicks of every object, and which one is active."""
    clicks = drafts._session.clicks
    rows = [(d.number, int(d.mask.sum()), d.level, len(clicks[d.number])) for d in drafts.items]
    return rows, drafts.active and drafts.active.number


def test_undo_goes_back_through_all_objects(drafts):
    """Every action on three objects, back to nothing and to the end again."""
    actions = (
        lambda: drafts.click((0, 0, 0), 'new'),
        lambda: drafts.click((1, 0, 0), 'add'),
        lambda: drafts.show_level(3),
        lambda: drafts.click((2, 0, 0), 'new'),
        lambda: drafts.box((3, 0, 0), (1, 1, 1)),
        lambda: drafts.discard(),
        lambda: drafts.click((4, 0, 0), 'remove'),
        lambda: drafts.show_level(2),
        lambda: drafts.click((5, 0, 0), 'add'),
        lambda: drafts.discard(everything=True),
        lambda: drafts.click((6, 0, 0), 'new'),
    )
    states = [state(drafts)]
    for act in actions:
        act()
        states.append(state(drafts))
    assert states[-2] == ([], None) and states[-1] != states[-2]
    for expected in states[-2::-1]:
        drafts.undo()
        assert state(drafts) == expected
    assert drafts.undo_version is None
    for expected in states[1:]:
        drafts.redo()
        assert state(drafts) == expected


def test_pulling_the_slider_is_one_action(drafts):
    drafts.click((0, 0, 0), 'new')
    for level in (1, 2, 3, 2):
        drafts.show_level(level)
    drafts.undo()
    assert drafts.active.level == 0 and drafts.active.mask.sum() == 1
    drafts.redo()
    assert drafts.active.level == 2 and drafts.active.mask.sum() == 5
    drafts.show_level(0)
    drafts.undo()
    assert not drafts.items  # there and back is no action, so that was the click


def test_a_kept_object_does_not_come_back_with_others(drafts):
    first, _ = drafts.click((0, 0, 0), 'new'), drafts.click((1, 0, 0), 'new')
    drafts.discard()
    drafts.drop(first)
    drafts.undo()
    assert drafts.active.number != first.number and len(drafts.items) == 1
    drafts.undo()
    assert not drafts.items and drafts.undo_version is None


def test_clicks_and_edits_have_one_order(drafts):
    """A version of the labels before a click is below that of an edit after it."""
    labels = drafts._session.labels
    drafts.click((0, 0, 0), 'new')
    labels.apply(Draw(np.arange(3)), 'tab 1')
    assert labels.undo_version('tab 1') > drafts.undo_version
    drafts.click((0, 0, 0), 'new')
    assert labels.undo_version('tab 1') <= drafts.undo_version
    drafts.undo()
    labels.undo('tab 1')
    assert labels.redo_version('tab 1') > drafts.redo_version
    assert not labels.undo_version('tab 1')
    drafts.undo()
    assert labels.redo_version('tab 1') <= drafts.redo_version
    # What others did is not what this tab did last.
    labels.redo('tab 2')
    assert labels.undo_version('tab 1') == 0 < labels.undo_version('tab 2')


def test_from_part_to_whole(drafts):
    drafts.click((0, 0, 0), 'new')
    for level, size in ((1, 1), (2, 5), (3, 9), (8, 9), (0, 1)):
        drafts.show_level(level)
        assert drafts.active.mask.sum() == size
    drafts.clear()
    drafts.box((0, 0, 0), (1, 1, 1))
    assert drafts.levels() == []


def test_what_cannot_be_clicked(drafts):
    with pytest.raises(PromptError, match='click an object first'):
        drafts.click((0, 0, 0), 'remove')
    assert drafts.click((0, 0, 0), 'add') is drafts.active
    assert Drafts(Session(), 2).click((0, 0, 0), 'new').number > drafts.active.number + 1000


def test_what_was_kept_does_not_come_back(drafts):
    first = drafts.click((0, 0, 0), 'new')
    drafts.click((1, 0, 0), 'add')
    drafts.undo()
    drafts.drop(first)
    assert drafts.redo_version is None
    drafts.redo()
    assert not drafts.items
