"""The unified model: isolation of prompts, batches, losses, empty inputs."""

from __future__ import annotations

import pytest
import torch
from tiny import EMBEDDING_DIM, collate, labelled_sample, scene_inputs, tiny_model

from unison3d.errors import ConfigError
from unison3d.structures import Prompts, SceneSample


@pytest.fixture(scope='module')
def model():
    model = tiny_model().eval()
    return model


def _prompts(clicks: list[int], num_texts: int = 0, objects: list[int] | None = None) -> Prompts:
    objects = list(range(len(clicks))) if objects is None else objects
    generator = torch.Generator().manual_seed(3)
    return Prompts(
        click_superpoints=torch.tensor(clicks, dtype=torch.int64),
        click_positive=torch.ones(len(clicks), dtype=torch.bool),
        click_objects=torch.tensor(objects, dtype=torch.int64),
        click_targets=torch.full((len(set(objects)),), -1),
        texts=['x'] * num_texts,
        text_embeddings=torch.randn(num_texts, EMBEDDING_DIM, generator=generator),
    )


def _encode(model, *scenes):
    with torch.no_grad():
        return model.encode(collate(model, list(scenes)))


def test_prompts_do_not_change_superpoint_rows(model):
    features = _encode(model, scene_inputs())[0]
    without = model.predict_scene(features, SceneSample(prompts=_prompts([])))
    many = model.predict_scene(features, SceneSample(prompts=_prompts([1, 2, 3], 4)))
    assert torch.equal(without.pred_semantic, many.pred_semantic)
    # Not bit for bit: a matrix product of more rows may round differently.
    torch.testing.assert_close(without.pred_instances.scores, many.pred_instances.scores)
    torch.testing.assert_close(without.pred_open.scores, many.pred_open.scores)


def test_prompts_do_not_see_each_other(model):
    features = _encode(model, scene_inputs())[0]
    alone = model.decode(features, SceneSample(prompts=_prompts([5])), ['click'])
    among = model.decode(features, SceneSample(prompts=_prompts([5, 7, 9], 3)), ['click', 'text'])
    torch.testing.assert_close(
        alone['click'].final.mask_logits[0], among['click'].final.mask_logits[0]
    )


def test_clicks_of_one_object_work_together(model):
    features = _encode(model, scene_inputs())[0]
    apart = model.decode(features, SceneSample(prompts=_prompts([5, 7])), ['click'])
    together = model.decode(
        features, SceneSample(prompts=_prompts([5, 7], objects=[0, 0])), ['click']
    )
    difference = apart['click'].final.mask_logits - together['click'].final.mask_logits
    assert difference.abs().max() > 1e-4
    sample = model.predict_scene(
        features, SceneSample(prompts=_prompts([5, 7], objects=[0, 0])), ['click']
    )
    assert len(sample.pred_clicks) == 1


def test_negative_click_changes_the_answer(model):
    features = _encode(model, scene_inputs())[0]
    prompts = _prompts([5, 7], objects=[0, 0])
    positive = model.decode(features, SceneSample(prompts=prompts), ['click'])['click']
    prompts.click_positive[1] = False
    negative = model.decode(features, SceneSample(prompts=prompts), ['click'])['click']
    assert not torch.equal(positive.final.mask_logits, negative.final.mask_logits)


def test_scene_alone_equals_scene_in_batch(model):
    first, second = scene_inputs(seed=1), scene_inputs(num_points=250, num_superpoints=9, seed=2)
    alone = _encode(model, second)[0]
    batched = _encode(model, first, second)[1]
    torch.testing.assert_close(
        alone.superpoint_features, batched.superpoint_features, atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(alone.positions, batched.positions)


def test_point_order_does_not_matter(model):
    scene = scene_inputs()
    order = torch.randperm(len(scene['points']), generator=torch.Generator().manual_seed(0))
    shuffled = {k: v[order] if v.ndim else v for k, v in scene.items()}
    prompts = SceneSample(prompts=_prompts([]))
    first = model.predict_scene(_encode(model, scene)[0], prompts.clone(), ['closed_set'])
    second = model.predict_scene(_encode(model, shuffled)[0], prompts.clone(), ['closed_set'])
    assert torch.equal(first.pred_semantic[order], second.pred_semantic)


def test_same_input_same_result(model):
    scene = scene_inputs()
    runs = [
        model.predict_scene(_encode(model, scene)[0], SceneSample(prompts=_prompts([1], 1)))
        for _ in range(2)
    ]
    assert torch.equal(runs[0].pred_panoptic_instance, runs[1].pred_panoptic_instance)
    assert torch.equal(runs[0].pred_clicks.scores, runs[1].pred_clicks.scores)


@pytest.mark.parametrize(
    'counts', [(3, 2, 2), (0, 0, 0), (3, 0, 0), (1, 1, 0)], ids=lambda c: f'instances{c[0]}'
)
def test_losses_are_finite_and_always_the_same_keys(counts):
    model = tiny_model().train()
    scenes = [scene_inputs(seed=1), scene_inputs(num_superpoints=10, seed=2)]
    batch = collate(model, scenes)
    samples = [labelled_sample(n, *counts) for n in batch.num_superpoints]
    losses = model.loss(batch, samples)
    assert set(losses) == {
        'loss_instance', 'loss_quality', 'loss_semantic', 'loss_click', 'loss_click_quality',
        'loss_text', 'loss_text_quality', 'loss_name', 'loss_name_semantic',
        'loss_proposal_quality',
    }  # fmt: skip
    total = sum(losses.values())
    assert torch.isfinite(total)
    total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_everything_unknown_gives_zero_mask_losses():
    model = tiny_model().train()
    batch = collate(model, [scene_inputs()])
    sample = labelled_sample(batch.num_superpoints[0])
    sample.sp_ignore = torch.ones_like(sample.sp_ignore)
    sample.sp_masks = torch.zeros_like(sample.sp_masks)
    sample.sp_semantic = torch.full_like(sample.sp_semantic, 20)
    losses = model.loss(batch, [sample])
    assert losses['loss_semantic'] == 0
    assert torch.isfinite(sum(losses.values()))


def test_a_few_steps_learn():
    model = tiny_model().train()
    batch = collate(model, [scene_inputs()])
    sample = labelled_sample(batch.num_superpoints[0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(30):
        total = sum(model.loss(batch, [sample]).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.7 * totals[0]


@pytest.mark.parametrize('num_points', [0, 1, 2])
def test_tiny_scenes(model, num_points):
    scene = {k: v[:num_points] if v.ndim else v for k, v in scene_inputs().items()}
    scene['superpoints'] = torch.zeros(num_points, dtype=torch.int64)
    sample = SceneSample(prompts=_prompts([], 1))
    model.predict_scene(_encode(model, scene)[0], sample)
    assert sample.pred_semantic.shape == (num_points,)
    assert sample.pred_instances.masks.shape[1] == num_points
    assert sample.pred_texts.masks.shape == (1, num_points)
    assert len(sample.pred_clicks) == 0


def test_unknown_task_is_named(model):
    features = _encode(model, scene_inputs())[0]
    with pytest.raises(ConfigError, match='closed_set'):
        model.decode(features, SceneSample(prompts=_prompts([])), ['no such task'])


def test_an_empty_scene_between_others_changes_nothing(model):
    first, third = scene_inputs(seed=1), scene_inputs(num_points=250, num_superpoints=9, seed=2)
    empty = {k: v[:0] if v.ndim else v for k, v in first.items()}
    batched = _encode(model, first, empty, third)
    for alone, among in zip(_encode(model, first, third), batched[::2], strict=True):
        torch.testing.assert_close(
            alone.superpoint_features, among.superpoint_features, atol=1e-5, rtol=1e-5
        )
    sample = model.predict_scene(batched[1], SceneSample(prompts=_prompts([], 1)))
    assert sample.pred_semantic.shape == (0,)
    assert sample.pred_texts.masks.shape == (1, 0)


def test_an_empty_scene_between_others_trains():
    model = tiny_model().train()
    scene = scene_inputs()
    empty = {k: v[:0] if v.ndim else v for k, v in scene.items()}
    batch = collate(model, [scene, empty, scene_inputs(num_superpoints=9, seed=2)])
    samples = [
        labelled_sample(20),
        labelled_sample(0, num_instances=0, num_clicks=0, num_texts=0),
        labelled_sample(9),
    ]
    total = sum(model.loss(batch, samples).values())
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_two_clicks_on_one_superpoint(model):
    features = _encode(model, scene_inputs())[0]
    once = model.predict_scene(features, SceneSample(prompts=_prompts([5])), ['click'])
    twice = model.predict_scene(
        features, SceneSample(prompts=_prompts([5, 5], objects=[0, 0])), ['click']
    )
    apart = model.predict_scene(features, SceneSample(prompts=_prompts([5, 5])), ['click'])
    # Two equal clicks attend to each other and find the same thing twice: nothing changes.
    assert len(twice.pred_clicks) == 1
    torch.testing.assert_close(once.pred_clicks.scores, twice.pred_clicks.scores)
    assert torch.equal(once.pred_clicks.masks, twice.pred_clicks.masks)
    assert len(apart.pred_clicks) == 2
    assert torch.equal(apart.pred_clicks.masks[0], apart.pred_clicks.masks[1])


def test_an_instance_of_a_stuff_class_trains():
    model = tiny_model().train()
    batch = collate(model, [scene_inputs()])
    sample = labelled_sample(batch.num_superpoints[0])
    sample.gt_instance_semantic = torch.tensor([0, 1, 20])
    losses = model.loss(batch, [sample])
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert losses['loss_instance'] > 0


def test_bfloat16_losses_are_near_those_of_float32():
    model = tiny_model().train()
    batch = collate(model, [scene_inputs(seed=1), scene_inputs(num_superpoints=10, seed=2)])
    samples = [labelled_sample(n) for n in batch.num_superpoints]

    def losses(enabled: bool) -> dict[str, torch.Tensor]:
        # Which superpoints become queries is drawn.
        torch.manual_seed(0)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=enabled):
            return model.loss(batch, samples)

    exact, rounded = losses(False), losses(True)
    total = sum(rounded.values())
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    torch.testing.assert_close(total.float(), sum(exact.values()), rtol=0.05, atol=0.0)
    for name, value in exact.items():
        torch.testing.assert_close(rounded[name].float(), value, rtol=0.2, atol=0.05)
