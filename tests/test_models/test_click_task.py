"""Clicks that refine, boxes, sentences at clicks, several objects at once."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import EMBEDDING_DIM, collate, labelled_sample, scene_inputs, tiny_config, tiny_model

from unison3d.errors import ConfigError, PromptError
from unison3d.models import UnifiedSegmentor
from unison3d.models.tasks import ClickTask
from unison3d.models.tasks.click_masks import (
    combine_rows,
    doubtful_clicks,
    enforce_clicks,
    exclusive_logits,
    settled_by_clicks,
    spread_clicks,
    votes,
)
from unison3d.models.tasks.click_rows import RowLayout
from unison3d.structures import Prompts, SceneSample

INF = math.inf


def prompts_of(clicks: list[tuple[int, bool, int]], **more: object) -> Prompts:
    """Prompts from (superpoint, positive, object)."""
    boxed = more.get('box_objects', torch.zeros(0, dtype=torch.int64)).tolist()
    count = 1 + max([*(click[2] for click in clicks), *boxed], default=-1)
    fields = {
        'click_superpoints': torch.tensor([c[0] for c in clicks], dtype=torch.int64),
        'click_positive': torch.tensor([c[1] for c in clicks], dtype=torch.bool),
        'click_objects': torch.tensor([c[2] for c in clicks], dtype=torch.int64),
        'click_targets': torch.full((count,), -1),
    }
    return Prompts(**{**fields, **more})


def build(**options: object) -> UnifiedSegmentor:
    config = tiny_config()
    config.pop('type')
    config['tasks'] = {'click': {**config['tasks']['click'], **options}}
    torch.manual_seed(0)
    return UnifiedSegmentor(**config).eval()


@pytest.fixture(scope='module')
def model() -> UnifiedSegmentor:
    return tiny_model().eval()


@pytest.fixture(scope='module')
def features(model):
    with torch.no_grad():
        return model.encode(collate(model, [scene_inputs()]))[0]


def ask(model, features, prompts: Prompts):
    return model.predict_scene(features, SceneSample(prompts=prompts), ['click']).pred_clicks


# ------------------------------------------------------------------ masks from logits


def test_a_single_click_keeps_its_logits():
    layout = RowLayout.of(prompts_of([(0, True, 0), (2, True, 1)]))
    rows = torch.tensor([[-3.0, 1.0, 2.0], [0.5, -1.0, -2.0]])
    logits = combine_rows(rows, votes(layout, 2))
    settled = settled_by_clicks(layout, (2, 3))
    logits = enforce_clicks(spread_clicks(logits, *settled, torch.zeros(3, 3), 0.3), *settled)
    assert torch.equal(logits, rows)


def test_positive_rows_speak_for_an_object():
    layout = RowLayout.of(prompts_of([(0, True, 0), (1, True, 0), (2, False, 0)]))
    rows = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, 1.0], [-9.0, -9.0, -9.0]])
    assert combine_rows(rows, votes(layout, 1)).tolist() == [[2.0, 1.0, 2.0]]
    assert combine_rows(rows, votes(layout, 1, 'first')).tolist() == [[1.0, 2.0, 3.0]]
    # Only negative clicks: they are all there is.
    layout = RowLayout.of(prompts_of([(2, False, 0)]))
    assert combine_rows(rows[2:], votes(layout, 1)).tolist() == [[-9.0, -9.0, -9.0]]
    # An object that nobody has asked about has no mask.
    assert combine_rows(rows[2:], votes(layout, 2))[1].tolist() == [-INF] * 3


def test_clicked_superpoints_follow_the_click():
    clicks = [(0, True, 0), (1, False, 0), (2, True, 0), (2, False, 0), (3, True, 1)]
    layout = RowLayout.of(prompts_of(clicks))
    logits = torch.tensor([[-1.0, 1.0, 0.7, 0.2], [-1.0, -1.0, -1.0, -1.0]])
    # Both signs on superpoint 2 and a single click on object 1: the model decides.
    assert enforce_clicks(logits, *settled_by_clicks(layout, (2, 4))).tolist() == [
        [INF, -INF, logits[0, 2], logits[0, 3]],
        [-1.0, -1.0, -1.0, -1.0],
    ]


def test_a_click_reaches_its_neighbourhood():
    positions = torch.tensor([[0.0, 0, 0], [0.3, 0, 0], [0.6, 0, 0], [5, 0, 0]])
    logits = torch.tensor([[0.5, 0.5, -2.0, 0.5]])
    wanted = torch.tensor([[False, False, True, False]])
    unwanted = torch.tensor([[True, False, False, False]])
    spread = spread_clicks(logits, wanted, unwanted, positions, 0.3)
    assert spread[0, 0] == pytest.approx(-1, abs=0.02) and spread[0, 2] == pytest.approx(
        1, abs=0.02
    )
    # Between the two the stronger correction wins, far away nothing happens.
    assert 0.5 < spread[0, 1] < 3
    assert spread[0, 3] == 0.5
    # A superpoint that is right by far is left as it is.
    sure = torch.tensor([[-4.0, 0.5, 3.0, 0.5]])
    assert torch.equal(spread_clicks(sure, wanted, unwanted, positions, 0.3), sure)


def test_a_click_on_something_larger_does_not_count():
    clicks = [(0, True, 0), (1, True, 0), (2, True, 0), (3, False, 0), (1, True, 1)]
    layout = RowLayout.of(prompts_of(clicks))
    rows = torch.full((5, 4), 9.0)
    rows[0] = torch.tensor([9.0, -9.0, -9.0, -9.0])
    sizes = torch.tensor([10, 10, 11, 90])
    # The first click finds 10 points; the first click on another object is always right.
    doubtful = doubtful_clicks(layout, rows, sizes, 2, 0.4)
    assert doubtful.tolist() == [False, False, True, False, False]
    assert votes(layout, 2, 'mean', doubtful).tolist() == [
        [True, True, False, False, False],
        [False, False, False, False, True],
    ]
    logits = enforce_clicks(torch.zeros(2, 4), *settled_by_clicks(layout, (2, 4), doubtful))
    assert logits.tolist() == [[INF, INF, 0.0, -INF], [0.0] * 4]


def test_exclusive_objects_share_nothing():
    logits = torch.tensor([[3.0, -1.0, 2.0], [1.0, 4.0, 2.0]])
    assert exclusive_logits(logits).tolist() == [[3.0, -INF, 2.0], [-INF, 4.0, -INF]]
    assert torch.equal(exclusive_logits(logits[:1]), logits[:1])


# ------------------------------------------------------------------ the task


def test_the_score_is_the_predicted_quality(model, features):
    sample = SceneSample(prompts=prompts_of([(3, True, 0), (7, True, 1), (9, True, 1)]))
    output = model.decode(features, sample, ['click'])['click']
    quality = model.tasks['click'].quality_head(output.final.embeddings).clamp(0, 1)
    expected = quality[:2]
    for truth in (None, torch.tensor([2, 0])):
        if truth is not None:
            sample.gt_instance_semantic = truth
            sample.prompts.click_targets = torch.tensor([1, 0])
        model.predict_scene(features, sample, ['click'])
        torch.testing.assert_close(sample.pred_clicks.scores, expected)


def test_corrections_are_obeyed(model, features):
    first = ask(model, features, prompts_of([(3, True, 0)])).superpoint_masks[0]
    inside, outside = torch.nonzero(first)[0].item(), torch.nonzero(~first)[-1].item()
    refined = ask(
        model, features, prompts_of([(3, True, 0), (inside, False, 0), (outside, True, 0)])
    ).superpoint_masks[0]
    assert not refined[inside] or inside == 3
    assert refined[outside]
    free = build(click_constraints=False, click_reach=0.0)
    free.load_state_dict({k: v for k, v in model.state_dict().items() if k in free.state_dict()})
    sample = SceneSample(prompts=prompts_of([(3, True, 0), (inside, False, 0)]))
    output = free.decode(features, sample, ['click'])['click'].final.mask_logits
    free.predict_scene(features, sample)
    expected = output[:1].sigmoid() > 0.4
    assert torch.equal(sample.pred_clicks.superpoint_masks, expected)


def test_objects_can_exclude_each_other(model, features):
    prompts = prompts_of([(3, True, 0), (4, True, 1)])
    shared = ask(model, features, prompts).superpoint_masks
    assert shared.all(dim=0).any()
    prompts.exclusive = True
    apart = ask(model, features, prompts).superpoint_masks
    assert not apart.all(dim=0).any()
    assert torch.equal(apart.any(dim=0), shared.any(dim=0))


def test_options_out_of_range():
    for options in ({'correction_rounds': -1}, {'test_clicks': 0}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            ClickTask(8, 16, **options)


# ------------------------------------------------------------------ boxes


def box(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers])


def boxed(numbers: torch.Tensor, clicks: list | None = None) -> Prompts:
    objects = torch.arange(len(numbers))
    return prompts_of(clicks or [], boxes=numbers, box_objects=objects)


def test_a_box_keeps_the_mask_inside(model, features):
    # Superpoints are slabs of 0.2 m along x.
    prompts = boxed(box(1.0, 1.0, 0.5, 1.0, 3.0, 3.0, 0.0))
    found = ask(model, features, prompts)
    places = torch.nonzero(found.superpoint_masks[0])[:, 0]
    assert len(places)
    assert 2 <= places.min() and places.max() <= 7
    rows = model.decode(features, SceneSample(prompts=prompts), ['click'])['click']
    assert rows.superpoints.tolist() == [-1]
    task = model.tasks['click']
    queries = task.queries(features, SceneSample(prompts=prompts)).block
    inside = (features.points[:, 0] - 1.0).abs() <= 0.5
    mean = features.superpoint_features[features.superpoints[inside]].mean(dim=0)
    torch.testing.assert_close(queries.features[0], mean + task.positive_embedding)


def test_a_box_turns_with_its_yaw(model, features):
    long_x = ask(model, features, boxed(box(2.0, 1.0, 0.5, 4.0, 0.4, 3.0, 0.0)))
    long_y = ask(model, features, boxed(box(2.0, 1.0, 0.5, 0.4, 4.0, 3.0, math.pi / 2)))
    assert torch.equal(long_x.superpoint_masks, long_y.superpoint_masks)
    assert torch.equal(long_x.scores, long_y.scores)


def test_an_empty_box_finds_nothing(model, features):
    far = ask(model, features, boxed(box(90.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0)))
    flat = ask(model, features, boxed(box(90.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)))
    for found in (far, flat):
        assert not found.superpoint_masks.any()
        assert found.scores.isfinite().all()


def test_a_click_reaches_out_of_the_box(model, features):
    prompts = prompts_of(
        [(19, True, 0), (4, False, 0)],
        boxes=box(1.0, 1.0, 0.5, 1.0, 3.0, 3.0, 0.0),
        box_objects=torch.tensor([0]),
    )
    found = ask(model, features, prompts).superpoint_masks[0]
    assert found[19] and not found[4] and not found[10:19].any()


# ------------------------------------------------------------------ trained parts


def test_new_parts_change_nothing_before_training(features):
    plain = build()
    wide = build(box_embedding=True, text_dim=EMBEDDING_DIM)
    missing = wide.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert {key.split('.')[2] for key in missing.missing_keys} == {
        'box_embedding',
        'sentence_offset',
    }
    scene = plain.encode(collate(plain, [scene_inputs()]))[0]
    prompts = prompts_of(
        [(3, True, 0), (5, False, 0), (7, True, 1)],
        boxes=box(1.0, 1.0, 0.5, 1.0, 3.0, 3.0, 0.3),
        box_objects=torch.tensor([2]),
    )
    before = ask(plain, scene, prompts)
    prompts.texts, prompts.text_embeddings = ['a chair'], torch.randn(1, EMBEDDING_DIM)
    prompts.click_texts = torch.tensor([0, -1, 0])
    after = ask(wide, scene, prompts)
    assert torch.equal(before.superpoint_masks, after.superpoint_masks)
    torch.testing.assert_close(before.scores, after.scores)


def test_a_sentence_moves_its_object_alone():
    model = build(text_dim=EMBEDDING_DIM)
    torch.nn.init.normal_(model.tasks['click'].sentence_offset.projection.weight)
    scene = model.encode(collate(model, [scene_inputs()]))[0]
    prompts = prompts_of([(3, True, 0), (7, True, 1)], texts=['a chair', 'a lamp'])
    prompts.text_embeddings = torch.randn(2, EMBEDDING_DIM)
    rows = []
    for chosen in (None, torch.tensor([-1, 0]), torch.tensor([-1, 1])):
        prompts.click_texts = chosen
        output = model.decode(scene, SceneSample(prompts=prompts))['click']
        rows.append(output.final.mask_logits)
    for other in rows[1:]:
        torch.testing.assert_close(rows[0][0], other[0])
        assert (rows[0][1] - other[1]).abs().max() > 1e-3
    assert (rows[1][1] - rows[2][1]).abs().max() > 1e-3


def test_a_sentence_for_a_model_without_one(model, features):
    prompts = prompts_of([(3, True, 0)], texts=['a chair'], click_texts=torch.tensor([0]))
    with pytest.raises(PromptError, match='text_dim'):
        ask(model, features, prompts)


# ------------------------------------------------------------------ training and tests


def training_sample(num_superpoints: int = 20) -> SceneSample:
    sample = labelled_sample(num_superpoints)
    sample.prompts.boxes = box(1.0, 1.0, 0.5, 1.0, 3.0, 3.0, 0.0)
    sample.prompts.box_objects = torch.tensor([1])
    return sample


def test_every_part_learns():
    model = build(box_embedding=True, text_dim=EMBEDDING_DIM, correction_rounds=2).train()
    sample = training_sample()
    sample.prompts.click_texts = torch.tensor([0, 1])
    losses = model.loss(collate(model, [scene_inputs()]), [sample])
    sum(losses.values()).backward()
    task = model.tasks['click']
    assert task.box_embedding.mlp[2].weight.grad.abs().sum() > 0
    assert task.sentence_offset.projection.weight.grad.abs().sum() > 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_correction_rounds_ask_where_the_mask_is_wrong():
    model = build(correction_rounds=3).train()
    task = model.tasks['click']
    scene = model.encode(collate(model, [scene_inputs()]))[0]
    sample = training_sample()
    given = sample.prompts
    asked = []

    @torch.no_grad()
    def decode(changed):
        asked.append(changed.prompts.num_clicks)
        return model.decode(scene, changed, ['click'])['click']

    sizes = set()
    for seed in range(12):
        torch.manual_seed(seed)
        asked.clear()
        refined = task.refine(scene, sample, decode)
        assert sample.prompts is given and given.num_clicks == 2
        # Everything that the other tasks learn from is still there.
        assert set(refined.keys()) == set(sample.keys())
        prompts = refined.prompts
        sizes.add(len(asked))
        assert prompts.num_clicks <= 2 + 2 * len(asked)
        assert torch.equal(prompts.click_superpoints[:2], given.click_superpoints)
        if len(asked) != 1:
            continue
        found = task._masks(decode(sample), scene, given).superpoint_masks
        new = zip(prompts.click_superpoints[2:], prompts.click_objects[2:], strict=True)
        for place, (superpoint, number) in enumerate(new):
            wanted = sample.sp_masks[given.click_targets[number], superpoint]
            assert wanted != found[number, superpoint]
            assert prompts.click_positive[2 + place] == wanted
    assert sizes == {0, 1, 2, 3}


def test_rounds_are_off_by_default_and_draw_nothing():
    task = build().train().tasks['click']
    sample = training_sample()
    state = torch.get_rng_state()
    assert task.refine(None, sample, None) is sample
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_ignored_is_never_wrong():
    model = build(correction_rounds=1).train()
    scene = model.encode(collate(model, [scene_inputs()]))[0]
    sample = training_sample()
    sample.sp_ignore = torch.ones(20, dtype=torch.bool)
    for seed in range(4):
        torch.manual_seed(seed)
        refined = model.tasks['click'].refine(
            scene, sample, lambda changed: model.decode(scene, changed, ['click'])['click']
        )
        assert refined.prompts.num_clicks == 2


def test_curves_of_a_simulated_user():
    model = build(test_clicks=4)
    inputs = scene_inputs()
    batch = collate(model, [inputs])
    sample = labelled_sample(20, num_clicks=3)
    sample.prompts.click_targets[2] = -1
    owner = torch.where(sample.sp_masks.any(0), sample.sp_masks.int().argmax(0), -1)
    sample.gt_instances = owner[inputs['superpoints']]
    model.predict(batch, [sample])
    curves = sample.pred_click_curves
    assert curves.shape == (3, 4)
    assert curves[2].isnan().all()
    first = sample.pred_clicks.masks
    for number in range(2):
        true = sample.gt_instances == sample.prompts.click_targets[number]
        iou = (first[number] & true).sum() / (first[number] | true).sum()
        assert curves[number, 0] == pytest.approx(float(iou))
    # Enough clicks on every wrong superpoint end in the truth, because clicks are obeyed.
    model.tasks['click'].test_clicks = 25
    model.predict(batch, [sample])
    known = sample.pred_click_curves[:2]
    last = known.isfinite().sum(dim=1) - 1
    assert known[torch.arange(2), last].min() > 0.9
    assert sample.prompts.num_clicks == 3


def test_simulated_clicks_in_bfloat16_are_answered_like_any_others():
    """The decoder runs in bfloat16; masks and scores are made of its answers in float32."""
    model = build(test_clicks=3)
    task = model.tasks['click']
    inputs = scene_inputs()
    batch = collate(model, [inputs])
    sample = labelled_sample(20)
    owner = torch.where(sample.sp_masks.any(0), sample.sp_masks.int().argmax(0), -1)
    sample.gt_instances = owner[inputs['superpoints']]
    rounds, masks_of = [], task._masks

    def watched(output, features, prompts):
        rounds.append((prompts, masks_of(output, features, prompts)))
        return rounds[-1][1]

    task._masks = watched
    with torch.autocast('cpu', dtype=torch.bfloat16):
        model.predict(batch, [sample])
        assert [prompts.num_clicks for prompts, _ in rounds] == [2, 4, 6]
        assert sample.pred_click_curves.isfinite().all()
        task.test_clicks = 1
        for prompts, found in rounds[1:]:
            again = model.predict(batch, [SceneSample(prompts=prompts)])[0].pred_clicks
            assert found.scores.dtype == torch.float32
            assert torch.equal(found.scores, again.scores)
            assert torch.equal(found.superpoint_masks, again.superpoint_masks)
