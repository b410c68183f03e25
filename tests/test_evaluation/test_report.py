"""Reports of small evaluations."""

from __future__ import annotations

import json

import pytest
from mmengine.evaluator import BaseMetric, Evaluator

from tests.test_evaluation.test_metrics import all_metrics, make_sample
from unison3d.evaluation import InteractiveMetric
from unison3d.evaluation.report import collect_report, write_report
from unison3d.structures import SceneSample


class Foreign(BaseMetric):
    """A metric that knows nothing of scenes."""

    default_prefix = 'foreign'

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {'undefined': float('nan')}


@pytest.fixture
def report():
    metrics = [*all_metrics(), Foreign()]
    samples = [make_sample(), make_sample(perfect=False), SceneSample()]
    evaluator = Evaluator(metrics)
    evaluator.process(samples, {})
    numbers = evaluator.evaluate(len(samples))
    return collect_report(metrics, numbers, ['good', 'half | chair', 'bare'], {'config': 'a.py'})


def test_worst_scene_first_and_bare_scenes_left_out(report):
    assert [scene.name for scene in report.scenes] == ['half | chair', 'good']
    assert report.scenes[1].mean == pytest.approx(1)
    tasks = {'semantic', 'instance', 'panoptic', 'interactive', 'referring', 'open_vocabulary'}
    assert set(report.scenes[0].scores) == tasks
    assert {table.title.split(',')[0].replace(' ', '_') for table in report.tables} == tasks


def test_both_files_say_the_same(report, tmp_path):
    paths = write_report(tmp_path / 'out', report)
    assert [path.name for path in paths] == ['report.md', 'report.json']
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'report.json',
        'report.md',
    ]
    text = (tmp_path / 'out' / 'report.md').read_text(encoding='utf-8')
    data = json.loads((tmp_path / 'out' / 'report.json').read_text(encoding='utf-8'))
    assert data['numbers']['foreign/undefined'] is None
    assert '| foreign/undefined | - |' in text
    assert data['numbers']['referring/mIoU'] == pytest.approx(report.numbers['referring/mIoU'])
    semantic = next(t for t in data['tables'] if t['title'].startswith('semantic'))
    rows = dict(semantic['rows'])
    assert rows['chair'] == [1.0, 1.0]
    assert rows['sofa'] == [None, None]
    assert '| chair | 1.0000 | 1.0000 |' in text
    assert '| sofa | - | - |' in text
    # A bar in the name of a scene would end its cell.
    assert '| half \\| chair |' in text
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if line.startswith('| ---'):
            width = line.count('|')
            assert lines[index - 1].count('|') == width


def test_two_metrics_of_one_kind_are_told_apart():
    metrics = [
        InteractiveMetric(),
        InteractiveMetric(ground_truth='superpoints', prefix='published'),
    ]
    evaluator = Evaluator(metrics)
    evaluator.process([make_sample()], {})
    # One scene of two was tested.
    report = collect_report(metrics, evaluator.evaluate(1), ['first', 'second'], {})
    titles = ['interactive, by class', 'interactive, by class (published)']
    assert [table.title for table in report.tables] == titles
    assert [scene.name for scene in report.scenes] == ['first']
    assert set(report.scenes[0].scores) == {'interactive', 'published'}


def test_an_evaluation_without_scenes(tmp_path):
    report = collect_report([], {}, [], {})
    write_report(tmp_path, report)
    assert json.loads((tmp_path / 'report.json').read_text())['scenes'] == []
