from __future__ import annotations

import pytest
import torch

from unison3d.apis import Segmenter
from unison3d.apis.device import pick_device
from unison3d.errors import ConfigError


def test_devices_that_are_here():
    assert pick_device('cpu') == pick_device(torch.device('cpu')) == torch.device('cpu')
    assert pick_device().type == ('cuda' if torch.cuda.is_available() else 'cpu')


@pytest.mark.parametrize('device', ['gpu', '', 'cuda:99', 'cpu:x', 'meta', None, 1.5])
def test_devices_that_are_not(device):
    with pytest.raises(ConfigError, match='doctor'):
        pick_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without CUDA')
def test_no_cuda_is_noticed_before_the_weights_are_read(tmp_path):
    with pytest.raises(ConfigError, match='cuda'):
        Segmenter.from_pretrained(tmp_path / 'none.safetensors', device='cuda')
