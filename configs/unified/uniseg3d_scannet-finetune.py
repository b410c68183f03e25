"""The second stage of UniSeg3D: 40 more epochs at a thousandth of the rate and decay.

Starts from a checkpoint of the first stage. Which one the published weights started from is not
known.

unison3d train configs/unified/uniseg3d_scannet-finetune.py --cfg-options load_from=CHECKPOINT
"""

_base_ = './uniseg3d_scannet.py'

max_epochs = 40
load_from = 'work_dirs/uniseg3d_scannet/uniseg3d_scannet.safetensors'
load_strict = True

train_cfg = dict(max_epochs=max_epochs, val_interval=1, dynamic_intervals=None)
optim_wrapper = dict(optimizer=dict(lr=1e-7, weight_decay=5e-5))
param_scheduler = [dict(type='PolyLR', power=0.9, begin=0, end=max_epochs + 1, by_epoch=True)]
custom_hooks = [dict(type='ExportWeightsHook', filename='uniseg3d_scannet-finetune.safetensors')]
