"""What every run needs and no method changes."""

default_scope = 'unison3d'
runner_type = 'SafeRunner'

env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    throughput=dict(type='ThroughputHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', by_epoch=False, interval=500, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
log_processor = dict(by_epoch=False, window_size=50)
log_level = 'INFO'
randomness = dict(seed=0)
# A process whose scenes have no sentence or no object leaves the layers for them unused.
find_unused_parameters = True
load_from = None
resume = False
