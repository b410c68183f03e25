"""The small model with the parts of ../ground.py in place of its own."""

_base_ = 'unison3d::unified/unified-s_smoke.py'

custom_imports = dict(imports=['projects.example.ground'])
model = dict(
    backbone=dict(_delete_=True, type='PointwiseBackbone'),
    tasks=dict(_delete_=True, ground=dict(type='GroundTask')),
)
pack = [dict(type='SuperpointTargets'), dict(type='PackScene')]
hills = dict(_delete_=True, type='HillsDataset')
train_dataloader = dict(dataset=dict(**hills, seed=8, pipeline=[dict(type='TiltScene'), *pack]))
test_dataloader = val_dataloader = dict(dataset=dict(**hills, pipeline=pack, test_mode=True))
test_evaluator = val_evaluator = [dict(type='GroundMetric')]
train_cfg = dict(max_iters=40, val_interval=40)
param_scheduler = []
custom_hooks = [dict(type='ExportWeightsHook', filename='ground_hills.safetensors')]
