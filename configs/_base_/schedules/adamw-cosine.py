"""AdamW, a short warm-up, then a cosine to almost zero, counted in iterations."""

max_iters = 4200

train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.02),
    # Attention in post-norm layers does not stand the step of the convolutions.
    paramwise_cfg=dict(custom_keys={'decoder': dict(lr_mult=0.5)}),
    clip_grad=dict(max_norm=10, norm_type=2),
)
# Scenes per step that the rate is made for; unison3d train --auto-scale-lr scales it to others.
auto_scale_lr = dict(enable=False, base_batch_size=2)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=200, end=max_iters, eta_min_ratio=0.01),
]
