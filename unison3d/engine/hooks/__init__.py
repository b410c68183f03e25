"""Hooks of the runner."""

from unison3d.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from unison3d.engine.hooks.average_buffers_hook import AverageBuffersHook
from unison3d.engine.hooks.class_embeddings_hook import ClassEmbeddingsHook
from unison3d.engine.hooks.export_weights_hook import ExportWeightsHook
from unison3d.engine.hooks.mean_losses_hook import MeanLossesHook
from unison3d.engine.hooks.random_state_hook import RandomStateHook
from unison3d.engine.hooks.stop_hook import StopHook
from unison3d.engine.hooks.throughput_hook import ThroughputHook

__all__ = [
    'AtomicCheckpointHook',
    'AverageBuffersHook',
    'ClassEmbeddingsHook',
    'ExportWeightsHook',
    'MeanLossesHook',
    'RandomStateHook',
    'StopHook',
    'ThroughputHook',
]
