"""Pages and animations for others."""

from __future__ import annotations

import base64
import json
import re
import sys
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from unison3d.errors import ConfigError, MissingDependencyError, SceneError
from unison3d.viewer.detail import detail_order
from unison3d.viewer.panel_share import SharePanel
from unison3d.viewer.share import turntable, write_animation, write_page
from unison3d.viewer.view_camera import Eye

EYE = Eye(np.array([3.0, 0, 2]), np.zeros(3))


def test_a_page_holds_the_points_and_asks_nobody(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform(-3, 5, (200, 3)).astype(np.float32)
    colors = rng.integers(0, 256, (200, 3)).astype(np.uint8)
    path = tmp_path / 'page.html'
    nasty = '</script><b>"chair"'
    write_page(path, points, colors, eye=EYE, title='<room>', legend=[(nasty, (1, 2, 3))])
    text = path.read_text(encoding='utf-8')
    assert '<title>&lt;room&gt;</title>' in text
    assert text.count('</script>') == 1
    assert not re.search(r'(src|href)\s*=|https?://|import\s', text)
    data = json.loads(re.search(r'const data = (\{.*\});', text)[1])
    assert data['legend'] == [[nasty, [1, 2, 3]]]
    cells = np.frombuffer(base64.b64decode(data['positions']), '<u2').reshape(-1, 3)
    again = cells * data['step'] + data['low']
    shown = np.frombuffer(base64.b64decode(data['colors']), np.uint8).reshape(-1, 3)
    order = detail_order(points)
    assert again == pytest.approx(points[order], abs=1e-3)
    assert np.array_equal(shown, colors[order])
    write_page(path, points[:0], colors[:0], eye=EYE)
    with pytest.raises(SceneError, match='expected both'):
        write_page(path, points, colors[:5], eye=EYE)


def test_a_turn_as_gif(tmp_path):
    eyes = turntable(EYE, 8)
    assert eyes[0].position == pytest.approx(EYE.position)
    assert eyes[4].position == pytest.approx([-3, 0, 2])
    images = [np.full((20, 30, 3), 30 * n, np.uint8) for n in range(8)]
    path = write_animation(tmp_path / 'turn.gif', images)
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.size) == (8, (30, 20))
        gif.seek(5)
        assert np.asarray(gif.convert('RGB'))[3, 3, 0] == pytest.approx(150, abs=8)
    with pytest.raises(ConfigError, match='.gif or .mp4'):
        write_animation(tmp_path / 'turn.avi', images)
    with pytest.raises(SceneError, match='no pictures'):
        write_animation(tmp_path / 'turn.gif', [])


def test_a_turn_as_film(tmp_path):
    ffmpeg = pytest.importorskip('imageio_ffmpeg')
    images = [np.full((20, 30, 3), 30 * n, np.uint8) for n in range(8)]
    path = write_animation(tmp_path / 'turn.mp4', images)
    facts, *films = ffmpeg.read_frames(str(path))
    assert (facts['size'], facts['codec'], len(films)) == ((30, 20), 'h264', 8)
    assert np.frombuffer(films[5], np.uint8).mean() == pytest.approx(150, abs=8)
    assert [file.name for file in tmp_path.iterdir()] == ['turn.mp4']


def test_a_missing_encoder_is_named_before_a_picture_is_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, 'imageio_ffmpeg', None)
    tab, gui = MagicMock(), MagicMock()
    gui.add_progress_bar.return_value.visible = False
    with pytest.raises(MissingDependencyError, match='pip install imageio-ffmpeg'):
        SharePanel(tab, gui)._spin('MP4')
    tab.client.get_render.assert_not_called()
    tab.fly.assert_not_called()
