"""A tab between two scenes, and one that goes away."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np

from unison3d.structures import PointScene
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.labels import SceneLabels
from unison3d.viewer.layers import Layer
from unison3d.viewer.panel_ask import AskPanel
from unison3d.viewer.session_answers import SentenceAnswer
from unison3d.viewer.tab import Tab


def make_tab():
    points = np.random.default_rng(0).random((40, 3), np.float32)
    session = MagicMock()
    session.scene = PointScene(points=points, superpoints=np.arange(40) // 10)
    session.labels = SceneLabels(40)
    workspace, client = MagicMock(), MagicMock()
    workspace.acquire.return_value = session
    return Tab(client, workspace, 1), session, workspace


def test_a_tab_that_closes_while_a_scan_is_read_gives_it_back():
    tab, session, workspace = make_tab()

    def read(key):
        tab.close()
        return session

    workspace.acquire.side_effect = read
    tab.open('room')
    workspace.release.assert_called_once_with('room')
    assert tab.session is None
    session.start.assert_not_called()


def test_answers_about_the_scene_before_are_dropped():
    tab, session, _ = make_tab()
    tab.session, tab.show_layer = session, MagicMock()
    panel = AskPanel(tab, MagicMock())

    def another_scene(_):
        tab.session = MagicMock()
        return MagicMock()

    session.ask.side_effect = session.vocabulary.side_effect = another_scene
    panel.ask()
    tab.session = session
    panel.find()
    assert tab.answer is None and tab.own is None
    tab.show_layer.assert_not_called()


def test_the_answer_is_the_models_own_until_a_threshold_is_chosen():
    tab, session, _ = make_tab()
    heat = np.array([0.9, 0.2, 0.6, 0.0], np.float32)
    superpoints = session.scene.superpoints
    tab.answer = SentenceAnswer('a', heat, superpoints, superpoints == 1, 0.5, ())
    tab.session, tab.layer_name = session, 'heat'
    session.available_layers.return_value = ('color', 'heat')

    def shown():
        tab._current_layer(session)
        options = session.layer.call_args.kwargs
        return (options['heat'] >= options['threshold']).tolist()

    assert shown() == [False, True, False, False]
    tab.threshold = 0.5
    assert shown() == [True, False, True, False]


def test_a_click_draws_the_mask_and_makes_no_layer():
    tab, session, _ = make_tab()
    tab.session, tab.points, tab.drafts = session, MagicMock(), MagicMock()
    tab.drafts.paint.side_effect = lambda colors: colors + tab.drafts.painted
    session.available_layers.return_value = ('color', 'instance')
    session.layer.return_value = Layer(np.full((40, 3), 7, np.uint8))

    def drawn(painted):
        tab.drafts.painted = painted
        tab.redraw()
        colors, visible = tab.points.show.call_args.args
        return int(colors[0, 0]), visible

    assert drawn(0) == (7, None)
    assert drawn(1) == (8, None)
    assert session.layer.call_count == 1
    # What the layer depends on makes a new one.
    tab.cut = 0.5
    assert np.array_equal(drawn(0)[1], session.scene.points[:, 2] < 0.5)
    tab.dark = True
    drawn(0)
    assert session.layer.call_count == 3
    tab.cut, tab.strength = None, 1.0
    tab.show_layer('instance')
    nothing, _ = drawn(0)
    session.labels.apply(Draw(np.arange(40) < 9, name='bed'))
    assert drawn(0)[0] != nothing
