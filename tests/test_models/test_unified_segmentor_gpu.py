"""The unified model on CUDA: as on the CPU, and the same twice."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny import EMBEDDING_DIM, collate, labelled_sample, scene_inputs, tiny_model

from unison3d.structures import Prompts, SceneSample

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]


@pytest.fixture(autouse=True)
def _full_precision():
    """TensorFloat-32 rounds products to ten bits; the comparison is with float32."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@pytest.fixture(scope='module')
def models():
    on_cpu = tiny_model().eval()
    return on_cpu, copy.deepcopy(on_cpu).to('cuda')


SCENES = [scene_inputs(seed=1), scene_inputs(num_points=250, num_superpoints=9, seed=2)]


def _sample() -> SceneSample:
    embeddings = torch.randn(2, EMBEDDING_DIM, generator=torch.Generator().manual_seed(3))
    prompts = Prompts(
        click_superpoints=torch.tensor([1, 3, 5]),
        click_positive=torch.tensor([True, False, True]),
        click_objects=torch.tensor([0, 0, 1]),
        click_targets=torch.tensor([-1, -1]),
        texts=['one', 'two'],
        text_embeddings=embeddings,
    )
    return SceneSample(prompts=prompts)


def _encode(model):
    with torch.no_grad():
        return model.encode(collate(model, SCENES))


def _decode(model) -> list[dict]:
    device = next(model.parameters()).device
    with torch.no_grad():
        return [model.decode(scene, _sample().to(device)) for scene in _encode(model)]


def _predict(model) -> list[SceneSample]:
    device = next(model.parameters()).device
    return [model.predict_scene(scene, _sample().to(device)).to('cpu') for scene in _encode(model)]


def _losses(model, queries: list[torch.Tensor]) -> tuple[dict, dict]:
    """Losses and gradients with given superpoints as queries: the drawing differs by device."""
    model = copy.deepcopy(model)
    device = next(model.parameters()).device
    batch = collate(model, SCENES)
    drawn = iter(queries)
    model.tasks['closed_set'].make_queries._draw = lambda *_: next(drawn).to(device)
    samples = [labelled_sample(n).to(device) for n in batch.num_superpoints]
    losses = model.loss(batch, samples)
    sum(losses.values()).backward()
    gradients = {n: p.grad.cpu() for n, p in model.named_parameters() if p.grad is not None}
    return {name: value.detach().cpu() for name, value in losses.items()}, gradients


def _norm(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors.values()]).norm()


def test_encoding_equals_the_cpu(models):
    on_cpu, on_gpu = models
    for cpu, gpu in zip(_encode(on_cpu), _encode(on_gpu), strict=True):
        assert gpu.device.type == 'cuda'
        torch.testing.assert_close(
            gpu.superpoint_features.cpu(), cpu.superpoint_features, rtol=1e-3, atol=1e-4
        )
        torch.testing.assert_close(gpu.positions.cpu(), cpu.positions, rtol=1e-4, atol=1e-4)


def test_decoding_equals_the_cpu(models):
    on_cpu, on_gpu = models
    for cpu, gpu in zip(_decode(on_cpu), _decode(on_gpu), strict=True):
        for name, output in cpu.items():
            torch.testing.assert_close(
                gpu[name].final.mask_logits.cpu(), output.final.mask_logits, rtol=1e-2, atol=1e-2
            )


def test_predictions_equal_the_cpu(models):
    on_cpu, on_gpu = models
    for cpu, gpu in zip(_predict(on_cpu), _predict(on_gpu), strict=True):
        # A logit on a threshold may fall to either side, so nearly all points agree, not all.
        for field in ('pred_semantic', 'pred_panoptic_semantic', 'pred_open_semantic'):
            assert (gpu.get(field) == cpu.get(field)).float().mean() > 0.95, field
        for field in ('pred_clicks', 'pred_texts'):
            assert (gpu.get(field).masks == cpu.get(field).masks).float().mean() > 0.95, field
            torch.testing.assert_close(
                gpu.get(field).scores, cpu.get(field).scores, rtol=1e-2, atol=1e-2
            )


def test_losses_equal_the_cpu(models):
    on_cpu, on_gpu = models
    queries = [torch.arange(0, 20, 2), torch.arange(9)]
    expected, expected_gradients = _losses(on_cpu, queries)
    seen, gradients = _losses(on_gpu, queries)
    assert gradients.keys() == expected_gradients.keys()
    for name, value in expected.items():
        torch.testing.assert_close(seen[name], value, rtol=1e-2, atol=1e-3)
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    norms = [_norm(gradients), _norm(expected_gradients)]
    torch.testing.assert_close(norms[0], norms[1], rtol=2e-2, atol=0.0)


def test_the_same_twice(models):
    on_gpu = models[1]
    for one, two in zip(_predict(on_gpu), _predict(on_gpu), strict=True):
        assert torch.equal(one.pred_semantic, two.pred_semantic)
        assert torch.equal(one.pred_panoptic_instance, two.pred_panoptic_instance)
        assert torch.equal(one.pred_open_semantic, two.pred_open_semantic)
        assert torch.equal(one.pred_clicks.masks, two.pred_clicks.masks)
        # Sums over points are made in any order, so the last bits may differ.
        torch.testing.assert_close(one.pred_clicks.scores, two.pred_clicks.scores)
