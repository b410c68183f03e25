"""The instance-only model from which S3DIS training starts, with the classes of two data sets.

There is no reader for Structured3D here: the training below sees ScanNet alone, so it is not the
published one. The model, its released weights and the test on ScanNet are. The published training
also took the validation scans, so published numbers on ScanNet are not held out.

unison3d test configs/oneformer3d/instance-only-oneformer3d_1xb2_scannet-and-structured3d.py \\
    WEIGHTS.safetensors
"""

_base_ = [
    '../_base_/models/oneformer3d_learned.py',
    '../_base_/datasets/scannet.py',
    '../_base_/schedules/adamw-poly-epochs.py',
    '../_base_/default_runtime.py',
]

max_iters = 600_000

model = dict(
    tasks=dict(
        closed_set=dict(
            _delete_=True,
            type='MixedLabelSetsTask',
            label_spaces=('structured3d', 'scannet20'),
            # A scan that names no label space gets the queries and classes of ScanNet.
            default='scannet20',
            num_queries=400,
            matcher=dict(class_weight=0.5, bce_weight=1.0, dice_weight=1.0),
            instance_loss=dict(
                background_weight=0.05, dice_final=4.0, dice_auxiliary=1.0, average='batch'
            ),
            score_weight=0.5,
            postprocess=dict(
                topk=400,
                mask_threshold=0.15,
                inside_threshold=0.01,
                score_threshold=0.0,
                min_points=100,
                instance_quality=True,
            ),
        )
    )
)

train_pipeline = [
    dict(type='RandomFlip'),
    dict(type='RandomRotate', angle=3.14),
    dict(type='RandomScale', low=0.8, high=1.2, shift_std=0.1),
    dict(type='ElasticDistortion', prob=1.0, voxel_size=0.05),
    dict(type='PackScene'),
]
test_pipeline = [dict(type='PackScene')]

train_dataloader = dict(
    batch_size=2,
    num_workers=6,
    dataset=dict(text_encoder=None, pipeline=train_pipeline),
)
auto_scale_lr = dict(base_batch_size=2)
test_dataloader = dict(dataset=dict(text_encoder=None, pipeline=test_pipeline))
val_dataloader = test_dataloader

train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=25_000)
param_scheduler = [dict(type='PolyLR', power=0.9, begin=0, end=max_iters, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=25_000, max_keep_ckpts=1))

test_evaluator = [dict(type='InstanceMetric')]
val_evaluator = test_evaluator
custom_hooks = [
    dict(
        type='ExportWeightsHook',
        filename='instance-only-oneformer3d_1xb2_scannet-and-structured3d.safetensors',
    )
]
