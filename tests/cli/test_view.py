from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unison3d.apis.colors import COLORINGS, scene_colors
from unison3d.cli import view
from unison3d.cli.main import main, parse_arguments
from unison3d.errors import ConfigError, SceneError
from unison3d.structures import PointScene


def draw(scan, out, *words):
    return main(['view', str(scan), '--snapshot', str(out), '--size', '80x60', *words])


def pixels(path):
    return np.asarray(Image.open(path))


def test_a_picture_of_a_scan(scan, tmp_path):
    out = tmp_path / 'new' / 'scan.png'
    assert draw(scan, out) == 0
    image = pixels(out)
    assert image.shape == (60, 80, 3)
    # Only the box is blue.
    blue = (image[..., 2] > 80) & (image[..., 0] < 60)
    assert 20 < blue.sum() < 0.3 * blue.size


def test_a_sheet_of_colourings(scan, tmp_path):
    out = tmp_path / 'scan.png'
    assert draw(scan, out, '--show', 'color', 'height', '--columns', '2') == 0
    assert pixels(out).shape[1] > 160


def test_the_view_counts(scan, tmp_path):
    images = []
    for name, angles in (('a', '0,40'), ('b', '90,40')):
        assert draw(scan, tmp_path / f'{name}.png', '--view', angles) == 0
        images.append(pixels(tmp_path / f'{name}.png'))
    assert (images[0] != images[1]).any()


def test_nothing_is_lost(scan, tmp_path, capsys):
    out = tmp_path / 'scan.png'
    out.write_bytes(b'mine')
    assert draw(scan, out) == ConfigError.exit_code
    assert out.read_bytes() == b'mine'
    assert draw(scan, out, '--overwrite') == 0
    assert draw(scan, tmp_path / 'scan.jpg') == ConfigError.exit_code


def test_what_is_not_there_cannot_be_shown(scan, tmp_path, capsys):
    assert draw(scan, tmp_path / 'scan.png', '--show', 'semantic') == SceneError.exit_code
    assert 'It has color, height' in capsys.readouterr().err


def test_the_unit_counts(scan, tmp_path, monkeypatch):
    scales = []
    read = PointScene.from_file
    monkeypatch.setattr(
        PointScene, 'from_file', lambda path, scale: scales.append(scale) or read(path, scale=scale)
    )
    assert draw(scan, tmp_path / 'scan.png', '--scale', '0.5') == 0
    assert scales == [0.5]


def test_options_of_the_other_way_are_refused(scan, tmp_path, capsys):
    out = tmp_path / 'scan.png'
    assert draw(scan, out, '--port', '8080', '--recover') == ConfigError.exit_code
    assert '--port, --recover: used in the browser only' in capsys.readouterr().err
    assert not out.exists()
    assert main(['view', str(scan), '--keep-ceiling']) == ConfigError.exit_code
    assert '--keep-ceiling: used with --snapshot only' in capsys.readouterr().err


def test_addresses_are_told_for_here_and_elsewhere():
    here, elsewhere = 'http://127.0.0.1:8080/?token=x', 'http://10.1.2.3:8080/?token=x'
    assert view.where_to_go([here], '127.0.0.1') == f'Open {here}'
    told = view.where_to_go([here, elsewhere], '0.0.0.0').splitlines()
    assert told == [f'Open {here}', f'From another machine: {elsewhere}']
    assert 'the name of this one' in view.where_to_go([here], '::')


@pytest.mark.parametrize('words', [['--view', '1'], ['--view', 'a,b'], ['--size', '10']])
def test_words_that_say_nothing(words):
    with pytest.raises(SystemExit):
        parse_arguments(['view', 'a.ply', '--snapshot', 'a.png', *words])


def test_every_colouring_has_colours():
    ids = np.array([0, 1, -1])
    scene = PointScene(
        points=np.eye(3),
        colors=np.eye(3),
        normals=np.eye(3),
        superpoints=[0, 1, 1],
        semantic_ids=[0, 4, 20],
        instance_ids=ids,
        part_ids=ids,
    )
    assert view.COLORINGS == COLORINGS
    for coloring in COLORINGS:
        colors = scene_colors(scene, coloring)
        assert (colors is None) == (coloring == 'height')
        if colors is not None:
            assert colors.shape == (3, 3)
            assert colors.min() >= 0 and colors.max() <= 1
            assert (colors[0] != colors[1]).any()
