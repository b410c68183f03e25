"""Checkpoints that are complete or absent, the runner that resumes from them, and its hooks."""

from unison3d.engine.checkpoint import (
    LoadReport,
    load_state,
    read_checkpoint,
    read_weights,
    save_weights,
    write_checkpoint,
)
from unison3d.engine.hooks import (
    AtomicCheckpointHook,
    AverageBuffersHook,
    ExportWeightsHook,
    MeanLossesHook,
    RandomStateHook,
    StopHook,
    ThroughputHook,
)
from unison3d.engine.loops import ResumableEpochBasedTrainLoop, ResumableIterBasedTrainLoop
from unison3d.engine.optim_wrappers import BFloat16OptimWrapper
from unison3d.engine.runner import SafeRunner
from unison3d.engine.samplers import Draw, ResumableSampler

__all__ = [
    'AtomicCheckpointHook',
    'AverageBuffersHook',
    'BFloat16OptimWrapper',
    'Draw',
    'ExportWeightsHook',
    'LoadReport',
    'MeanLossesHook',
    'RandomStateHook',
    'ResumableEpochBasedTrainLoop',
    'ResumableIterBasedTrainLoop',
    'ResumableSampler',
    'SafeRunner',
    'StopHook',
    'ThroughputHook',
    'load_state',
    'read_checkpoint',
    'read_weights',
    'save_weights',
    'write_checkpoint',
]
