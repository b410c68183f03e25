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
    ExportWeightsHook,
    RandomStateHook,
    ThroughputHook,
)
from unison3d.engine.loops import ResumableIterBasedTrainLoop
from unison3d.engine.optim_wrappers import BFloat16OptimWrapper
from unison3d.engine.runner import SafeRunner
from unison3d.engine.samplers import Draw, ResumableSampler

__all__ = [
    'AtomicCheckpointHook',
    'BFloat16OptimWrapper',
    'Draw',
    'ExportWeightsHook',
    'LoadReport',
    'RandomStateHook',
    'ResumableIterBasedTrainLoop',
    'ResumableSampler',
    'SafeRunner',
    'ThroughputHook',
    'load_state',
    'read_checkpoint',
    'read_weights',
    'save_weights',
    'write_checkpoint',
]
