"""What all tests of sparse convolution share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    """Layers draw their weights from the generator of torch."""
    torch.manual_seed(0)
