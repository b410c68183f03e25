"""Names without a prefix are ours inside of our parts, in a run of any toolbox."""

from __future__ import annotations

import pytest
from mmengine.registry import MODELS as ROOT
from mmengine.registry import DefaultScope, Registry
from tiny import tiny_config
from torch import nn

from unison3d.models.backbones import SparseUNet


@pytest.fixture
def other_toolbox():
    """A toolbox with a network of the same name, whose run this is."""
    models = Registry('model', parent=ROOT, scope='elsewhere')
    models.register_module('SparseUNet', module=nn.Identity)
    with DefaultScope.overwrite_default_scope('elsewhere'):
        yield models
    del ROOT.children['elsewhere']


def test_parts_of_our_models_are_ours(other_toolbox):
    model = ROOT.build({**tiny_config(), 'type': 'unison3d.UnifiedSegmentor'})
    assert isinstance(model.backbone, SparseUNet)
    assert isinstance(ROOT.build({'type': 'SparseUNet'}), nn.Identity), 'outside, the run decides'


def test_a_prefix_and_a_scope_are_followed(other_toolbox):
    from unison3d.registry import MODELS

    assert isinstance(MODELS.build({'type': 'elsewhere.SparseUNet'}), nn.Identity)
    assert isinstance(MODELS.build({'type': 'SparseUNet', '_scope_': 'elsewhere'}), nn.Identity)
