#!/usr/bin/env python
"""Make the pictures of docs/viewer.md: the real page, driven by Playwright, on a procedural room.

    python tools/viewer_pictures.py [--out docs/images]

Needs the extra ``viewer``, the package ``playwright`` and a Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from unison3d.structures import PointScene
from unison3d.synth import make_scene
from unison3d.viewer.app import ViewerApp
from unison3d.viewer.headless import CHROMIUM_FLAGS
from unison3d.viewer.library import Library
from unison3d.viewer.shared_model import SharedModel
from unison3d.viewer.tab import Tab

PATIENCE = 180.0  # seconds


class Film:
    """Screenshots one after the other; some are kept as pictures of their own."""

    def __init__(self, page: Page, out: Path) -> None:
        self._page, self._out = page, out
        self._frames: list[Image.Image] = []

    def shoot(self, name: str | None = None, frames: int = 3) -> None:
        """Take a picture that the film shows for some frames; a name writes it as well."""
        # What has changed is on the screen after a moment.
        self._page.wait_for_timeout(3500)
        image = Image.open(io.BytesIO(self._page.screenshot())).convert('RGB')
        if name is not None:
            image.save(self._out / f'viewer_{name}.webp', quality=72, method=6)
        small = image.resize((image.width * 5 // 8, image.height * 5 // 8), Image.LANCZOS)
        self._frames += [small] * frames

    def save(self) -> None:
        """Write the film."""
        first, *others = self._frames
        path = self._out / 'viewer.webp'
        first.save(
            path, save_all=True, append_images=others, duration=450, loop=0, quality=50, method=6
        )


def until(page: Page, condition, what: str):
    """Wait until a condition holds; gives its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := condition():
            return value
        page.wait_for_timeout(50)
    raise SystemExit(f'waited in vain for {what}')


def pixel_of(page: Page, tab: Tab, owners: np.ndarray, wanted: int) -> tuple[float, float]:
    """A pixel at which an object is seen."""
    box = page.locator('canvas').first.bounding_box()
    camera, eye = tab.client.camera, tab.eye()
    forward = eye.target - eye.position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    points = tab.session.scene.points[owners == wanted]
    seen = (points[:: max(len(points) // 300, 1)] - eye.position) @ axes.T
    plane = seen[:, :2] / seen[:, 2:]
    rows = [tab.pick(eye.position, np.array([*place, 1.0]) @ axes) for place in plane]
    # The middle of what is in sight, and not of what is hidden behind something.
    plane = plane[[row is not None and owners[row] == wanted for row in rows]]
    if len(plane):
        nearest = ((plane - np.median(plane, axis=0)) ** 2).sum(1).argmin()
        slope = np.tan(camera.fov / 2)
        x, y = 0.5 + plane[nearest] / (2 * slope * np.array([camera.aspect, 1.0]))
        return box['x'] + x * box['width'], box['y'] + y * box['height']
    raise SystemExit('the object is not in sight')


def play(page: Page, app: ViewerApp, owners: np.ndarray, names: list[str], film: Film) -> None:
    """Label a room."""
    page.goto(app.url, wait_until='commit')
    tab = until(page, lambda: next(iter(app.tabs.values()), None), 'the tab')
    until(page, lambda: tab.layer is not None, 'points')
    page.get_by_role('tab', name='Save').wait_for()
    until(page, lambda: tab.session.progress.state == 'ready', 'the model')
    # The warning about drawing without a graphics card.
    page.locator('.mantine-Notification-closeButton').first.click()
    film.shoot('look')
    page.get_by_role('tab', name='Click').click()
    sizes = np.bincount(owners[owners >= 0])
    bed = int(np.argmax([size * ('bed' in names[n]) for n, size in enumerate(sizes)]))
    page.mouse.click(*pixel_of(page, tab, owners, bed))
    until(page, lambda: tab.drafts.active, 'a mask')
    film.shoot('click', 4)
    page.keyboard.press('k')
    until(page, lambda: tab.session.labels.objects, 'the label')
    page.get_by_role('tab', name='Objects').click()
    page.get_by_role('button', name='Everything').click()
    until(page, lambda: len(tab.session.labels.objects) > 1, 'objects')
    film.shoot('objects', 4)
    page.get_by_role('tab', name='Ask').click()
    field = page.locator('xpath=//label[.="Sentence"]/following::input[1]')
    field.fill('the bed')
    field.press('Enter')
    until(page, lambda: tab.answer, 'an answer')
    page.get_by_text('in the answer').wait_for()
    film.shoot('ask', 5)
    film.save()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('docs/images'))
    parser.add_argument('--chromium', default=shutil.which('chromium'))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    room = make_scene(3, kind='bedroom', clutter=0.5, spacing=0.03)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        scan = Path(folder) / 'bedroom.ply'
        PointScene(room.points, colors=room.colors, name='bedroom').save(scan)
        with ViewerApp(Library([scan]), SharedModel()) as app:
            app.start(port=0)
            browser = playwright.chromium.launch(
                executable_path=args.chromium, args=list(CHROMIUM_FLAGS)
            )
            try:
                page = browser.new_page(viewport={'width': 1280, 'height': 800})
                page.set_default_timeout(1000 * PATIENCE)
                play(page, app, room.instances, room.instance_names, Film(page, args.out))
            finally:
                browser.close()


if __name__ == '__main__':
    main()
