"""Photos on the real page: a procedural room, in files whose world lies on its side."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.captures import objects_of_points, write_room
from tests.viewer_page import field, iou, open_page, until
from unison3d.viewer.label_edits import Delete, Draw
from unison3d.viewer.library import Library
from unison3d.viewer.session import SceneSession
from unison3d.viewer.shared_model import SharedModel


@pytest.fixture(scope='module')
def capture(tmp_path_factory):
    return write_room(tmp_path_factory.mktemp('captures') / 'room', num=5)


@pytest.fixture(scope='module')
def page_and_tab(capture, browser):
    from unison3d.viewer.app import ViewerApp

    app = ViewerApp(Library([capture.folder]), SharedModel())
    with app, pytest.MonkeyPatch.context() as patch:
        patch.setattr(SceneSession, 'start', lambda session: None)  # no model is asked here
        app.start(port=0)
        page, tab = open_page(app, browser, viewport={'width': 1000, 'height': 640})
        page.get_by_role('tab', name='Save').click()
        page.get_by_text('Photos', exact=True).wait_for()
        yield page, tab
        page.close()


def picture(page):
    """float, (H, W, 3): the photo that the page shows, None where it shows none."""
    shown = page.locator('img[src^="blob:"]').last
    if not shown.is_visible():
        return None
    data = page.evaluate(
        """async image => {
            const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
            return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));
        }""",
        shown.element_handle(),
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert('RGB'), float)


def choose(page, name):
    field(page, 'Photo').click()
    page.get_by_role('option', name=name).click()


def test_labels_on_the_photo_are_where_the_object_is(page_and_tab, capture, pictures):
    page, tab = page_and_tab
    scene = tab.session.scene
    # The thing that fills most of a photo, and by far not all of it.
    shares = np.stack([(capture.objects == k).mean(axis=(1, 2)) for k in range(len(capture.names))])
    shares[[not name for name in capture.names]] = 0
    shares[shares > 0.4] = 0
    shares[:, 0] = 0  # is chosen already
    thing, number = np.unravel_index(shares.argmax(), shares.shape)
    mask = objects_of_points(scene, capture) == thing
    tab.session.labels.apply(Draw(mask, name='thing'))
    page.get_by_text('Show cameras').click()
    frame = scene.frames[number]
    choose(page, frame.name)
    page.get_by_role('button', name='Stand where it was taken').click()

    def stands_there():
        eye, camera = tab.eye(), frame.camera
        ahead = (eye.target - eye.position) @ camera.T_world_camera[:3, 2]
        near = np.allclose(eye.position, camera.center - scene.origin, atol=0.01)
        return near and ahead > 0.999 * np.linalg.norm(eye.target - eye.position)

    until(page, stands_there, 'the flight')
    until(page, lambda: picture(page) is not None, 'the photo')
    page.screenshot(path=pictures / 'frames.png')
    photo = np.asarray(Image.open(capture.folder / f'{frame.name}.color.png'), float)
    painted = 0.5 * photo + 0.5 * np.array(tab.session.labels[1].color)

    def labelled():
        drawn = picture(page)
        return np.abs(drawn - painted).sum(axis=2) < np.abs(drawn - photo).sum(axis=2)

    assert iou(labelled(), capture.objects[number] == thing) > 0.85
    # The next edit is on the photo at once.
    tab.session.labels.apply(Delete(1))
    until(page, lambda: labelled().mean() < 0.02, 'the photo alone')


def test_a_photo_that_is_missing_is_a_message(page_and_tab, capture):
    page, tab = page_and_tab
    name = tab.session.scene.frames[1].name
    (capture.folder / f'{name}.color.png').unlink()
    choose(page, name)
    page.get_by_text(f'{name}.color.png: not found').wait_for()
    assert picture(page) is None
    tab.session.labels.apply(Draw(np.arange(10)))
    choose(page, tab.session.scene.frames[0].name)
    until(page, lambda: picture(page) is not None, 'the next photo')
