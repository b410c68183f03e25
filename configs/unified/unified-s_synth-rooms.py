"""The weights that ship: the small unified model on procedural rooms, six tasks at once.

unison3d train configs/unified/unified-s_synth-rooms.py
unison3d test configs/unified/unified-s_synth-rooms.py WEIGHTS.safetensors
"""

_base_ = [
    '../_base_/models/unified-s.py',
    '../_base_/datasets/synth-rooms.py',
    '../_base_/schedules/adamw-cosine.py',
    '../_base_/default_runtime.py',
]

model = dict(
    tasks=dict(
        # Belongs to the weights: benchmarks/referring.py --fit. The threshold is where the
        # probability before it is 0.5.
        text=dict(presence_calibration=(1.028, 1.677), presence_threshold=0.843),
        open_vocabulary=dict(
            vocabulary={{_base_.vocabulary}},
            test_vocabulary={{_base_.test_vocabulary}},
        ),
    )
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
custom_hooks = [dict(type='ExportWeightsHook', filename='unified-s_synth-rooms.safetensors')]
