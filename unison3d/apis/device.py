"""Which device a model goes to."""

from __future__ import annotations

import torch

from unison3d.errors import ConfigError

# What PyTorch raises for a device that its build or this machine does not have.
_UNUSABLE = (AssertionError, ImportError, RuntimeError, TypeError)

#: Nothing of it changes a result, but for the seams of tiles.
MEMORY_ADVICE = (
    'Cut the scan into tiles (unison3d infer --tile 8m), ask for fewer tasks or prompts at a time, '
    'take the CPU where a GPU ran out (--device cpu), or fuse a capture to larger voxels '
    '(--fusion-voxel) or fewer frames (--every).'
)


def pick_device(device: str | torch.device = 'auto') -> torch.device:
    """A device that works here.

    Args:
        device: ``'auto'`` takes the GPU where there is one, else the CPU; or a name such as
            ``'cpu'``, ``'cuda'``, ``'cuda:1'`` or ``'mps'``.

    Raises:
        ConfigError: a name PyTorch does not know, or a device this machine does not have.
    """
    if isinstance(device, str) and device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        found = torch.device(device)
        # A name says little: only a number that comes back shows that the device is there.
        torch.zeros(1, device=found).item()
    except _UNUSABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f'device {device!r} cannot be used ({reason}). Give "auto", "cpu", or a device that '
            '`unison3d doctor` lists.'
        ) from error
    return found
