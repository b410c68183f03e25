"""What tasks teach each other, on numbers one can check by hand."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tiny import collate, labelled_sample, scene_inputs, tiny_config

from unison3d.errors import ConfigError, PromptError
from unison3d.models.decoders import LayerOutput
from unison3d.models.links import (
    ClassDistillationLink,
    ClickDistillationLink,
    ContrastiveLink,
    PromptClassLink,
    RankingLink,
)
from unison3d.models.links.prompt_pairs import pair_prompts
from unison3d.models.losses import distillation_loss
from unison3d.models.tasks.base import TaskOutput
from unison3d.registry import MODELS
from unison3d.structures import Prompts, SceneSample

LINKS = {
    'prompt_class': dict(type='PromptClassLink', scores_of='click'),
    'click_distillation': dict(type='ClickDistillationLink'),
    'contrastive': dict(type='ContrastiveLink'),
    'ranking': dict(type='RankingLink'),
    'class_distillation': dict(type='ClassDistillationLink'),
}
LOSSES = {
    'loss_click_class', 'loss_text_class', 'loss_click_distillation', 'loss_contrastive',
    'loss_ranking', 'loss_class_distillation',
}  # fmt: skip


class Rows:
    """A task whose rows mean what they are told to."""

    def __init__(self, instances: list[int]) -> None:
        self.instances = torch.tensor(instances)

    def row_instances(self, sample: SceneSample) -> torch.Tensor:
        return self.instances


class Things:
    """A task with classes and matches: logits of a layer are its class embeddings."""

    def __init__(self, matches=((), ()), labels=()) -> None:
        self.matches = tuple(torch.tensor(ids, dtype=torch.int64) for ids in matches)
        self.labels = torch.tensor(labels, dtype=torch.int64)

    def match(self, output, sample):
        return self.matches

    def instance_logits(self, layer):
        return layer.class_embeddings

    def thing_labels(self, sample):
        return self.labels


def _output(*, embeddings=None, masks=None, classes=None, layers=1) -> TaskOutput:
    rows = next(len(value) for value in (embeddings, masks, classes) if value is not None)

    def leaf(value, width: int = 1) -> torch.Tensor:
        value = torch.zeros(rows, width) if value is None else torch.tensor(value)
        return value.float().requires_grad_()

    layer = LayerOutput(leaf(embeddings), leaf(masks), leaf(classes, 3))
    return TaskOutput([layer] * layers, torch.full((rows,), -1))


def _pair_loss(link, clicks, texts, click_instances, text_instances, **fields):
    """Loss of one scene by embeddings of clicks and sentences."""
    link.connect({'click': Rows(click_instances), 'text': Rows(text_instances)})
    outputs = {'click': [_output(embeddings=clicks)], 'text': [_output(embeddings=texts)]}
    (loss,) = link.loss(outputs, [None], [SceneSample(**fields)]).values()
    return loss


# Appendix B4 of the engineering specification: cosines [[0.7071, 0], [0.7071, 0.7071]].
CLICKS = [[1.0, 0, 0], [0, 1, 0]]
TEXTS = [[1.0, 1, 0], [0, 1, 1]]


@pytest.mark.parametrize(('exponentiate', 'expected'), [(False, 0.4175542), (True, 0.3465941)])
def test_contrastive_golden_values(exponentiate, expected):
    link = ContrastiveLink(exponentiate_temperature=exponentiate)
    loss = _pair_loss(link, CLICKS, TEXTS, [4, 7], [4, 7])
    assert loss.item() == pytest.approx(0.1 * expected, abs=1e-7)
    loss.backward()
    assert link.logit_scale.grad is not None


def test_the_scale_of_the_contrast_does_not_explode():
    link = ContrastiveLink()
    link.logit_scale.data.fill_(10.0)
    assert link.scale.item() == pytest.approx(100.0)
    published = ContrastiveLink(exponentiate_temperature=False)
    assert published.scale.item() == pytest.approx(math.log(1 / 0.07))


def test_the_scale_of_the_contrast_comes_back_from_its_bound():
    """Pairs the wrong way round: the smaller the scale, the better."""
    link = ContrastiveLink()
    link.logit_scale.data.fill_(10.0)
    for _ in range(2):  # above the bound, then at it
        link.logit_scale.grad = None
        _pair_loss(link, CLICKS, TEXTS[::-1], [4, 7], [4, 7]).backward()
        assert link.logit_scale.grad > 0
    torch.optim.SGD(link.parameters(), lr=1.0).step()
    assert link.scale < 100.0
    held = ContrastiveLink().eval()
    held.logit_scale.data.fill_(10.0)
    _pair_loss(held, CLICKS, TEXTS, [4, 7], [4, 7])
    assert held.logit_scale == 10.0


def test_ranking_golden_values():
    # Cosines [[0.5, 0.2], [0.8, 0.4]]: sentences are the axes of a plane, clicks have these shares.
    rest = [math.sqrt(1 - 0.5**2 - 0.2**2), math.sqrt(1 - 0.8**2 - 0.4**2)]
    clicks = [[0.5, 0.2, rest[0]], [0.8, 0.4, rest[1]]]
    texts = [[1.0, 0, 0], [0, 1, 0]]
    # Column: (0.8 - 0.5) + (0.2 - 0.4)+ = 0.3, summed. Row: (0.2 - 0.5)+ + (0.8 - 0.4), over two.
    for rank, expected in (('column_sum', 0.3), ('row_mean', 0.4 / 2)):
        link = RankingLink(rank=rank, weight=1.0)
        loss = _pair_loss(link, clicks, texts, [0, 1], [0, 1])
        assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_order_of_clicks_and_sentences_does_not_matter():
    first = _pair_loss(ContrastiveLink(), CLICKS, TEXTS, [4, 7], [4, 7])
    clicks = [CLICKS[1], [0.3, 0.3, 9.0], CLICKS[0]]
    second = _pair_loss(ContrastiveLink(), clicks, TEXTS[::-1], [7, 2, 4], [7, 4])
    torch.testing.assert_close(first, second)


def test_one_pair_has_nothing_to_compare_with():
    for link in (ContrastiveLink(), RankingLink()):
        assert _pair_loss(link, CLICKS[:1], TEXTS[:1], [4], [4]) == 0


def test_sentences_about_one_object_are_no_wrong_pairs():
    pairs = dict(click_instances=[4], text_instances=[4, 4])
    assert _pair_loss(RankingLink(), CLICKS[:1], TEXTS, **pairs) == 0
    loss = _pair_loss(ContrastiveLink(weight=1.0), CLICKS[:1], TEXTS, **pairs)
    # Both rows are the same click, whose probability is shared by its two sentences.
    logits = torch.tensor([math.sqrt(0.5), 0.0]) / 0.07
    by_click = -logits.log_softmax(0).mean()
    torch.testing.assert_close(loss.detach(), (by_click + math.log(2)) / 2)


def test_weights_of_clicks_weigh_pairs():
    loss = _pair_loss(ContrastiveLink(), CLICKS, TEXTS, [4, 7], [4, 7])
    half = torch.tensor([0.5, 0.5])
    weighed = _pair_loss(ContrastiveLink(), CLICKS, TEXTS, [4, 7], [4, 7], click_weights=half)
    torch.testing.assert_close(weighed, loss / 2)


def test_boxes_and_further_clicks_weigh_one():
    """The weights are of the first click; row 1 is a further click and row 2 a box."""
    weights = torch.tensor([0.5])
    pairs = pair_prompts(torch.tensor([5, 5, 3]), torch.tensor([3, 5]), weights)
    assert pairs.weights.tolist() == [1.0, 0.5]
    with pytest.raises(PromptError, match='2 click_weights for 1 clicks'):
        pair_prompts(torch.tensor([5]), torch.tensor([5]), torch.ones(2))


def test_pairs_leave_out_what_has_no_partner():
    pairs = pair_prompts(torch.tensor([-1, 5, 3, 5]), torch.tensor([9, 5, -1, 3, 5]))
    assert pairs.texts.tolist() == [1, 3, 4]
    assert pairs.clicks.tolist() == [1, 2, 1]
    assert pairs.instances.tolist() == [5, 3, 5]
    nothing = torch.zeros(0, dtype=torch.int64)
    assert len(pair_prompts(nothing, torch.tensor([1]))) == 0
    assert len(pair_prompts(torch.tensor([1]), nothing)) == 0


def test_distillation_is_cross_entropy_with_soft_targets():
    student = torch.tensor([2.0, -1.0], requires_grad=True)
    teacher = torch.tensor([0.5, -3.0], requires_grad=True)
    target = teacher.detach().sigmoid()
    expected = -(target * student.sigmoid().log() + (1 - target) * (-student).sigmoid().log())
    for saturating in (False, True):
        loss = distillation_loss(student, teacher, saturating=saturating)
        torch.testing.assert_close(loss, expected.mean())
        assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


def test_saturated_distillation_stops_teaching():
    student = torch.tensor([40.0], requires_grad=True)
    wrong = torch.tensor([-40.0])
    for saturating, value, slope in ((True, 100.0, 0.0), (False, 40.0, 1.0)):
        loss = distillation_loss(student, wrong, saturating=saturating)
        assert loss.item() == pytest.approx(value)
        assert torch.autograd.grad(loss, student)[0].item() == pytest.approx(slope)


def _click_distillation(link, clicked=(6, 2), matches=((3, 0), (2, 6))):
    """Queries 3 and 0 found instances 2 and 6; the first click is on 6, the second on 2."""
    masks = torch.arange(40.0).view(4, 10) / 10 - 2
    clicks = torch.tensor([[5.0] + [-9.0] * 9, [-9.0] * 9 + [4.0]])
    link.connect({'click': Rows(list(clicked)), 'closed_set': Things(matches)})
    queries = _output(masks=masks.tolist())
    outputs = {'click': [_output(masks=clicks.tolist())], 'closed_set': [queries]}
    sample = SceneSample(sp_ignore=torch.zeros(10, dtype=torch.bool))
    return link.loss(outputs, [None], [sample])['loss_click_distillation'], queries


def test_clicks_teach_the_queries_of_the_same_objects():
    loss, queries = _click_distillation(ClickDistillationLink(share=0.2, weight=1.0))
    student = queries.final.mask_logits
    expected = distillation_loss(
        torch.stack([student[0, 0], student[3, 9]]), torch.tensor([5.0, 4.0])
    )
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, student)
    assert gradient.nonzero().tolist() == [[0, 0], [3, 9]]


def test_a_click_on_an_unmatched_object_is_left_out():
    matches = ((3,), (2,))
    loss, queries = _click_distillation(ClickDistillationLink(share=0.1), matches=matches)
    (gradient,) = torch.autograd.grad(loss, queries.final.mask_logits)
    assert gradient.nonzero().tolist() == [[3, 9]]
    published = ClickDistillationLink(share=0.1, complete_scenes=True)
    assert _click_distillation(published, matches=matches)[0] == 0
    assert _click_distillation(published)[0] > 0


@pytest.mark.parametrize('link', [ClickDistillationLink(share=0.05), ClickDistillationLink()])
def test_nothing_to_distil_is_zero(link):
    # A share of less than one superpoint; no match at all.
    matches = ((3, 0), (2, 6)) if link.share < 0.1 else ((), ())
    loss, queries = _click_distillation(link, matches=matches)
    assert loss == 0 and loss.requires_grad


def test_classes_of_prompts():
    link = PromptClassLink(prompts=['click'], weight=1.0)
    # Instance 0 has class 1, instance 1 none; the third row means nothing.
    link.connect({'click': Rows([0, 1, -1]), 'closed_set': Things(labels=[1, -1])})
    logits = [[0.0, 2, 1], [5, 5, 5], [7, 7, 7]]
    outputs = {'click': [_output(classes=logits, layers=3)], 'closed_set': []}
    loss = link.loss(outputs, [None], [SceneSample()])['loss_click_class']
    expected = -torch.tensor(logits[0]).log_softmax(0)[1]
    torch.testing.assert_close(loss.detach(), 3 * expected)
    (gradient,) = torch.autograd.grad(loss, outputs['click'][0].final.class_embeddings)
    assert not gradient[1:].any()


def test_class_scores_of_clicked_objects():
    link = PromptClassLink(prompts=['click'], scores_of='click')
    link.connect({'click': Rows([]), 'closed_set': Things()})
    prompts = Prompts(
        click_superpoints=torch.zeros(3, dtype=torch.int64),
        click_positive=torch.ones(3, dtype=torch.bool),
        click_objects=torch.tensor([1, 0, 1]),
        click_targets=torch.tensor([-1, -1, -1]),
    )
    sample = SceneSample(prompts=prompts)
    logits = torch.tensor([[3.0, 0, 0], [0, 2, 0], [0, 0, 1]])
    link.predict({'click': _output(classes=logits.tolist())}, None, sample)
    each = logits.softmax(1)[:, :2]
    expected = torch.stack([each[1], (each[0] + each[2]) / 2, torch.zeros(2)])
    torch.testing.assert_close(sample.pred_click_probabilities.detach(), expected)


def test_sentences_learn_classes_from_clicks():
    link = ClassDistillationLink(weight=1.0)
    tasks = {'click': Rows([3, 8]), 'text': Rows([8]), 'closed_set': Things()}
    link.connect(tasks)
    click, text = [[1.0, 0, 0], [0, 2, -1]], [[0.5, 0.5, 0]]
    outputs = {'click': [_output(classes=click)], 'text': [_output(classes=text)]}
    loss = link.loss(outputs, [None], [SceneSample()])['loss_class_distillation']
    expected = distillation_loss(torch.tensor(text[0]), torch.tensor(click[1]))
    torch.testing.assert_close(loss.detach(), expected)


# ------------------------------------------------------------------------------- in a whole model


def _model(links=LINKS):
    torch.manual_seed(0)
    return MODELS.build({**tiny_config(), 'links': copy.deepcopy(links)}).train()


@pytest.mark.parametrize('counts', [(3, 2, 2), (0, 0, 0), (3, 0, 0), (3, 2, 0), (1, 1, 0)])
def test_links_always_give_the_same_keys(counts):
    model = _model()
    batch = collate(model, [scene_inputs(seed=1), scene_inputs(num_superpoints=10, seed=2)])
    samples = [labelled_sample(n, *counts) for n in batch.num_superpoints]
    for sample in samples:  # one object per sentence
        eye = torch.eye(counts[0], dtype=torch.bool)
        sample.prompts.text_targets = eye[: counts[2]]
    losses = model.loss(batch, samples)
    assert set(losses) >= LOSSES
    assert all(losses[name].requires_grad and losses[name].isfinite() for name in LOSSES)
    assert all(bool(losses[name] > 0) for name in LOSSES) == (counts == (3, 2, 2))
    sum(losses.values()).backward()
    # A parameter without a gradient in one process would stop a distributed run.
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_links_own_no_task():
    model = _model()
    assert [name for name in model.state_dict() if name.startswith('links.')] == [
        'links.contrastive.logit_scale'
    ]
    # A copy (of averaged weights, say) is linked to its own tasks.
    twin = copy.deepcopy(model)
    assert twin.links['ranking'].task('clicks') is twin.tasks['click']


def test_default_model_has_no_links():
    assert not len(_model(links={}).links)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='RankingLink', texts='sentences'), "texts='sentences'.*closed_set"),
        (dict(type='RankingLink', clicks='closed_set'), 'ClosedSetTask.*row_instances'),
        (dict(type='ClickDistillationLink', generic='click'), 'ClickTask.*match'),
        (dict(type='ClassDistillationLink', classes='text'), 'TextTask.*instance_logits'),
        (dict(type='PromptClassLink', prompts=['box']), "box='box'"),
        (dict(type='PromptClassLink', scores_of='box'), "scores_of='box'"),
        (dict(type='RankingLink', rank='mean'), 'column_sum'),
    ],
)
def test_a_link_that_cannot_be_is_explained(config, message):
    with pytest.raises(ConfigError, match=message):
        _model({'link': config})


def test_losses_of_one_name_are_refused():
    model = _model({'first': dict(type='RankingLink'), 'second': dict(type='RankingLink')})
    batch = collate(model, [scene_inputs()])
    with pytest.raises(ConfigError, match="'second'.*loss_ranking"):
        model.loss(batch, [labelled_sample(batch.num_superpoints[0])])
