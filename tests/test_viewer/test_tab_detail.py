"""The camera is moved to see whether the page answers, and never against a person."""

from __future__ import annotations

import threading
from unittest.mock import MagicMock

import numpy as np
import pytest

from unison3d.viewer import tab_detail
from unison3d.viewer.view_camera import Eye

EYE = Eye(np.array([4.0, 3.0, 2.0]), np.array([0.0, 0.0, 1.0]))
BEFORE = np.array([3.0, 3.0, 3.0])


@pytest.fixture
def tab(monkeypatch):
    tab = MagicMock(closed=False, lock=threading.RLock())
    tab.client.camera.position = EYE.position
    monkeypatch.setattr(tab_detail, 'DetailControl', MagicMock())
    tab_detail.control_detail(tab, EYE, BEFORE)
    tab.calls = tab_detail.DetailControl.call_args.kwargs
    return tab


def test_a_nudge_cannot_be_seen_and_is_taken_back(tab):
    camera = tab.client.camera
    moved = []
    for _ in range(2):
        assert tab.calls['nudge']()
        offset = camera.position - EYE.position
        # Looking the same way.
        assert np.allclose(camera.look_at - EYE.target, offset, atol=1e-12)
        moved.append(np.abs(offset).max())
    assert 0 < moved[0] < 2e-3 and moved[1] == 0
    # More than viser takes for the same place.
    assert not np.allclose(EYE.position + [0, 0, moved[0]], EYE.position)


def test_a_message_that_was_under_way_is_no_person(tab):
    tab.client.camera.position = BEFORE
    assert tab.calls['nudge']()
    tab.client.camera.position = EYE.position + [0.2, 0, 0]
    assert not tab.calls['nudge']()
    assert tab.client.camera.position[0] == 4.2


def test_points_of_another_scene_are_left_alone(tab):
    points = tab.points
    tab.calls['draw'](1)
    points.set_level.assert_called_once_with(1)
    tab.points = MagicMock()
    tab.calls['draw'](2)
    tab.calls['load']()
    points.set_level.assert_called_once()
    points.load.assert_not_called()
