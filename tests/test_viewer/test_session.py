"""A scan opened for looking, asking and correcting, with a tiny model."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from tiny import tiny_model

from tests.test_apis.api_samples import HashEncoder, slabs
from unison3d.apis import Segmenter
from unison3d.apis.phrase_scores import FITS
from unison3d.errors import ConfigError, PromptError, SceneError, VocabularyError
from unison3d.viewer.label_edits import Delete, Draw, Rename
from unison3d.viewer.layers import LAYERS
from unison3d.viewer.session import NotReadyError, SceneSession
from unison3d.viewer.shared_model import SharedModel


@pytest.fixture(scope='module')
def model():
    tiny = tiny_model()
    tiny.tasks['text']._text_encoder = HashEncoder()
    return SharedModel.of(Segmenter(tiny))


@pytest.fixture(scope='module')
def ready(model):
    session = SceneSession(slabs(), model)
    session.start()
    assert session.wait(120), session.progress
    yield session
    session.close()


def test_what_works_before_the_model_has_seen_the_scene(model):
    session = SceneSession(slabs(), model)
    points = session.scene.points
    assert {'color', 'height', 'instance'} <= set(session.available_layers())
    for name in session.available_layers():
        assert session.layer(name).colors.shape == (len(points), 3)
    session.labels.apply(Draw(np.arange(5)))
    assert session.objects()[0].box.tolist() == [
        points[:5].min(axis=0).tolist(),
        points[:5].max(axis=0).tolist(),
    ]
    for question in (
        lambda: session.click(points[0]),
        lambda: session.ask('the chair'),
        lambda: session.vocabulary('chair'),
        lambda: session.load_predictions(),
        lambda: session.levels(points[0]),
        lambda: session.layer('semantic'),
    ):
        with pytest.raises(NotReadyError, match='not started'):
            question()


def test_progress_grows_and_a_cancelled_encoding_starts_again(model):
    session = SceneSession(slabs(), model)
    seen = []

    def told(progress):
        seen.append(progress)
        if progress.fraction > 0.35 and not was_cancelled.is_set():
            was_cancelled.set()
            session.cancel()

    was_cancelled = threading.Event()
    session.on_progress(told)
    session.start()
    assert not session.wait(120)
    assert session.progress.state == 'cancelled'
    with pytest.raises(NotReadyError, match='cancelled'):
        session.click(session.scene.points[0])
    seen.clear()
    session.start()
    assert session.wait(120)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert len(fractions) > 10
    assert seen[-1].state == 'ready'
    # No hook stays on the weights that all sessions share.
    assert not any(m._forward_hooks for m in model.segmenter().model.modules())


def test_an_encoding_that_fails_says_why(model, monkeypatch):
    def fail(self, scene):
        raise SceneError('a bad scene')

    monkeypatch.setattr(Segmenter, 'set_scene', fail)
    session = SceneSession(slabs(), model)
    session.start()
    assert not session.wait(120)
    assert isinstance(session.error, SceneError)
    with pytest.raises(NotReadyError, match='a bad scene'):
        session.click((0, 0, 0))


def test_clicks_on_objects_and_their_undo(ready):
    points = ready.scene.points
    first = ready.click(points[3], object=1)
    assert first.mask.shape == (len(points),)
    assert np.array_equal(first.mask, first.superpoint_mask[ready.scene.superpoints])
    other = ready.click(points[880], object=2)
    second = ready.click(points[500], positive=False, object=1)
    assert ready.num_clicks(1) == 2
    back = ready.undo_click(1)
    assert np.array_equal(back.mask, first.mask)
    # As the segmenter answers on its own.
    segmenter = ready._facts.segmenter
    alone = segmenter.predict(clicks=[points[3]]).click_masks.masks[0].numpy()
    assert np.array_equal(first.mask, alone)
    assert first.score != other.score
    assert second.object == 1
    boxed = ready.box(points.mean(axis=0), np.ptp(points, axis=0), object=2)
    assert ready.num_clicks(2) == 2
    assert boxed.object == 2
    with pytest.raises(PromptError):
        ready.click((900, 0, 0), object=1)
    assert ready.num_clicks(1) == 1
    assert ready.undo_click(1) is None
    with pytest.raises(PromptError, match='Click the object first'):
        ready.click(points[0], positive=False, object=5)
    ready.clear_clicks()
    assert ready.num_clicks(2) == 0


def test_words(ready):
    answer = ready.ask(' the chair next to the window ')
    assert answer.text == 'the chair next to the window'
    assert answer.heat.dtype == np.float32
    assert ((answer.heat >= 0) & (answer.heat <= 1)).all()
    assert np.array_equal(answer.mask_above(0.0), (answer.heat > 0)[ready.scene.superpoints])
    assert not answer.mask_above(1.1).any()
    assert answer.mask_above(None) is answer.mask
    found = ready.vocabulary('chair, lamp ,table,')
    assert found.names == ('chair', 'lamp', 'table')
    assert set(found.ids.tolist()) <= {0, *(item.id for item in found.objects)}
    assert {item.name for item in found.objects} <= set(found.names)
    assert found.semantic.shape == found.ids.shape
    with pytest.raises(VocabularyError):
        ready.vocabulary(' , ')
    with pytest.raises(PromptError):
        ready.ask('')


def test_an_open_phrase_is_answered_through_names(ready, monkeypatch):
    def fits(encoder, phrases, names):
        return torch.tensor([[float(name == 'chair') for name in names]] * len(phrases))

    monkeypatch.setattr('unison3d.models.tasks.open_vocabulary.name_fits', fits)
    segmenter = ready._facts.segmenter
    expected = segmenter.scores('chair').superpoint_scores[:, 0]
    answer = ready.ask('somewhere to sit')
    assert answer.open
    assert np.array_equal(answer.heat, expected)
    assert answer.threshold == FITS
    assert np.array_equal(answer.mask, (expected >= FITS)[ready.scene.superpoints])
    # Who names something, or speaks of something certain that is there, means an object.
    assert not ready.ask('somewhere to sit near chairs').open
    found = segmenter.predict('referring', texts='the seat').text_masks.superpoint_masks.any()
    assert ready.ask('the seat').open == (not found)
    assert ready.ask('a chair').threshold == 0.5
    # However the name is written.
    task = segmenter.model.tasks['open_vocabulary']
    monkeypatch.setattr(task, 'test_vocabulary', ['T-shirt', '+'])
    for text in ('some T-shirts', 'a t shirt'):
        assert not ready.ask(text).open
    assert ready.ask('a shirt').open


def test_objects_of_the_model_become_labels(ready):
    event = ready.load_predictions('panoptic')
    result = ready._facts.result
    pairs = {(a, b) for a, b in zip(result.panoptic_instance, ready.labels.ids, strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len(ready.labels.objects)
    assert event.objects == tuple(item.id for item in ready.labels.objects)
    largest = max(ready.labels.objects, key=lambda item: item.num_points)
    assert ready.objects_inside(ready.labels.mask(largest.id)) == (largest.id,)
    chosen = ready.labels.mask(largest.id)
    counts = np.bincount(result.semantic[chosen])
    assert ready.class_of(chosen) == result.label_space.classes[counts.argmax()]
    ready.load_predictions('instance', min_score=0.0)
    masks = result.instances
    best = masks.masks[0].numpy()
    if len(masks) and best.any():
        assert len(np.unique(ready.labels.ids[best])) == 1
    ready.labels.undo()
    ready.labels.undo()


def test_levels_grow_around_the_position(ready):
    point = ready.scene.points[77]
    seen = []

    def cancel(progress):
        seen.append(progress.state)
        ready.parts.cancel()

    end = ready.parts.subscribe(cancel)
    with pytest.raises(NotReadyError, match='cancelled'):
        ready.levels(point)
    end()
    # It stopped at the next step, and asking once more begins again.
    assert seen == ['working', 'cancelled']
    levels = ready.levels(point)
    assert levels[0][ready.scene.superpoints[77]]
    assert levels[0].sum() == 1
    assert all((a <= b).all() for a, b in zip(levels, levels[1:], strict=False))


def test_every_layer_has_a_colour_for_every_point(ready):
    heat = ready.ask('a chair').heat
    assert ready.available_layers() == LAYERS
    for name in LAYERS:
        layer = ready.layer(name, heat=heat, threshold=0.5, dark=True)
        assert layer.colors.shape == (len(ready.scene), 3)
        assert layer.colors.dtype == np.uint8
    classes = {entry.key for entry in ready.layer('semantic').legend}
    assert not ready.layer('semantic', hidden=classes).visible.any()
    counts = sum(entry.count for entry in ready.layer('panoptic').legend)
    assert counts == len(ready.scene)
    with pytest.raises(ConfigError, match='ask one first'):
        ready.layer('heat')
    with pytest.raises(ConfigError, match='no layer'):
        ready.layer('smell')


def test_two_tabs_and_a_reload(model, tmp_path):
    path = tmp_path / 'room.jsonl'
    with SceneSession(slabs(), model, journal=path) as session:
        seen = []
        session.labels.subscribe(lambda event: seen.append(('a', event.title, event.source)))
        session.labels.subscribe(lambda event: seen.append(('b', event.title, event.source)))
        session.labels.apply(Draw(np.arange(20), name='chair'), source='b')
        session.labels.apply(Rename(1, 'stool'), source='a')
        assert [tab for tab, _, _ in seen] == ['a', 'b', 'a', 'b']
        assert session.journal.num_saved == 2
        session.labels.apply(Draw(np.arange(30, 40)))
        session.labels.apply(Delete(2))
        session.labels.undo()
    with SceneSession(slabs(), model, journal=path) as again:
        assert again.labels.objects == session.labels.objects
        assert again.labels.ids.tolist() == session.labels.ids.tolist()
        again.labels.undo()
        assert [item.name for item in again.labels.objects] == ['stool']
