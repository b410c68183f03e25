"""The base model with parameters, gradients and optimiser state spread over processes (FSDP).

For models that are too large for the memory of one GPU: widen the backbone here. Averaged weights
would be a whole copy in every process, so there are none. Needs PyTorch 2.6 or newer.

torchrun --nproc-per-node 2 tools/train.py configs/unified/unified-b_synth-rooms_fsdp.py --launcher pytorch
"""  # noqa: E501

_base_ = './unified-b_synth-rooms.py'

model_wrapper_cfg = dict(type='FullySharded')
default_hooks = dict(ema=None)
custom_hooks = [dict(type='ExportWeightsHook', filename='unified-b_synth-rooms_fsdp.safetensors')]
