"""Every config in the tree loads, builds, and says what the code says."""

from __future__ import annotations

import pytest
from conftest import REPO_ROOT
from mmengine.config import Config

from unison3d.registry import DATASETS, METRICS, MODELS
from unison3d.synth.catalog import seen_names, withheld_names

CONFIGS = sorted(
    path for path in (REPO_ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_'
)


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request):
    return Config.fromfile(request.param)


def test_parts_build(config, tmp_path):
    model = MODELS.build(config.model)
    assert sum(p.numel() for p in model.parameters()) > 0
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.cache_dir = str(tmp_path)
        assert len(DATASETS.build(loader.dataset)) == loader.dataset.num_scenes
    metrics = [METRICS.build(metric) for metric in config.test_evaluator]
    assert len({metric.prefix for metric in metrics}) == len(metrics)


def test_names_are_those_of_the_catalogue(config):
    assert config.vocabulary == ['wall', 'floor', *seen_names()]
    assert config.withheld == list(withheld_names())


def test_withheld_names_stay_out_of_training(config):
    task = config.model.tasks.open_vocabulary
    assert not set(task.vocabulary) & set(config.withheld)
    assert set(config.withheld) <= set(task.test_vocabulary)
    assert config.train_pipeline[0].type == 'WithholdClasses'
    assert set(config.train_pipeline[0].names) == set(config.withheld)


def test_rooms_of_training_and_test_are_apart(config):
    train, test = config.train_dataloader.dataset, config.test_dataloader.dataset
    train_seeds = range(train.seed, train.seed + train.num_scenes)
    test_seeds = range(test.seed, test.seed + test.num_scenes)
    assert not set(train_seeds) & set(test_seeds)
