"""The page of the browser application, as tests drive it."""

from __future__ import annotations

import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from unison3d.viewer.headless import CHROMIUM_FLAGS

pytest.importorskip('viser')
sync_api = pytest.importorskip('playwright.sync_api')
CHROMIUM = os.environ.get('UNISON3D_CHROMIUM') or shutil.which('chromium')
if CHROMIUM is None:
    pytest.skip('no chromium is installed', allow_module_level=True)

FLAGS = list(CHROMIUM_FLAGS)
PATIENCE = 120.0  # seconds; machines of tests are slow


def until(page, condition, what):
    """Wait until a condition holds; gives its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := condition():
            return value
        page.wait_for_timeout(50)
    raise AssertionError(f'waited in vain for {what}')


def open_page(app, browser, **options):
    """A page, and the tab of the application that belongs to it."""
    known = set(app.tabs)
    page = browser.new_page(**options)
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(app.url, wait_until='commit')
    number = until(page, lambda: set(app.tabs) - known, 'the tab').pop()
    tab = app.tabs[number]
    until(page, lambda: tab.layer is not None, 'points')
    page.get_by_role('tab', name='Save').wait_for()
    return page, tab


def on_page(page, tab, points):
    """Pixels of points, float (N, 2), and their distances along the view, (N,)."""
    from unison3d.viewer.panel_segment import _rotation

    camera = tab.client.camera
    seen = (points - np.asarray(camera.position)) @ _rotation(camera.wxyz)
    slope = 2 * np.tan(camera.fov / 2) * np.array([camera.aspect, 1.0])
    box = page.locator('canvas').first.bounding_box()
    share = 0.5 + seen[:, :2] / seen[:, 2:] / slope
    return share * (box['width'], box['height']) + (box['x'], box['y']), seen[:, 2]


def place_of(page, tab, owners, wanted):
    """A pixel at which the page shows an object, float x and y."""
    position = np.asarray(tab.client.camera.position)
    points = tab.session.scene.points[owners == wanted]
    places, _ = on_page(page, tab, points)
    right = 0.7 * page.locator('canvas').first.bounding_box()['width']
    for index in np.argsort(((places - np.median(places, axis=0)) ** 2).sum(1)):
        row = tab.pick(position, points[index] - position)
        # Not under the controls, which cover the right quarter.
        if row is not None and owners[row] == wanted and places[index, 0] < right:
            return tuple(places[index].tolist())
    raise AssertionError('the object is not in sight')


def field(page, label):
    """The text field behind a label; viser does not tie the two together."""
    return page.locator(f'xpath=//label[.="{label}"]/following::input[1]').last


def choose(page, label, option):
    """Choose in a menu."""
    field(page, label).click()
    page.get_by_role('option', name=option, exact=True).click()


def set_number(page, label, value):
    """Type a number into the field behind a slider."""
    number = page.locator(
        f'xpath=//label[.="{label}"]/following::input[contains(@class, "NumberInput")][1]'
    ).last
    number.fill(str(value))
    number.press('Enter')
    number.blur()


def pixels(path):
    """uint8, (N, 3)."""
    return np.asarray(Image.open(path).convert('RGB')).reshape(-1, 3)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()
