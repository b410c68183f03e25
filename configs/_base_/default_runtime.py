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
log_processor = dict(
    by_epoch=False,
    window_size=50,
    # MMEngine's, and the sums of losses per task.
    mean_pattern=r'.*(loss|task/|time|grad_norm).*',
)
log_level = 'INFO'
randomness = dict(seed=0)
# Losses that do not apply are zeros tied to their parameters. A model with layers that none of its
# tasks asks for (class embeddings without a task of classes) needs True in several processes.
find_unused_parameters = False
load_from = None
resume = False
