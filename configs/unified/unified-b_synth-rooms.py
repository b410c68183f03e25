"""The base unified model on procedural rooms: not part of the package, made by one command.

Trains on one GPU in bfloat16 and writes work_dirs/unified-b_synth-rooms/
unified-b_synth-rooms.safetensors, the average of the weights of the last thousand or so
iterations. The rooms are generated when they are first needed, by the workers. Rate and length
were not tuned.

unison3d train configs/unified/unified-b_synth-rooms.py --amp
unison3d test configs/unified/unified-b_synth-rooms.py WEIGHTS.safetensors
"""

_base_ = [
    '../_base_/models/unified-b.py',
    '../_base_/datasets/synth-rooms.py',
    '../_base_/schedules/adamw-cosine.py',
    '../_base_/default_runtime.py',
]

model = dict(
    tasks=dict(
        open_vocabulary=dict(
            vocabulary={{_base_.vocabulary}},
            test_vocabulary={{_base_.test_vocabulary}},
        )
    )
)

max_iters = 40_000
train_cfg = dict(max_iters=max_iters, val_interval=10_000)
optim_wrapper = dict(optimizer=dict(lr=8.0e-4))
auto_scale_lr = dict(base_batch_size=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=1000),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=1000, end=max_iters, eta_min_ratio=0.01),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    dataset=dict(num_scenes=6000),
)
test_evaluator = [
    dict(type='SemanticMetric'),
    dict(type='InstanceMetric'),
    dict(type='PanopticMetric'),
    dict(type='InteractiveMetric'),
    dict(type='ReferringMetric'),
    dict(type='OpenVocabularyMetric', unseen={{_base_.withheld}}),
]
val_evaluator = test_evaluator
default_hooks = dict(ema=dict(type='EMAHook', momentum=0.001))
custom_hooks = [dict(type='ExportWeightsHook', filename='unified-b_synth-rooms.safetensors')]
