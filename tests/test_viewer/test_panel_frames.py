"""The list of photos, without a page."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np
import pytest

from tests.test_io.frame_samples import matrix, scannet, write
from unison3d.structures import Camera, Frame, FrameSet, PointScene
from unison3d.viewer.labels import SceneLabels
from unison3d.viewer.panel_frames import MAX_FRAMES, FramesPanel
from unison3d.viewer.tab import Tab

CAMERA = Camera(32, 24, np.array([[30.0, 0, 15], [0, 30, 11], [0, 0, 1]]), np.eye(4))


def make_panel(scale=1.0, **fields):
    """A panel that has been told of a scene, and the mocks of its controls."""
    scene = PointScene(np.zeros((10, 3), np.float32), origin=np.array([5e5, 0, 0]), **fields)
    tab = Tab(MagicMock(), MagicMock(), 1)
    tab.session = MagicMock(scene=scene, scale=scale, labels=SceneLabels(10))
    tab.say = MagicMock()
    gui = MagicMock()
    panel = FramesPanel(tab, gui)
    tab.tell('scene')
    return panel, tab, gui


def test_a_thousand_photos():
    """None of the files exists: no image is read before it is looked at."""
    poses = np.tile(np.eye(4), (1000, 1, 1))
    poses[:, 0, 3] = 5e5 + np.arange(1000)
    frames = tuple(Frame(f'{i}', CAMERA.moved(pose)) for i, pose in enumerate(poses))
    panel, tab, gui = make_panel(frames=FrameSet(frames, {'a': 'pose is zero'}))
    menu, slider = gui.add_dropdown.return_value, gui.add_slider.return_value
    none, *names = menu.options
    assert none == menu.value == '-'
    assert (slider.max, slider.value) == (1000, 0)
    assert 50 <= len(names) <= MAX_FRAMES
    assert np.ptp(np.diff([int(name) for name in names])) == 0
    note = gui.add_markdown.return_value.content
    assert f'{len(names)} of 1,000 photos are listed' in note
    assert '1 more cannot be used: pose is zero' in note
    gui.add_checkbox.return_value.value = True
    panel._draw()
    add = tab.client.scene.add_camera_frustum
    placed = [call.kwargs['position'] for call in add.call_args_list]
    # Near the local zero of the scene.
    np.testing.assert_allclose(placed, [(int(name), 0, 0) for name in names])
    # Every photo can be chosen, also those that are not listed.
    picture = gui.add_image.return_value
    for number, name in ((500, '499'), (1000, '999'), (1, '0'), (-1, '-')):
        panel.choose(number)
        assert menu.value == name and name in menu.options
        assert slider.value == max(number, 0)
        assert picture.visible == (number > 0)
        assert len(menu.options) <= MAX_FRAMES + 2
    (step,) = gui.add_button_group.return_value.on_click.call_args.args
    for way, name in (('Back', '-'), ('Next', '0'), ('Next', '1'), ('Back', '0')):
        step(MagicMock(target=MagicMock(value=way)))
        assert menu.value == name
    (pulled,) = slider.on_update.call_args.args
    slider.value = 700
    pulled(MagicMock())
    assert menu.value == '699' and panel._shown.frame is frames[699]
    (listed,) = menu.on_update.call_args.args
    menu.value = names[2]
    listed(MagicMock())
    assert slider.value == int(names[2]) + 1
    tab.fly = MagicMock()
    panel._fly()
    assert tab.fly.call_args.args[0].position == pytest.approx([int(names[2]), 0, 0])


def test_photos_in_a_scan_folder(tmp_path):
    write(tmp_path, scannet())
    _, _, gui = make_panel(source=tmp_path)
    assert gui.add_dropdown.return_value.options == ('-', '0', '1', '2')
    # In millimetres the scan is not where the cameras are.
    _, _, gui = make_panel(source=tmp_path, scale=0.001)
    assert not gui.add_folder.return_value.__enter__.return_value.visible
    (tmp_path / 'pose' / '1.txt').write_bytes(matrix(2 * np.eye(4)))
    _, tab, gui = make_panel(source=tmp_path)
    title, text, _ = tab.say.call_args.args
    assert 'cannot be read' in title and 'rigid' in text
    assert not gui.add_folder.return_value.__enter__.return_value.visible


def test_a_photo_that_cannot_be_read_is_not_shown_later():
    panel, tab, gui = make_panel(frames=FrameSet((Frame('a', CAMERA),)))
    picture = gui.add_image.return_value
    panel.choose(1)
    assert picture.visible and panel._shown
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Frame, 'read_color', MagicMock(side_effect=OSError('gone')))
        frames = FrameSet((Frame('a', CAMERA, MagicMock()),))
        panel._opened = panel._opened._replace(frames=frames)
        with pytest.raises(OSError, match='gone'):
            panel.choose(1)
    assert not picture.visible
    tab.tell('labels', None)
    assert not picture.visible


def test_a_photo_is_read_as_a_file_of_its_own_scene():
    """Also where another scene is opened while it is read; that one shows no photo then."""
    panel, tab, gui = make_panel(frames=FrameSet((Frame('a', CAMERA),)))
    reading = tab.workspace.library.reading
    panel._opened = panel._opened._replace(key='first')
    tab.key = 'second'
    panel.choose(1)
    assert reading.call_args.args == ('first',)
    assert panel._shown
    panel.choose(0)
    reading.return_value.__enter__.side_effect = lambda: setattr(panel, '_opened', None)
    panel.choose(1)
    assert not panel._shown and not gui.add_image.return_value.visible


def test_standing_where_no_photo_was_chosen_is_a_message():
    panel, tab, _ = make_panel(frames=FrameSet((Frame('a', CAMERA),)))
    panel._fly()
    assert 'Choose a photo' in tab.say.call_args.args[0]
