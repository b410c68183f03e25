"""OneFormer3D on S3DIS, tested on Area 5, trained on the other five.

Training starts from the instance-only model, by way of `unison3d convert oneformer3d
instance-only-oneformer3d_1xb2_scannet-and-structured3d.pth data/instance_only.safetensors`.

unison3d train configs/oneformer3d/oneformer3d_1xb2_s3dis-area-5.py
unison3d test configs/oneformer3d/oneformer3d_1xb2_s3dis-area-5.py WEIGHTS.safetensors
"""

_base_ = [
    '../_base_/models/oneformer3d_learned.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/adamw-poly-epochs.py',
    '../_base_/default_runtime.py',
]

label_space = 's3dis'
load_from = 'data/instance_only.safetensors'
# Queries and classes there are of other data sets.
load_strict = False

train_pipeline = [
    dict(type='SamplePoints', num_points=180_000, replace=True),
    dict(type='RandomFlip'),
    dict(type='RandomScale', low=0.9, high=1.1, shift_std=0.1),
    dict(type='PackScene'),
]
test_pipeline = [dict(type='PackScene')]

train_dataloader = dict(
    batch_size=2,
    num_workers=3,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True, _delete_=True),
    dataset=dict(pipeline=train_pipeline),
)
auto_scale_lr = dict(base_batch_size=2)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader

test_evaluator = [
    dict(type='SemanticMetric', label_space=label_space),
    dict(type='InstanceMetric', label_space=label_space),
    dict(
        type='PanopticMetric',
        label_space=label_space,
        stuff={{_base_.model.tasks.closed_set.panoptic_stuff}},
    ),
]
val_evaluator = test_evaluator
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=16, max_keep_ckpts=1))
log_processor = dict(by_epoch=True)
custom_hooks = [
    dict(type='ExportWeightsHook', filename='oneformer3d_1xb2_s3dis-area-5.safetensors')
]
