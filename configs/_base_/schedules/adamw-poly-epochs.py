"""AdamW and a polynomial decay per epoch over 512 epochs, as published (UniSeg3D, OneFormer3D).

The rate after e epochs is 1e-4 * (1 - e / 512) ** 0.9. A run resumes exactly at the end of an
epoch; hooks need by_epoch=True.
"""

max_epochs = 512

# Every epoch of the last 16, and every 16th before.
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=max_epochs,
    val_interval=16,
    dynamic_intervals=[(max_epochs - 16, 1)],
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=10, norm_type=2),
)
# Scenes per step that the rate is made for; unison3d train --auto-scale-lr scales it to others.
auto_scale_lr = dict(enable=False, base_batch_size=4)
# MMEngine is at zero one step before the end, so that with end=512 the last epoch learns nothing.
param_scheduler = [dict(type='PolyLR', power=0.9, begin=0, end=max_epochs + 1, by_epoch=True)]
