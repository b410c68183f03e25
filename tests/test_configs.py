"""Every config in the tree loads, builds, and says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from conftest import REPO_ROOT
from mmengine.config import Config

from unison3d.engine.checkpoint import save_weights
from unison3d.registry import DATASETS, METRICS, MODELS, PARAM_SCHEDULERS
from unison3d.synth.catalog import seen_names, withheld_names

CONFIGS = sorted(
    path for path in (REPO_ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_'
)
# What is trained on procedural rooms, so that anybody can.
ROOMS = [path for path in CONFIGS if path.stem.startswith('unified-')]
METAFILES = sorted((REPO_ROOT / 'configs').glob('*/metafile.yml'))


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request):
    return Config.fromfile(request.param)


@pytest.fixture(params=ROOMS, ids=lambda path: path.stem)
def rooms(request):
    return Config.fromfile(request.param)


def test_parts_build(config):
    model = MODELS.build(config.model)
    assert sum(p.numel() for p in model.parameters()) > 0
    metrics = [METRICS.build(metric) for metric in config.get('test_evaluator', [])]
    assert len({metric.prefix for metric in metrics}) == len(metrics)


def test_rooms_build(rooms, tmp_path):
    for loader in (rooms.train_dataloader, rooms.test_dataloader):
        loader.dataset.cache_dir = str(tmp_path)
        assert len(DATASETS.build(loader.dataset)) == loader.dataset.num_scenes


def test_names_are_those_of_the_catalogue(rooms):
    assert rooms.vocabulary == ['wall', 'floor', *seen_names()]
    assert rooms.withheld == list(withheld_names())


def test_withheld_names_stay_out_of_training(rooms):
    task = rooms.model.tasks.open_vocabulary
    assert not set(task.vocabulary) & set(rooms.withheld)
    assert set(rooms.withheld) <= set(task.test_vocabulary)
    assert rooms.train_pipeline[0].type == 'WithholdClasses'
    assert set(rooms.train_pipeline[0].names) == set(rooms.withheld)


def test_rooms_of_training_and_test_are_apart(rooms):
    train, test = rooms.train_dataloader.dataset, rooms.test_dataloader.dataset
    train_seeds = range(train.seed, train.seed + train.num_scenes)
    test_seeds = range(test.seed, test.seed + test.num_scenes)
    assert not set(train_seeds) & set(test_seeds)


def test_the_published_schedule():
    config = Config.fromfile(REPO_ROOT / 'configs' / 'unified' / 'uniseg3d_scannet.py')
    optimizer = torch.optim.SGD([torch.zeros(1)], config.optim_wrapper.optimizer.lr)
    schedule = PARAM_SCHEDULERS.build({**config.param_scheduler[0], 'optimizer': optimizer})
    rates = []
    for _ in range(config.train_cfg.max_epochs):
        rates += schedule.get_last_value()
        optimizer.step()
        schedule.step()
    # Section 6.1 of the engineering specification.
    expected = {0: 1e-4, 1: 9.98242e-5, 256: 5.358867e-5, 495: 4.66725e-6, 511: 3.64466e-7}
    assert {epoch: rates[epoch] for epoch in expected} == pytest.approx(expected, rel=1e-5)


def test_exported_weights_are_named_like_the_config(config):
    exports = [hook for hook in config.custom_hooks if hook.type == 'ExportWeightsHook']
    assert [hook.filename for hook in exports] == [f'{Path(config.filename).stem}.safetensors']


def test_the_smoke_config_is_small_and_needs_no_language_model():
    config = Config.fromfile(REPO_ROOT / 'configs' / 'unified' / 'unified-s_smoke.py')
    assert config.train_cfg.max_iters == config.train_cfg.val_interval == 2
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.num_workers == 0
        assert loader.dataset.num_scenes <= 4
        assert loader.dataset.text_encoder is None
        assert loader.dataset.scene_options.num_sentences == 0


def test_the_base_model_answers_and_stays_below_60_megabytes(tmp_path):
    config = Config.fromfile(REPO_ROOT / 'configs' / 'unified' / 'unified-b_synth-rooms.py')
    # Otherwise voxels are lost on the way down.
    levels = len(config.model.backbone.planes)
    assert config.model.data_preprocessor.spatial_multiple == 2 ** (levels - 1)
    model = MODELS.build(config.model).eval()
    assert 25e6 < sum(p.numel() for p in model.parameters()) < 30e6
    path = tmp_path / 'weights.safetensors'
    save_weights(path, model.state_dict(), dtype=torch.float16)
    assert path.stat().st_size < 60e6

    small = dict(profile='rooms-v1', kind='office', clutter=0.2, spacing=0.06, max_points=5_000)
    rooms = {**config.test_dataloader.dataset, 'cache_dir': None, 'text_encoder': None}
    room = DATASETS.build({**rooms, 'scene_options': {**small, 'num_sentences': 0}})[0]
    inputs = {name: [value] for name, value in room['inputs'].items()}
    data = model.data_preprocessor({'inputs': inputs, 'data_samples': [room['data_samples']]})
    (answer,) = model.predict(data['inputs'], data['data_samples'])
    num_points = len(room['inputs']['points'])
    assert len(answer.pred_semantic) == len(answer.pred_panoptic_instance) == num_points
    assert len(answer.pred_clicks) == answer.prompts.num_clicks > 0


@pytest.mark.parametrize('name', ['unified-b_synth-rooms', 'unified-t_ablation'])
def test_the_schedule_ends_with_the_training(name):
    config = Config.fromfile(REPO_ROOT / 'configs' / 'unified' / f'{name}.py')
    warm_up, cosine = config.param_scheduler
    assert warm_up.end == cosine.begin
    assert cosine.end == config.train_cfg.max_iters


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.parent.name)
def test_metafile_lists_the_configs_of_its_folder(path):
    meta = yaml.safe_load(path.read_text(encoding='utf-8'))
    collections = [entry['Name'] for entry in meta['Collections']]
    assert {model['In Collection'] for model in meta['Models']} <= set(collections)
    for entry in meta['Collections']:
        assert (REPO_ROOT / entry['README']).is_file()
        assert (REPO_ROOT / entry['Code']).is_file()
    listed = {model['Config']: model for model in meta['Models']}
    shown = [c for c in CONFIGS if c.parent == path.parent and not c.stem.endswith('_smoke')]
    assert set(listed) == {c.relative_to(REPO_ROOT).as_posix() for c in shown}
    for config, model in listed.items():
        built = MODELS.build(Config.fromfile(REPO_ROOT / config).model)
        assert sum(p.numel() for p in built.parameters()) == model['Metadata']['Parameters']
