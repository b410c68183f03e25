"""Learning from masks of objects whose class nobody knows."""

from __future__ import annotations

import pytest
import torch
from tiny import collate, labelled_sample, scene_inputs, tiny_config

from unison3d.models.decoders import LayerOutput
from unison3d.models.losses import dice_loss
from unison3d.models.tasks import ClosedSetTask
from unison3d.models.tasks.base import TaskOutput
from unison3d.registry import MODELS
from unison3d.structures import Prompts, SceneSample

NUM = 6


class Told(ClosedSetTask):
    """Class logits and predicted IoU are what the layer holds."""

    def instance_logits(self, layer):
        return layer.class_embeddings

    def semantic_logits(self, layer):
        return layer.semantic_embeddings


def _task(**options) -> Told:
    task = Told(1, 1, num_prototypes=1, embedding_dim=1, **options)
    task.quality_head = torch.nn.Flatten(0)
    return task


def _output() -> TaskOutput:
    """Query q sits on superpoint q, and claims it and the next."""
    masks = torch.full((NUM, NUM), -2.0)
    masks[torch.arange(NUM), torch.arange(NUM)] = 2.0 + torch.arange(NUM) / 10
    masks[torch.arange(NUM - 1), torch.arange(1, NUM)] = 1.0
    layer = LayerOutput(
        torch.zeros(NUM, 1),
        masks.requires_grad_(),
        torch.zeros(NUM, 19, requires_grad=True),
        torch.zeros(NUM, 20, requires_grad=True),
    )
    return TaskOutput([layer], torch.arange(NUM))


def _sample(objects: list[list[int]], pseudo: list[list[int]] | None) -> SceneSample:
    def rows(groups: list[list[int]]) -> torch.Tensor:
        masks = torch.zeros(len(groups), NUM, dtype=torch.bool)
        for row, group in enumerate(groups):
            masks[row, group] = True
        return masks

    sample = SceneSample(
        sp_masks=rows(objects),
        sp_semantic=torch.full((NUM,), 5),
        sp_ignore=torch.zeros(NUM, dtype=torch.bool),
        gt_instance_semantic=torch.full((len(objects),), 5),
        prompts=Prompts(),
    )
    if pseudo is not None:
        sample.sp_pseudo_masks = rows(pseudo)
    return sample


def _loss(task, sample):
    output = _output()
    losses = task.loss([output], [None], [sample])
    classes = output.final.class_embeddings
    (gradient,) = torch.autograd.grad(losses['loss_instance'], classes, retain_graph=True)
    return losses, output, gradient


def test_their_queries_teach_no_class():
    sample = _sample([[0, 1]], [[3, 4]])
    for options, silent in (({}, []), (dict(pseudo_loss={}), [3])):
        _, _, gradient = _loss(_task(**options), sample)
        assert (~gradient.any(dim=1)).nonzero().flatten().tolist() == silent


def test_values_of_the_pair():
    weights = dict(bce_weight=0.0, dice_weight=0.1, dice_final=4.0)
    losses, output, _ = _loss(_task(pseudo_loss=weights), _sample([[0, 1]], [[3, 4]]))
    target = torch.tensor([[0, 0, 0, 1, 1, 0]]).bool()
    expected = 0.1 * 4 * dice_loss(output.final.mask_logits[3:4], target)
    torch.testing.assert_close(losses['loss_pseudo'], expected)
    (gradient,) = torch.autograd.grad(losses['loss_pseudo'], output.final.mask_logits)
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [3]


def test_a_query_that_an_object_took_is_gone():
    # Query 0 answers best for both; the object has it, and the pseudo mask gets the next.
    losses, output, _ = _loss(_task(pseudo_loss={}), _sample([[0, 1]], [[0, 1]]))
    (gradient,) = torch.autograd.grad(losses['loss_pseudo'], output.final.mask_logits)
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [1]


def test_predicted_quality_learns_from_both():
    both = _loss(_task(pseudo_loss={}), _sample([[0, 1]], [[3, 4]]))[0]['loss_quality']
    # Both masks are right to the last superpoint, and the predicted IoU is 0.
    assert both.item() == pytest.approx(0.1, abs=1e-5)
    wrong = _loss(_task(pseudo_loss={}), _sample([[0, 1]], [[3, 4, 5]]))[0]['loss_quality']
    assert wrong.item() == pytest.approx(0.1 * (1 + (2 / 3) ** 2) / 2, abs=1e-5)


@pytest.mark.parametrize('pseudo', [None, []])
def test_without_pseudo_masks_everything_is_as_before(pseudo):
    plain = _loss(_task(), _sample([[0, 1], [4]], None))[0]
    losses = _loss(_task(pseudo_loss={}), _sample([[0, 1], [4]], pseudo))[0]
    assert losses.pop('loss_pseudo') == 0
    assert losses == plain
    assert 'loss_pseudo' not in plain


def test_pseudo_masks_alone_and_out_of_reach():
    losses, _, gradient = _loss(_task(pseudo_loss={}), _sample([], [[2, 3]]))
    assert losses['loss_pseudo'] > 0 and sum(losses.values()).isfinite()
    assert not gradient[2].any()
    output = _output()
    output.superpoints = torch.zeros(NUM, dtype=torch.int64)  # no query lies on the mask
    losses = _task(pseudo_loss={}).loss([output], [None], [_sample([], [[2, 3]])])
    assert losses['loss_pseudo'] == 0 and losses['loss_pseudo'].requires_grad


def test_a_whole_model_trains_on_them():
    config = tiny_config()
    config['tasks']['closed_set']['pseudo_loss'] = dict(bce_weight=0.1, dice_weight=0.1)
    torch.manual_seed(0)
    model = MODELS.build(config).train()
    batch = collate(model, [scene_inputs(seed=1), scene_inputs(num_superpoints=10, seed=2)])
    samples = [labelled_sample(n) for n in batch.num_superpoints]
    samples[0].sp_pseudo_masks = ~samples[0].sp_masks[:2]
    losses = model.loss(batch, samples)
    assert losses['loss_pseudo'] > 0
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
