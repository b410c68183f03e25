"""Training in bfloat16, and what stays in float32."""

from __future__ import annotations

import pytest
import torch

from tests.test_engine.scenes import scene_runner
from tests.tiny import collate, labelled_sample, scene_inputs, tiny_model
from unison3d.engine import read_checkpoint
from unison3d.models.decoders.unified_decoder import attention_mask
from unison3d.models.postprocess import matrix_nms

BFLOAT16 = {'type': 'BFloat16OptimWrapper', 'optimizer': {'type': 'AdamW', 'lr': 1e-3}}


class Decisions:
    """Notes in which precision tasks lose and predict."""

    def __init__(self, model, monkeypatch):
        self.seen = set()
        for name, task in model.tasks.items():
            for method in ('loss', 'predict'):
                monkeypatch.setattr(task, method, self.watch(name, method, getattr(task, method)))

    def watch(self, name, method, original):
        def watched(outputs, *rest):
            for output in outputs if isinstance(outputs, list) else [outputs]:
                for layer in output.layers:
                    assert layer.mask_logits.dtype == layer.embeddings.dtype == torch.float32
            assert not torch.is_autocast_enabled('cpu')
            self.seen.add((name, method))
            return original(outputs, *rest)

        return watched


def test_training_in_bfloat16(tmp_path, monkeypatch):
    runner = scene_runner(tmp_path, optim_wrapper=BFLOAT16)
    model = runner.model
    decisions = Decisions(model, monkeypatch)
    inside = []
    model.decoder.input_proj[0].register_forward_hook(lambda m, x, out: inside.append(out.dtype))
    before = {name: value.clone() for name, value in model.named_parameters()}
    runner.train()
    assert set(inside) == {torch.bfloat16}
    assert decisions.seen == {(name, 'loss') for name in model.tasks}
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    moved = [not torch.equal(before[name], value) for name, value in model.named_parameters()]
    assert all(moved)
    state = read_checkpoint(tmp_path / 'iter_2.pth')['optimizer']['state']
    assert {entry['exp_avg'].dtype for entry in state.values()} == {torch.float32}


def test_losses_are_those_of_float32_up_to_rounding():
    model = tiny_model().train()
    scenes = [scene_inputs(seed=0), scene_inputs(seed=1)]
    samples = [labelled_sample(20), labelled_sample(20, num_instances=2)]
    losses = {}
    for enabled in (False, True):
        torch.manual_seed(0)  # Queries are sampled.
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=enabled):
            losses[enabled] = model.loss(collate(model, scenes), samples)
    for name, value in losses[True].items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, losses[False][name], rtol=0.1, atol=0.02, msg=name)


def test_prediction_decides_in_float32(monkeypatch):
    model = tiny_model().eval()
    decisions = Decisions(model, monkeypatch)
    sample = labelled_sample(20)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        model.predict(collate(model, [scene_inputs()]), [sample])
    assert decisions.seen == {(name, 'predict') for name in model.tasks}
    assert sample.pred_instances.scores.dtype == torch.float32


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_masks_near_zero(dtype):
    logits = torch.tensor([[-1e-3, 0.0, 1e-3], [-1e-6, -1e-4, 2.0]], dtype=dtype)
    # In bfloat16 all of these small ones would round to a probability of 0.5.
    assert bool((logits.bfloat16().sigmoid()[:, :2] >= 0.5).all())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        allowed = attention_mask(logits)
    assert allowed.tolist() == [[False, True, True], [False, False, True]]


def test_matching_tells_apart_what_rounds_to_one_number(monkeypatch):
    """Two queries whose costs are equal in bfloat16: float32 finds the better one."""
    model = tiny_model().train()
    masks, on_it = torch.ones(1, 64, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool)
    logits = torch.tensor([[4.0], [4.001], [0.0]]).expand(3, 64)

    def match(*args):
        query_ids, _ = model.tasks['closed_set'].matcher(logits, masks, on_it)
        found.append(query_ids.tolist())
        return {}

    found = []
    monkeypatch.setattr(model.tasks['closed_set'], 'loss', match)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        model.loss(collate(model, [scene_inputs()]), [labelled_sample(20)])
        match()
    assert found[0] == [1]
    assert found[1] != [1], 'this example no longer shows a difference'


def test_suppression_of_near_duplicates_in_float32():
    soft = torch.full((2, 512), 0.999)
    soft[1, 0] = 0.5
    scores = torch.tensor([0.9, 0.8])
    model = tiny_model().eval()
    kept = []
    task = model.tasks['closed_set']
    task.predict = lambda *args: kept.append(matrix_nms(soft, torch.zeros(2).long(), scores)[0])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        model.predict(collate(model, [scene_inputs()]), [labelled_sample(20)])
    torch.testing.assert_close(kept[0], matrix_nms(soft, torch.zeros(2).long(), scores)[0])
