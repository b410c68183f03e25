"""Hooks of the runner."""

from unison3d.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from unison3d.engine.hooks.export_weights_hook import ExportWeightsHook
from unison3d.engine.hooks.random_state_hook import RandomStateHook

__all__ = ['AtomicCheckpointHook', 'ExportWeightsHook', 'RandomStateHook']
