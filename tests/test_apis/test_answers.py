"""Remembered answers equal fresh ones, and cost nothing."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import torch
from tiny import tiny_model

from tests.test_apis.api_samples import HashEncoder, room, slabs
from unison3d.apis import TASKS, Segmenter
from unison3d.apis.answers import MAX_KEPT_ANSWERS
from unison3d.structures import PointScene

EVERYTHING = {'clicks': (1.0, 1.0, 0.5), 'texts': 'the chair', 'vocabulary': ['chair', 'table']}


def same(one, other) -> None:
    """The arrays of two results are equal bit for bit."""
    first, second = one.arrays(), other.arrays()
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.fixture
def passes(segmenter, monkeypatch):
    """The tasks of every decoder pass."""
    made: list[str] = []
    decode = segmenter.model.decode

    def counted(features, sample, tasks, **options):
        made.extend(tasks)
        return decode(features, sample, tasks, **options)

    monkeypatch.setattr(segmenter.model, 'decode', counted)
    return made


def test_remembered_and_fresh_answers_are_equal(segmenter):
    scene = slabs()
    segmenter.set_scene(scene)
    fresh = segmenter.predict(**EVERYTHING)
    again = segmenter.predict(**EVERYTHING)
    assert fresh.tasks == list(TASKS)
    same(fresh, again)
    other = Segmenter(segmenter.model)
    other.set_scene(scene)
    other.predict(vocabulary=['lamp'])
    other.predict(clicks=(2.0, 1.0, 0.5))
    same(fresh, other.predict(**EVERYTHING))
    alone = Segmenter(segmenter.model)
    alone.set_scene(scene)
    np.testing.assert_array_equal(fresh.semantic, alone.predict('semantic').semantic)


def test_only_prompts_reach_the_decoder(segmenter, passes):
    segmenter.set_scene(room())
    segmenter.predict()
    assert passes == ['closed_set']
    segmenter.predict(clicks=(1.0, 1.0, 0.5))
    segmenter.predict(vocabulary=['chair'])
    segmenter.predict(vocabulary=['table', 'chair'], texts='the chair')
    assert passes == ['closed_set', 'click', 'text']
    segmenter.set_scene(room(seed=1))
    segmenter.predict()
    assert passes[3:] == ['closed_set']


def test_answers_belong_to_one_scene(segmenter):
    first = segmenter.set_scene(slabs())
    before = segmenter.predict()
    segmenter.set_scene(room(seed=3))
    segmenter.predict()
    segmenter.set_scene(first)
    same(before, segmenter.predict())


def test_a_reader_may_change_its_answer(segmenter):
    segmenter.set_scene(slabs())
    kept = segmenter.predict().semantic.copy()
    segmenter.predict().semantic[:] = -7
    np.testing.assert_array_equal(segmenter.predict().semantic, kept)


def test_other_settings_are_another_answer():
    model = tiny_model()
    segmenter = Segmenter(model)
    segmenter.set_scene(slabs())
    assert len(segmenter.predict().instances)
    task = model.tasks['closed_set']
    task.postprocess = dataclasses.replace(task.postprocess, score_threshold=2.0)
    result = segmenter.predict()
    assert len(result.instances) == 0
    assert result.records['instance'].settings['score_threshold'] == 2.0
    assert not result.records['instance'].reused


def test_memory_is_bounded(segmenter, passes):
    segmenter.set_scene(slabs())
    names = ['chair', 'table', 'bed', 'sofa', 'door', 'desk', 'sink', 'toilet', 'lamp', 'window']
    for name in names:
        segmenter.predict('open_vocabulary', vocabulary=name)
    assert len(segmenter._answers._kept) == MAX_KEPT_ANSWERS
    assert passes == ['open_vocabulary']
    assert not segmenter.predict(vocabulary=names[0]).records['open_vocabulary'].reused
    assert segmenter.predict(vocabulary=names[-1]).records['open_vocabulary'].reused


def test_a_large_pass_is_not_kept(segmenter, passes, monkeypatch):
    monkeypatch.setattr('unison3d.apis.answers.MAX_KEPT_LOGITS', 10)
    segmenter.set_scene(slabs())
    segmenter.predict(vocabulary='chair')
    segmenter.predict(vocabulary='chair')
    assert passes == ['closed_set', 'open_vocabulary']


def test_records(segmenter):
    segmenter.set_scene(slabs())
    first = segmenter.predict(**EVERYTHING)
    report = first.to_json()['tasks']
    assert list(report) == list(TASKS)
    for name, entry in report.items():
        task = segmenter.model.tasks[TASKS[name]]
        assert entry['settings']['mask_threshold'] == task.postprocess.mask_threshold
        assert 0 < entry['seconds'] < 60
        assert entry['reused'] is False
    assert report['semantic']['settings']['logit_scale'] > 0
    assert report['semantic']['settings']['label_space'] == 'scannet20'
    assert report['interactive']['settings']['max_click_distance'] == 0.25
    assert report['interactive']['shared_with'] == []
    assert report['instance']['shared_with'] == ['semantic', 'panoptic', 'open_vocabulary']
    assert report['instance']['seconds'] == report['panoptic']['seconds']

    second = segmenter.predict(**EVERYTHING).to_json()['tasks']
    assert [name for name, entry in second.items() if entry['reused']] == [
        *['semantic', 'instance', 'panoptic', 'open_vocabulary']
    ]
    assert second['semantic']['seconds'] == report['semantic']['seconds']


def test_an_empty_scene_has_settings_too(segmenter):
    segmenter.set_scene(room(0))
    report = segmenter.predict(vocabulary=['chair']).to_json()['tasks']
    assert report['open_vocabulary']['vocabulary'] == ['chair']
    assert report['open_vocabulary']['seconds'] == 0
    assert report['semantic']['settings']['topk'] > 0


def test_a_further_click_is_fast():
    """A small share of a whole answer, also with the default tasks on a scene of many points."""
    model = tiny_model()
    model.tasks['text']._text_encoder = HashEncoder()
    segmenter = Segmenter(model)
    rng = np.random.default_rng(0)
    points = rng.random((80_000, 3)) * [8, 6, 3]
    cells = (points / [0.5, 0.5, 0.3]).astype(int) @ [1, 16, 192]
    scene = PointScene.from_arrays(points, superpoints=cells)

    def whole(row: int) -> None:
        segmenter.set_scene(scene)
        segmenter.predict(clicks=points[row])

    def further(row: int) -> None:
        segmenter.predict(clicks=points[row + 1])

    seconds = {whole: [], further: []}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for row in range(0, 80_000, 20_000):
            for answer, spent in seconds.items():
                start = time.process_time()
                answer(row)
                spent.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    assert 40 * min(seconds[further]) < min(seconds[whole]), seconds
