"""MMEngine's own way to weights, used by ``init_cfg=dict(type='Pretrained')``, made safe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader

from unison3d.engine.checkpoint import read_checkpoint, read_weights
from unison3d.errors import CheckpointError

__all__ = ['tensors_only_loading']


@contextmanager
def tensors_only_loading(trust: bool = False) -> Iterator[None]:
    """Let MMEngine's checkpoint loader read local files through ours in this block.

    Args:
        trust: read Python objects too, with a warning.
    """
    before = CheckpointLoader._schemes

    def load(filename: str, map_location: Any = 'cpu', **_: Any) -> dict[str, Any]:
        if '://' in filename:
            raise CheckpointError(
                f'{filename}: weights are read from local files. Download it and name the file.'
            )
        if filename.endswith('.safetensors'):
            weights, meta = read_weights(filename)
            return {'state_dict': weights, 'meta': meta}
        return read_checkpoint(filename, map_location=map_location or 'cpu', trust=trust)

    CheckpointLoader._schemes = {'': load}
    try:
        yield
    finally:
        CheckpointLoader._schemes = before
