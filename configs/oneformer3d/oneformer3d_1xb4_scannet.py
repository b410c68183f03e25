"""OneFormer3D on ScanNet, 20 classes, trained as published.

Published initial weights of the backbone: sstnet_scannet.pth, by way of
`unison3d convert oneformer3d sstnet_scannet.pth data/sstnet_scannet.safetensors --allow-partial`.

unison3d train configs/oneformer3d/oneformer3d_1xb4_scannet.py
unison3d test configs/oneformer3d/oneformer3d_1xb4_scannet.py WEIGHTS.safetensors
"""

_base_ = [
    '../_base_/models/oneformer3d.py',
    '../_base_/datasets/scannet_published.py',
    '../_base_/schedules/adamw-poly-epochs.py',
    '../_base_/default_runtime.py',
]

load_from = 'data/sstnet_scannet.safetensors'
# The file holds the backbone alone.
load_strict = False

load = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels'),
    dict(type='MapClasses', label_space='scannet20'),
]
train_pipeline = [
    *load,
    dict(type='FlipPoints', prob_x=0.5, prob_y=0.5),
    dict(type='RotateScaleTranslate', rotation=3.14, scale=(0.8, 1.2), translation_std=0.1),
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations'),
    dict(type='AddElasticCoords', prob=0.5),
    dict(type='PackPublishedScene'),
]
test_pipeline = [
    *load,
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations'),
    dict(type='PackPublishedScene'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=6,
    # Workers that outlive an epoch keep random state that no checkpoint sees.
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True, _delete_=True),
    dataset=dict(pipeline=train_pipeline),
)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader

test_evaluator = [
    dict(type='SemanticMetric'),
    dict(type='InstanceMetric'),
    # Ours: absent='skip'. All 20 classes occur in the validation set, so here it is the same.
    dict(type='PanopticMetric', absent='zero'),
]
val_evaluator = test_evaluator
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=16, max_keep_ckpts=1))
log_processor = dict(by_epoch=True)
custom_hooks = [dict(type='ExportWeightsHook', filename='oneformer3d_1xb4_scannet.safetensors')]
