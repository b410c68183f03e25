"""From a weights file to a model, without running anything the file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from unison3d.engine.checkpoint import load_state, read_weights
from unison3d.errors import CheckpointError
from unison3d.models import UnifiedSegmentor
from unison3d.registry import MODELS, TEXT_ENCODERS

SHIPPED_WEIGHTS = (
    Path(__file__).parents[1] / 'assets' / 'weights' / 'unified-s_synth-rooms.safetensors'
)


def load_model(
    path: str | Path | None = None, device: str | torch.device = 'cpu'
) -> tuple[UnifiedSegmentor, dict[str, str]]:
    """Build the model a weights file describes and fill it.

    The file's ``model`` entry is JSON. Only classes of this package's registries can be named in
    it, so a file from a stranger cannot make anything else run.

    Args:
        path: ``.safetensors`` written by a training run; None is the file that ships.
        device: where the model goes.

    Returns:
        The model in evaluation mode and the file's metadata.

    Raises:
        CheckpointError: the file is missing, damaged, without a model description, or its weights
            do not fit the description.
    """
    path = SHIPPED_WEIGHTS if path is None else Path(path)
    weights, metadata = read_weights(path)
    if 'model' not in metadata:
        raise CheckpointError(
            f'{path}: no description of the model inside. Expected the .safetensors file that a '
            'training run exports; for a bare checkpoint use `unison3d test CONFIG CHECKPOINT`.'
        )
    try:
        config = json.loads(metadata['model'])
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f'{path}: the description of the model is damaged ({error})'
        ) from error
    _check_types(config, path)
    model = MODELS.build(config)
    load_state(model, weights, source=str(path))
    return model.to(device).eval(), metadata


def _check_types(config: Any, path: Path) -> None:
    """Every ``type`` must be a class of ours."""
    if isinstance(config, dict):
        name = config.get('type')
        if name is not None and not _is_ours(name):
            raise CheckpointError(
                f'{path}: the model names the class {name!r}, which this version of unison3d does '
                'not have. Use the version that wrote the file, or a file made by this one.'
            )
        for value in config.values():
            _check_types(value, path)
    elif isinstance(config, list):
        for value in config:
            _check_types(value, path)


def _is_ours(name: Any) -> bool:
    registries = (MODELS, TEXT_ENCODERS)
    return isinstance(name, str) and any(
        # ``get`` would also search MMEngine's parents and follow dotted import paths.
        name in registry.module_dict
        for registry in registries
    )
