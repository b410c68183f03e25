"""Parameters, gradients and optimiser state spread over processes (FSDP of PyTorch 2.6 and newer).

A config asks for it with ``model_wrapper_cfg = dict(type='FullySharded')``. Every process holds its
part of each parameter and of the optimiser state; for a step the parameters are brought together,
and gradients are summed into parts. Checkpoints have whole tensors, as those of one process do: one
can go on with any number of processes, or with none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import broadcast
from mmengine.hooks import EMAHook, Hook
from torch import Tensor, nn
from torch.optim import Optimizer

from unison3d.errors import ConfigError

__all__ = ['WRAPPER', 'check_hooks', 'gathered', 'shard_model', 'shard_optimizer', 'sharded_like']

WRAPPER = 'FullySharded'


def shard_model(model: nn.Module) -> nn.Module:
    """Spread the parameters over all processes, in place.

    As one group: the sparse tensors between the parts of our models are not what FSDP looks for
    gradients in, so parts of them cannot be groups of their own.

    Raises:
        ConfigError: a single process, or a PyTorch without ``fully_shard``.
    """
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError as error:
        raise ConfigError(
            f'{WRAPPER} needs PyTorch 2.6 or newer, and this is {torch.__version__}. Leave '
            'model_wrapper_cfg out.'
        ) from error
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        raise ConfigError(
            f'{WRAPPER} spreads a model over several processes, and there is one. Start them with '
            'torchrun and --launcher pytorch, or leave model_wrapper_cfg out.'
        )
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    mesh = torch.distributed.device_mesh.init_device_mesh(
        device, (torch.distributed.get_world_size(),)
    )
    # Before there are parts, which MMEngine's initialisation does not know.
    if hasattr(model, 'init_weights'):
        model.init_weights()
    model.to(device)
    for value in model.state_dict().values():
        broadcast(value)
    return fully_shard(model, mesh=mesh, reshard_after_forward=False)


def check_hooks(hooks: list[Hook]) -> None:
    """Refuse what cannot work with spread parameters.

    Raises:
        ConfigError: an EMAHook, which copies the model.
    """
    if any(isinstance(hook, EMAHook) for hook in hooks):
        raise ConfigError(
            f'{WRAPPER}: averaged weights (EMAHook) are a copy of the whole model in every '
            'process. Leave one of the two out: default_hooks.ema=None.'
        )


def gathered(value: Any) -> Any:
    """Whole tensors in place of parts, in containers of any depth.

    All processes have to call it. Without parts it returns equal containers.
    """
    if isinstance(value, Tensor):
        return value.full_tensor() if _is_part(value) else value
    if isinstance(value, Mapping):
        return {key: gathered(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(gathered(item) for item in value)
    return value


def sharded_like(model: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parts of whole tensors, where the model has parts under the same name and of this shape."""
    own = model.state_dict()
    return {
        name: _part_of(value, own[name])
        if name in own and _is_part(own[name]) and own[name].shape == value.shape
        else value
        for name, value in state_dict.items()
    }


def shard_optimizer(optimizer: Optimizer) -> None:
    """Spread state that was read from a checkpoint as the parameters are."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            fits = isinstance(value, Tensor) and value.shape == parameter.shape
            if fits and _is_part(parameter) and not _is_part(value):
                state[name] = _part_of(value, parameter)


def _is_part(value: Tensor) -> bool:
    return hasattr(value, 'device_mesh')


def _part_of(whole: Tensor, like: Any) -> Tensor:
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements)
