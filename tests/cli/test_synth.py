from __future__ import annotations

import json
import re

import pytest

from unison3d.cli.main import main, parse_arguments
from unison3d.errors import ConfigError


def synth(out, *words):
    return main(['synth', 'rooms', '--out', str(out), *words])


def test_a_user_makes_rooms_and_goes_on_later(tmp_path, capsys):
    from unison3d.structures import PointScene

    assert synth(tmp_path, '--num', '1', '--seed', '3') == 0
    assert 'unison3d infer' in capsys.readouterr().out
    path = tmp_path / 'room_0000003.ply'
    scene = PointScene.from_file(path)
    assert len(scene) > 1000
    assert scene.semantic_ids is not None
    assert scene.instance_ids.max() + 1 <= len(scene.instance_names)
    sentences = json.loads((tmp_path / 'room_0000003.sentences.json').read_text())
    assert all(sentence['text'] for sentence in sentences)
    before = path.read_bytes()
    assert synth(tmp_path, '--num', '1', '--seed', '3') == 0
    assert 'already there' in capsys.readouterr().out
    assert synth(tmp_path, '--num', '1', '--seed', '3', '--overwrite') == 0
    assert path.read_bytes() == before, 'the same seed gives the same file'


def test_own_rooms_are_neither_those_of_the_test_nor_of_training():
    from conftest import REPO_ROOT
    from mmengine.config import Config

    first = parse_arguments(['synth', 'rooms', '--num', '1', '--out', 'x']).seed
    config = Config.fromfile(REPO_ROOT / 'configs/_base_/datasets/synth-rooms.py')
    for loader in (config.train_dataloader, config.test_dataloader):
        rooms = range(loader.dataset.seed, loader.dataset.seed + loader.dataset.num_scenes)
        assert first > rooms[-1]
        sample = re.search(
            r'^SEED = (\d+)', (REPO_ROOT / 'tools/make_sample_scan.py').read_text(), re.M
        )
        assert int(sample[1]) not in rooms


def test_no_rooms(tmp_path, capsys):
    assert synth(tmp_path / 'new', '--num', '0') == 0
    assert list((tmp_path / 'new').iterdir()) == []


@pytest.mark.parametrize('words', [['--num', '-1'], ['--num', '1', '--workers', '0']])
def test_numbers_out_of_range(tmp_path, words, capsys):
    assert synth(tmp_path, *words) == ConfigError.exit_code
    assert 'expected' in capsys.readouterr().err


def test_rooms_are_a_data_set(tmp_path):
    from unison3d.datasets import SceneFolderDataset

    assert synth(tmp_path, '--num', '1') == 0
    (scene,) = [
        data.load_scene(data.get_data_info(0))
        for data in [SceneFolderDataset(data_root=str(tmp_path))]
    ]
    assert scene['sentences']
    assert len(scene['instance_names']) == len(scene['instance_semantic'])


def test_a_user_makes_scans_and_goes_on_later(tmp_path, capsys):
    from unison3d.structures import PointScene

    words = ['synth', 'scans', '--out', str(tmp_path), '--num', '1', '--seed', '3']
    words += ['--profile', 'rooms-v1', '--image-width', '64']
    assert main(words) == 0
    assert 'unison3d prepare scannet' in capsys.readouterr().out
    scene = PointScene.from_file(tmp_path / 'scans' / 'synth0000003_00')
    assert len(scene) > 1000
    assert scene.superpoints is not None
    assert main(words) == 0
    assert 'already there' in capsys.readouterr().out
    assert main([*words, '--image-width', '65']) == ConfigError.exit_code
