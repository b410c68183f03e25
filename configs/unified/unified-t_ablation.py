"""A tiny unified model, to train several times: what does it cost to share one network?

Made for one CPU core and ten minutes. `benchmarks/ablation.py` trains it on all tasks and on each
task alone, with the same rooms, seeds, iterations and optimiser. Sentences are asked the published
way, one query per sentence, because a task that chooses among objects of another cannot be trained
alone.

unison3d train configs/unified/unified-t_ablation.py
"""

_base_ = './unified-s_synth-rooms.py'

max_iters = 400
embedding_dim = 384
text_encoder = dict(type='EmbeddingBankEncoder', fallback=dict(type='MiniLMTextEncoder'))

model = dict(
    data_preprocessor=dict(voxel_size=0.08),
    backbone=dict(planes=(16, 32, 48, 64, 80)),
    decoder=dict(d_model=64, num_layers=2, hidden_dim=128),
    tasks=dict(
        closed_set=dict(queries=dict(max_queries=250)),
        # One click, as it is tested.
        click=dict(box_embedding=False, correction_rounds=0, loss_weight=0.5),
        text=dict(
            _delete_=True,
            type='TextTask',
            embedding_dim=embedding_dim,
            text_encoder=text_encoder,
            wide=True,
            loss_weight=2.0,
        ),
        open_vocabulary=dict(novelty=0.0),
    ),
)

train_pipeline = [
    dict(type='WithholdClasses', names={{_base_.withheld}}),
    dict(type='CropScene', max_points=20_000),
    dict(type='RandomFlip'),
    dict(type='RandomRotate'),
    dict(type='RandomScale', low=0.85, high=1.15, anisotropy=0.05),
    dict(type='JitterPoints', std=0.003),
    dict(type='ColorAugment'),
    dict(type='SuperpointTargets'),
    # Tested with one click per object, and so trained.
    dict(type='SampleClicks', mode='train', max_objects=16, num_clicks_prob=(1.0,)),
    dict(type='SampleSentences', max_texts=16),
    dict(type='PackScene'),
]
train_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=train_pipeline)
)
test_dataloader = dict(num_workers=0, dataset=dict(num_scenes=50))
val_dataloader = test_dataloader
default_hooks = dict(checkpoint=dict(interval=100, max_keep_ckpts=1))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters + 1)
optim_wrapper = dict(optimizer=dict(lr=2.0e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min_ratio=0.01),
]
custom_hooks = [dict(type='ExportWeightsHook', filename='unified-t_ablation.safetensors')]
