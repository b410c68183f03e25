"""From a config to weights to the answers about a scan, and back from disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO_ROOT

from unison3d import Segmenter
from unison3d.cli.main import main
from unison3d.io.images import read_color_image
from unison3d.structures import SCANNET20, PointScene
from unison3d.synth.sample import make_scene

CONFIG = REPO_ROOT / 'configs' / 'unified' / 'unified-s_smoke.py'


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory) -> Path:
    """What the smoke training leaves behind."""
    folder = tmp_path_factory.mktemp('smoke')
    caches = [
        f'{kind}_dataloader.dataset.cache_dir={folder / "rooms"}'
        for kind in ('train', 'val', 'test')
    ]
    words = ['train', str(CONFIG), '--work-dir', str(folder / 'work'), '--cfg-options', *caches]
    assert main(words) == 0
    return folder / 'work'


@pytest.fixture(scope='module')
def room(tmp_path_factory) -> Path:
    """A procedural room as a file, of a seed that neither training nor test use."""
    made = make_scene(77, kind='office', max_points=12_000, num_sentences=0)
    path = tmp_path_factory.mktemp('room') / 'room.ply'
    PointScene.from_arrays(made.points, made.colors).save(path)
    return path


def test_training_leaves_checkpoint_log_and_weights(work_dir):
    assert (work_dir / 'last_checkpoint').read_text().strip().endswith('iter_2.pth')
    assert (work_dir / 'iter_2.pth').is_file()
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    logs = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [entry['loss'] for entry in logs if 'loss' in entry]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert any('panoptic/PQ' in entry for entry in logs)


def test_a_report_of_the_exported_weights(work_dir, tmp_path):
    weights = work_dir / 'unified-s_smoke.safetensors'
    cache = f'test_dataloader.dataset.cache_dir={work_dir.parent / "rooms"}'
    words = ['test', str(CONFIG), str(weights), '--work-dir', str(tmp_path / 'work')]
    words += ['--report', str(tmp_path / 'report'), '--cfg-options', cache]
    assert main(words) == 0
    report = json.loads((tmp_path / 'report' / 'report.json').read_text(encoding='utf-8'))
    titles = {table['title'] for table in report['tables']}
    assert {'semantic, by class', 'instance, by class', 'panoptic, by class'} <= titles
    assert len(report['scenes']) == len(report['pictures']) == 2
    means = [scene['mean'] for scene in report['scenes']]
    assert means == sorted(means)
    text = (tmp_path / 'report' / 'report.md').read_text(encoding='utf-8')
    for picture in report['pictures'].values():
        assert f']({picture})' in text
        image = read_color_image(tmp_path / 'report' / picture)
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 10


def test_exported_weights_answer_all_tasks(work_dir, room, tmp_path):
    segmenter = Segmenter.from_pretrained(work_dir / 'unified-s_smoke.safetensors', device='cpu')
    scene = segmenter.set_scene(room)
    click = tuple(scene.world_points[len(scene) // 2].tolist())
    tasks = ['semantic', 'instance', 'panoptic', 'interactive', 'referring', 'open_vocabulary']
    # A name of the bank serves as a sentence without a language model.
    result = segmenter.predict(tasks, clicks=[click], texts=['chair'])
    assert result.semantic.shape == (len(scene),)
    assert set(np.unique(result.semantic)) <= set(range(len(SCANNET20)))
    assert len(result.click_masks) == len(result.text_masks) == 1

    paths = result.save(tmp_path / 'out')
    assert all(path.is_file() for path in paths)
    report = json.loads((tmp_path / 'out' / 'result.json').read_text(encoding='utf-8'))
    assert set(report['tasks']) == set(tasks)
    arrays = np.load(tmp_path / 'out' / 'result.npz')
    np.testing.assert_array_equal(arrays['semantic'], result.semantic)
    np.testing.assert_array_equal(arrays['panoptic_instance'], result.panoptic_instance)
    np.testing.assert_array_equal(
        arrays['interactive_masks'], result.click_masks.superpoint_masks.numpy()
    )
    again = PointScene.from_file(tmp_path / 'out' / 'semantic.ply')
    np.testing.assert_allclose(again.world_points, scene.world_points, atol=1e-4)
    np.testing.assert_array_equal(again.semantic_ids, result.semantic)


def test_the_same_weights_give_the_same_answer(work_dir, room):
    weights = work_dir / 'unified-s_smoke.safetensors'
    results = []
    for _ in range(2):
        segmenter = Segmenter.from_pretrained(weights, device='cpu')
        segmenter.set_scene(room)
        results.append(segmenter.predict())
    np.testing.assert_array_equal(results[0].panoptic_instance, results[1].panoptic_instance)
    np.testing.assert_array_equal(results[0].instances.scores, results[1].instances.scores)
