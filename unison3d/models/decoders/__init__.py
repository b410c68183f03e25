"""Query decoders."""

from unison3d.models.decoders.unified_decoder import (
    LayerOutput,
    QueryBlock,
    SceneMemory,
    UnifiedDecoder,
)

__all__ = ['LayerOutput', 'QueryBlock', 'SceneMemory', 'UnifiedDecoder']
