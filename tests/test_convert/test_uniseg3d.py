"""The published model of the shipped config takes a published checkpoint, name by name."""

from __future__ import annotations

import pytest
import torch
from conftest import REPO_ROOT
from mmengine.config import Config

from tests.test_convert.published import made_up, manifest_models
from unison3d.convert import get_system, translate, translate_back
from unison3d.convert.system import reason_for
from unison3d.engine import load_state
from unison3d.registry import MODELS

CONFIG = REPO_ROOT / 'configs' / 'unified' / 'uniseg3d_scannet.py'
PUBLISHED = pytest.mark.parametrize(
    ('system', 'shapes'), [p for p in manifest_models() if p.values[0] in ('uniseg3d', None)]
)


@PUBLISHED
def test_the_config_takes_the_published_weights(system, shapes):
    model = MODELS.build(Config.fromfile(CONFIG).model)
    system = get_system(system)
    converted = translate(system, made_up(shapes)).tensors
    own = {
        name: value
        for name, value in model.state_dict().items()
        if reason_for(name, system.ours_only) is not None
    }
    # All that the published file does not have: embeddings of a file beside it, and what weighs
    # nothing in published training.
    groups = {name.removeprefix('tasks.').split('.')[1] for name in own}
    assert groups == {'class_embeddings', 'negative_embedding', 'quality_head'}
    load_state(model, {**converted, **own}, strict=True)
    name = 'decoder.cls_proj.4.weight'
    assert torch.equal(model.state_dict()[name], converted[name].float())
    trained = sum(p.numel() for p in model.parameters())
    trained -= sum(v.numel() for n, v in own.items() if not n.endswith('class_embeddings'))
    assert trained == 18_976_642  # Appendix B13 of the engineering specification


@PUBLISHED
def test_trained_weights_go_back_whole(system, shapes):
    """What our training writes has every published name but those of the frozen text tower."""
    model = MODELS.build(Config.fromfile(CONFIG).model)
    back = translate_back(get_system(system), model.state_dict())
    assert back.report.complete
    expected = {n: s for n, s in shapes.items() if not n.startswith('lang.text_encoder.')}
    assert {name: tuple(value.shape) for name, value in back.tensors.items()} == expected
