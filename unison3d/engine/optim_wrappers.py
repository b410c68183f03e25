"""Half precision on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from unison3d.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the network in bfloat16, on the CPU as well as on a GPU.

    Weights, their gradients and the optimiser stay float32, and so does what
    :class:`~unison3d.models.UnifiedSegmentor` keeps out of half precision: losses, matching costs
    and mask selection. bfloat16 has the exponents of float32, so no loss is scaled and nothing
    joins the checkpoint. For float16 there is ``AmpOptimWrapper`` of MMEngine, on a GPU, whose
    scaler is kept in the checkpoint.

    Arguments are those of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Automatic mixed precision around the forward pass."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
