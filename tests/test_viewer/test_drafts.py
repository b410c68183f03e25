"""Clicked objects before they are labels, with a session that counts."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import PromptError
from unison3d.viewer.drafts import Drafts
from unison3d.viewer.session import MaskAnswer


class Session:
    """Answers with as many points as an object has clicks."""

    def __init__(self):
        self.scene = np.zeros((10, 3))
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
    assert not drafts.can_redo
    drafts.undo()
    drafts.click((5, 0, 0), 'add')
    assert not drafts.can_redo


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
    assert not drafts.can_redo
    drafts.redo()
    assert not drafts.items
