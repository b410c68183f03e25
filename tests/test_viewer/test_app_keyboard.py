"""The real page without a mouse, and in the dark."""

from __future__ import annotations

import numpy as np
import pytest

from tests.viewer_page import open_page, pixels, until
from unison3d.structures import PointScene
from unison3d.viewer.library import Library
from unison3d.viewer.session import SceneSession
from unison3d.viewer.shared_model import SharedModel

TABS = ('Look', 'Click', 'Objects', 'Ask', 'Save')
#: Controls of the page in the order of the Tab key: those above the tabs, and those of each.
ABOVE = ('Scene', 'Start the model', *TABS)
CONTROLS = {
    'Look': ('Layer', 'Opacity', 'Point size (mm)', 'Cut above (m)', 'Dark page', 'Whole scene'),
    'Click': (
        *('A click means', 'Name', 'Part to whole', 'Keep as object', 'Undo', 'Redo'),
        *('This', 'All', 'Add mask', 'Split off'),
    ),
    'Objects': ('Everything', 'Objects', 'Find'),
    'Ask': ('Sentence', 'Ask', 'My words', 'Find them'),
    'Save': (
        *('Format', 'File name', 'Export', 'Load labels', 'Load', 'Look again'),
        *('Screenshot (PNG)', 'Pictures', 'GIF', 'MP4', 'Stop', 'Page of this view (HTML)'),
    ),
}
#: Of viser; they are in the page while they are folded away.
FOLDED = {'Dev Settings', 'Reset View', 'Save Canvas'}
#: What is to be reached is looked up once, without focus; then what has it can be compared.
SCRIPT = """() => {
    const looks = element => {
        const of = getComputedStyle(element);
        const ring = of.outlineStyle === 'none' ? '' : of.outline;
        return [ring, of.borderColor, of.boxShadow, of.backgroundColor].join();
    };
    const nameOf = element => {
        if (element.tagName === 'BUTTON' || element.role === 'tab') {
            return element.textContent.trim() || element.getAttribute('aria-label') || '';
        }
        let row = element;
        while (row && !row.querySelector('label')) row = row.parentElement;
        return row ? row.querySelector('label').textContent : '';
    };
    const plain = new Map();
    for (const element of document.querySelectorAll('input, button, [role=slider], [role=tab]')) {
        const box = element.getBoundingClientRect();
        if (box.width && !element.disabled && element.type !== 'hidden') {
            plain.set(element, looks(element));
        }
    }
    window.now = () => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const box = element.getBoundingClientRect();
        return {
            name: nameOf(element),
            place: [...plain.keys()].indexOf(element),
            middle: box.y + box.height / 2,
            shows: looks(element) !== plain.get(element),
            isTab: element.role === 'tab',
        };
    };
    window.all = () => [...plain.keys()].map(nameOf);
}"""


@pytest.fixture(scope='module')
def app(tmp_path_factory):
    from unison3d.viewer.app import ViewerApp

    folder = tmp_path_factory.mktemp('scans')
    rng = np.random.default_rng(0)
    for name in ('cube', 'other'):
        PointScene(rng.random((60, 3)).astype(np.float32), name=name).save(folder / f'{name}.ply')
    with ViewerApp(Library([folder]), SharedModel()) as app, pytest.MonkeyPatch.context() as patch:
        patch.setattr(SceneSession, 'start', lambda session: None)  # no model is asked here
        app.start(port=0)
        yield app


def walk(page):
    """What the Tab key comes by in one round, from the beginning of the page."""
    page.evaluate('document.activeElement.blur()')
    page.evaluate(SCRIPT)
    visited = []
    for _ in range(80):
        page.keyboard.press('Tab')
        if (now := page.evaluate('now()')) is None:
            continue  # the controls of the browser itself come between the rounds
        if visited and now['place'] == visited[0]['place']:
            first = min(range(len(visited)), key=lambda k: visited[k]['place'])
            return visited[first:] + visited[:first]
        visited.append(now)
    raise AssertionError(f'the Tab key is caught: {[item["name"] for item in visited]}')


def go_to(page, title):
    """To a tab, by the Tab key."""
    now = None
    while now is None or not (now['isTab'] and now['name'] == title):
        page.keyboard.press('Tab')
        now = page.evaluate('now()')


def test_every_control_by_keyboard(app, browser):
    page, tab = open_page(app, browser, viewport={'width': 1000, 'height': 640})
    page.add_style_tag(content='* { transition: none !important; }')
    for name in ('Whole scene', 'Start the model'):  # the last two that come
        page.get_by_role('button', name=name).wait_for()
    page.wait_for_timeout(500)
    for title in TABS:
        visited = walk(page)
        names = [item['name'] for item in visited]
        expected = [*ABOVE, *CONTROLS[title]]
        # A slider and the field behind it have one name; what viser adds is above the tabs.
        found = [name for k, name in enumerate(names) if name in expected and name not in names[:k]]
        missing = set(page.evaluate('all()')) - set(names) - FOLDED
        assert not missing, (title, missing)
        wanted = [name for k, name in enumerate(expected) if name not in expected[:k]]
        assert found == wanted
        assert all(item['shows'] for item in visited), [i for i in visited if not i['shows']]
        rows = [(item['middle'], item['name']) for item in visited if item['name'] in expected]
        for above, below in zip(rows, rows[1:], strict=False):
            assert below[0] > above[0] - 8, (above, below)
        # On to the next tab, with the keys alone.
        if title != TABS[-1]:
            following = TABS[TABS.index(title) + 1]
            go_to(page, following)
            page.keyboard.press('Enter')
            page.get_by_text(CONTROLS[following][0], exact=True).locator('visible=true').wait_for()
    page.close()


def test_the_dark_page_is_as_the_browser_prefers_and_as_it_was_left(app, browser, pictures):
    page, tab = open_page(app, browser, viewport={'width': 480, 'height': 320}, color_scheme='dark')
    until(page, lambda: tab.dark, 'the night')
    box = page.get_by_label('Dark page')
    assert box.is_checked()
    page.screenshot(path=pictures / 'preferred-dark.png')
    assert pixels(pictures / 'preferred-dark.png')[0].max() < 60
    # Without a choice the preference is followed; a choice stays, also when the page is reloaded.
    page.emulate_media(color_scheme='light')
    until(page, lambda: not tab.dark, 'the day')
    page.emulate_media(color_scheme='dark')
    until(page, lambda: tab.dark, 'the night again')
    box.click(force=True)
    until(page, lambda: not tab.dark, 'light by choice')
    known = set(app.tabs.values())
    page.reload(wait_until='commit')
    again = until(page, lambda: set(app.tabs.values()) - known, 'the tab').pop()
    box.wait_for()
    page.wait_for_timeout(300)
    assert not again.dark and not box.is_checked()
    page.close()
