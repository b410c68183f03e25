"""Every loss of the published model against recorded values and gradients.

The model is that of ``configs/_base_/models/uniseg3d.py``, so its switches are what is compared.
The group ``distance_norms`` has weights per click, which reach the contrastive loss alone.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import fixture_files

from tests.golden.recorded_losses import (
    FIELDS,
    LOSSES,
    TASKS,
    UNPUBLISHED,
    Recording,
    recorded_model,
    recorded_outputs,
    recorded_sample,
)
from unison3d.structures import LABEL_SPACES

FILES = fixture_files('uniseg3d', 'losses*.npz')
#: relative tolerance of values, of gradients to the largest entry; from the fixtures' README
TOLERANCES = {'pseudo_ditribute_loss': (1e-3, 1e-3)}
DEFAULT_TOLERANCES = (1e-5, 1e-5)
# Everything a file may hold. The pairs and costs are compared in test_matching.py.
KNOWN = re.compile(
    r'config_json|contrastive_logit_scale|[^/]+/(in|out/match/(base|ov)|out/loss|grad)/.+'
)


@pytest.fixture(params=FILES)
def recording(request, monkeypatch) -> Recording:
    recording = Recording.load(request.param)
    monkeypatch.setitem(LABEL_SPACES, 'recorded', recording.label_space)
    return recording


def test_losses_and_gradients(recording):
    model = recorded_model(recording)
    compared = set()
    for case in recording.config['cases']:
        outputs = recorded_outputs(recording, case)
        samples = [recorded_sample(recording, case, s) for s in range(recording.num_scenes(case))]
        # Of the encoded scenes nothing but the device is read.
        features = [SimpleNamespace(device=torch.device('cpu'))] * len(samples)
        losses = model.losses_of(outputs, features, samples)
        assert set(losses) == {name for names in LOSSES.values() for name in names} | UNPUBLISHED
        assert all(losses[name] == 0 for name in UNPUBLISHED)
        for key, names in LOSSES.items():
            loss = sum(losses[name] for name in names)
            compared |= _compare_value(recording, f'{case}/out/loss/{key}', loss)
            compared |= _compare_gradients(recording, f'{case}/grad/{key}', loss, outputs, model)
    assert compared == recording.keys('out/loss') | recording.keys('grad')


def test_everything_in_the_file_is_known(recording):
    assert not [key for key in recording.arrays.files if not KNOWN.fullmatch(key)]
    cases = {key.split('/')[0] for key in recording.arrays.files if '/' in key}
    assert cases == set(recording.config['cases'])


def _compare_value(recording: Recording, key: str, loss: torch.Tensor) -> set[str]:
    """A loss that the reference does not return in this case is zero here."""
    assert loss.requires_grad, key
    if key not in recording.arrays.files:
        assert loss == 0, key
        return set()
    rtol = TOLERANCES.get(key.split('/')[-1], DEFAULT_TOLERANCES)[0]
    np.testing.assert_allclose(
        loss.detach(), recording.arrays[key], rtol=rtol, atol=1e-6, err_msg=key
    )
    return {key}


def _compare_gradients(recording: Recording, prefix: str, loss, outputs, model) -> set[str]:
    """An input without a recorded gradient has a zero one."""
    inputs = {f'{prefix}/logit_scale': model.links['contrastive'].logit_scale}
    for kind, task in TASKS.items():
        for scene, output in enumerate(outputs[task]):
            for name, layer in zip(recording.layers, output.layers, strict=True):
                for field, attribute in FIELDS.items():
                    value = getattr(layer, attribute)
                    other = 'preds_iou' if kind != 'query' else 'contras_embeds'
                    if value is not None and value.requires_grad and field != other:
                        inputs[f'{prefix}/{kind}/{name}/scene{scene}/{field}'] = value
    recorded = {key for key in recording.arrays.files if key.startswith(f'{prefix}/')}
    assert recorded <= set(inputs)
    gradients = torch.autograd.grad(
        loss, list(inputs.values()), retain_graph=True, allow_unused=True
    )
    relative = TOLERANCES.get(prefix.split('/')[-1], DEFAULT_TOLERANCES)[1]
    for key, gradient in zip(inputs, gradients, strict=True):
        if key not in recorded:
            assert gradient is None or not bool(gradient.any()), key
            continue
        expected = recording.arrays[key]
        tolerance = relative * np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance, err_msg=key)
    return recorded
