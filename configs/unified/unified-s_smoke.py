"""Does training work here? Two iterations and a test on six small rooms, half a minute on one core.

Everything but the amount of data is that of unified-s_synth-rooms.py. There are no sentences, so no
language model is needed. The weights it exports are worth nothing.

unison3d train configs/unified/unified-s_smoke.py
"""

_base_ = './unified-s_synth-rooms.py'

max_iters = 2
data_root = 'data/synth_rooms_smoke'
small_rooms = dict(
    profile='rooms-v1',
    kind='office',
    clutter=0.3,
    spacing=0.04,
    max_points=12_000,
    num_sentences=0,
)

train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        num_scenes=4,
        cache_dir=data_root,
        text_encoder=None,
        scene_options=small_rooms,
        camera_share=0.0,
    ),
)
test_dataloader = dict(
    num_workers=0,
    dataset=dict(num_scenes=2, cache_dir=data_root, text_encoder=None, scene_options=small_rooms),
)
val_dataloader = test_dataloader
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=1))
custom_hooks = [dict(type='ExportWeightsHook', filename='unified-s_smoke.safetensors')]
