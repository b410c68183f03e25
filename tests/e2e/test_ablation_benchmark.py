"""The ablation trains what it says, repeats nothing, and compares on the same rooms."""

from __future__ import annotations

import json

import pytest
from conftest import REPO_ROOT
from mmengine.config import Config

CONFIG = REPO_ROOT / 'configs' / 'unified' / 'unified-t_ablation.py'


@pytest.fixture
def ablation(monkeypatch):
    monkeypatch.syspath_prepend(str(REPO_ROOT / 'benchmarks'))
    import ablation

    return ablation


def test_runs_hold_their_own_tasks_only(ablation, tmp_path):
    config = Config.fromfile(CONFIG)
    found = {
        name: set(ablation.config_of(config, run, tmp_path).model.tasks)
        for name, run in ablation.RUNS.items()
    }
    everything = {'closed_set', 'click', 'text', 'open_vocabulary'}
    assert found.pop('unified') == found.pop('unified, another seed') == everything
    assert found.pop('open vocabulary') == {'closed_set', 'open_vocabulary'}
    alone = {'referring': 'text', 'referring, another seed': 'text', 'clicks': 'click'}
    assert found == {name: {alone.get(name, 'closed_set')} for name in found}
    assert set(config.model.tasks) == everything


def test_a_quick_run_is_measured_once(ablation, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, 'RESAMPLES', 3)
    caches = [
        f'{kind}_dataloader.dataset.cache_dir={tmp_path / "rooms"}' for kind in ('train', 'test')
    ]
    work = tmp_path / 'work'
    words = [str(CONFIG), '--quick', '--work-dir', str(work)]
    words += ['--runs', 'semantic', '--cfg-options', *caches]
    ablation.main(words)
    (log,) = (work / 'semantic').glob('*/vis_data/scalars.json')
    entry = json.loads(log.read_text().splitlines()[0])
    assert entry['loss'] == entry['loss_semantic'] > 0

    path = work / 'semantic' / 'measured.json'
    measured = json.loads(path.read_text())
    assert 0 <= measured['numbers']['semantic/mIoU'] <= 1
    assert 'interactive/IoU@1' not in measured['numbers']
    written = path.stat().st_mtime_ns
    ablation.main(words)
    assert path.stat().st_mtime_ns == written
    with pytest.raises(SystemExit, match='other settings'):
        ablation.main([*words, 'optim_wrapper.optimizer.lr=0.5'])


def test_standard_error_is_that_of_the_same_rooms(ablation):
    number = 'interactive/IoU@1'
    drawn = [0.2, 0.6, 0.4]
    measured = {
        'unified': {'numbers': {number: 0.5}, 'resampled': [{number: v + 0.1} for v in drawn]},
        'clicks': {'numbers': {number: 0.4}, 'resampled': [{number: v} for v in drawn]},
    }
    (row,) = ablation.compare(measured)
    assert row['difference'] == pytest.approx(0.1)
    assert row['relative'] == pytest.approx(0.25)
    assert row['difference_error'] == pytest.approx(0, abs=1e-9)
    assert row['value_error'] == pytest.approx(0.2)
    line = '| click IoU@1 | unified | 50.0 ± 20.0 | clicks | 40.0 | +10.0 ± 0.0 | +25.0% |'
    assert line in ablation.table([row])
