"""A converted checkpoint that says what model it fills, so that it can be used without a config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor

from unison3d.apis.model_file import make_model
from unison3d.convert import System
from unison3d.convert.system import reason_for
from unison3d.engine.checkpoint import load_state
from unison3d.errors import ConfigError
from unison3d.models import UnifiedSegmentor
from unison3d.models.tasks.quality_head import QualityHead
from unison3d.models.text import read_class_prototypes
from unison3d.registry import without_own_scope

_CLASS_EMBEDDINGS = 'tasks.closed_set.class_embeddings'


@torch.no_grad()
def complete_weights(
    system: System,
    weights: Mapping[str, Tensor],
    model_config: Mapping[str, Any],
    *,
    class_embeddings: str | Path | None = None,
    source: str = 'the config',
) -> tuple[dict[str, Tensor], str]:
    """Add to converted weights what the published system does not have, and a description.

    Class embeddings come from their file. Predicted qualities, which nobody trained, become 1
    everywhere, and the vector that marks negative clicks becomes zero. What only links use keeps
    its initial value.

    Args:
        system: where the weights come from.
        weights: tensors by our names.
        model_config: the ``model`` of a config that fits.
        class_embeddings: file of the vectors of class names, see
            :func:`~unison3d.models.text.read_class_prototypes`; for models that make no vectors of
            their own.
        source: names the config in messages.

    Returns:
        Weights of every part of the model, and the model as JSON, the entry ``model`` of a file
        that :func:`~unison3d.apis.model_file.load_model` reads.

    Raises:
        ConfigError: the system does not become a :class:`UnifiedSegmentor`, class embeddings are
            needed and not given, or the config holds what JSON has no word for.
        CheckpointError: the weights are of another architecture than the config, or the config has
            options that a weights file may not have.
    """
    if not system.describable:
        raise ConfigError(
            f'{system.name} becomes {system.target}, and a description is for models of the type '
            f'{UnifiedSegmentor.__name__}. Leave the config out.'
        )
    description = json.dumps(without_own_scope(model_config), default=partial(_plain, source))
    model = make_model({'model': description}, weights, source)
    _neutralise(model, weights)
    state = model.state_dict()
    if _CLASS_EMBEDDINGS in state and _CLASS_EMBEDDINGS not in weights:
        if class_embeddings is not None:
            model.tasks['closed_set'].set_class_embeddings(read_class_prototypes(class_embeddings))
        if not bool(state[_CLASS_EMBEDDINGS].isfinite().all()):
            raise ConfigError(
                f'{source}: the model has no vectors of its class names, which {system.name} keeps '
                'in a file of their own. Name it in the config: custom_hooks='
                '[dict(type="ClassEmbeddingsHook", path=...)].'
            )
    own = {
        name: value
        for name, value in state.items()
        if name not in weights
        and (name.startswith('links.') or reason_for(name, system.ours_only) is not None)
    }
    complete = {**weights, **own}
    load_state(model, complete, source=f'Weights of {system.name} for {source}')
    return complete, description


def _plain(source: str, value: object) -> object:
    """What JSON has of a setting that is no number, text, list or dict."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise ConfigError(
        f'{source}: the model has a setting {value!r} of the type {type(value).__name__}, expected '
        'numbers, text, lists and dicts, which a weights file can describe. Name classes by their '
        'registered name, as text.'
    )


def _neutralise(model: UnifiedSegmentor, weights: Mapping[str, Tensor]) -> None:
    """Instead of random numbers: every quality is 1, and negative clicks are not marked."""
    for name, module in model.named_modules():
        if isinstance(module, QualityHead) and f'{name}.0.weight' not in weights:
            for parameter in module.parameters():
                parameter.zero_()
            module[-1].bias.fill_(1.0)
    for name, parameter in model.named_parameters():
        if name.endswith('.negative_embedding') and name not in weights:
            parameter.zero_()
