"""One run of MMEngine each way, with the configs of the page."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('mmdet3d', reason='mmdet3d is not installed; see make test-bridge')

from mmengine.runner import Runner
from test_bridges.mmdet3d_files import config_of_the_page

from unison3d.io.config_files import read_config_file

TWO_ITERATIONS = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)


def shrunk(config, work_dir):
    config.work_dir = str(work_dir)
    config.train_cfg = TWO_ITERATIONS
    config.val_cfg, config.test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.num_workers = 0
    config.default_hooks.logger.interval = 1
    config.log_processor = dict(by_epoch=False)
    return config


def values_logged(runner) -> dict[str, float]:
    return {
        name: history.current()
        for name, history in runner.message_hub.log_scalars.items()
        if name.startswith('train/loss') or name.startswith('val/')
    }


def test_their_data_train_our_model(scannet_folder, tmp_path):
    config = read_config_file(config_of_the_page('their_data_our_model.py', tmp_path))
    config = shrunk(config, tmp_path / 'work')
    assert config.default_scope == 'mmdet3d'
    config.param_scheduler = None
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(scannet_folder)
    runner = Runner.from_cfg(config)
    before = {n: p.detach().clone() for n, p in runner.model.named_parameters()}
    runner.train()
    moved = [n for n, p in runner.model.named_parameters() if not p.equal(before[n])]
    assert any('backbone' in name for name in moved)
    values = values_logged(runner)
    assert np.isfinite(values['train/loss'])
    # Two evaluators of two toolboxes, one prediction.
    assert values['val/semantic/mIoU'] == pytest.approx(values['val/miou'], abs=1e-6)
    assert {'val/instance/AP', 'val/all_ap'} <= values.keys()


def test_our_data_train_their_model(tmp_path):
    from unison3d.engine import SafeRunner

    config = read_config_file(config_of_the_page('our_data_their_model.py', tmp_path))
    config = shrunk(config, tmp_path / 'work')
    assert config.default_scope == 'unison3d'
    small = dict(
        profile='rooms-v1',
        kind='office',
        clutter=0.2,
        spacing=0.05,
        max_points=6000,
        num_sentences=0,
    )
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.update(num_scenes=2, cache_dir=str(tmp_path / 'rooms'), scene_options=small)
    config.model.backbone.update(
        base_channels=8,
        encoder_channels=[8, 12, 16, 16],
        encoder_blocks=[1, 1, 1, 1],
        decoder_channels=[16, 12, 8, 8],
        decoder_blocks=[1, 1, 1, 1],
    )
    config.model.decode_head.channels = 8
    runner = SafeRunner.from_cfg(config)
    assert type(runner.model).__module__.startswith('mmdet3d')
    before = {n: p.detach().clone() for n, p in runner.model.named_parameters()}
    runner.train()
    moved = [n for n, p in runner.model.named_parameters() if not p.equal(before[n])]
    assert any(name.startswith('backbone.encoder') for name in moved)
    values = values_logged(runner)
    assert np.isfinite(values['train/loss'])
    assert values['val/semantic/mIoU'] == pytest.approx(values['val/miou'], abs=1e-6)
