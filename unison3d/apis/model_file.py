"""From a weights file to a model, without trusting anything the file says."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from unison3d.apis.device import pick_device
from unison3d.apis.pretrained import SHIPPED_WEIGHTS, find_weights, restore_labels
from unison3d.engine.checkpoint import load_state, read_weights
from unison3d.errors import CheckpointError, MissingDependencyError, Unison3DError
from unison3d.models import ScenePreprocessor, UnifiedSegmentor
from unison3d.models.tasks import OpenVocabularyTask, ReferringTask, TextTask
from unison3d.models.tasks.base import Task
from unison3d.models.text import CachedTextEncoder
from unison3d.registry import MODELS, TEXT_ENCODERS

__all__ = ['SHIPPED_WEIGHTS', 'load_model', 'make_model', 'share_text_encoders']

# Options that would make a class read or write a place of the file's choosing, or leave our
# registries.
_FORBIDDEN_KEYS = frozenset({'_scope_', 'cache_dir', 'init_cfg', 'model_dir', 'path'})
_LARGEST_NUMBER = 10**6
# Where tasks that encode words of the user keep their encoder.
_ENCODER_ATTRIBUTES = {
    OpenVocabularyTask: 'encoder',
    ReferringTask: '_text_encoder',
    TextTask: '_text_encoder',
}
# How much larger than the file a model may be while it is built: 256 MB of parameters, and a
# thousand tensors. Room for a sentence encoder, which is no part of the file, and for descriptions
# that miss the weights by little and deserve the full report of what does not fit.
_SPARE_NUMBERS, _SPARE_TENSORS = 2**26, 1000
# What building a model raises when its options are of a wrong type, name or size.
_UNBUILDABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    Unison3DError,
)


def load_model(
    path: str | Path | None = None, device: str | torch.device = 'cpu'
) -> tuple[UnifiedSegmentor, dict[str, str]]:
    """Build the model a weights file describes and fill it.

    The file's ``model`` entry is JSON. Only classes of this package's registries can be named in
    it, options that touch the disk are refused, and a description that needs more memory than the
    file can fill is refused before that memory is used.

    Args:
        path: ``.safetensors`` written by a training run, a folder that
            :meth:`~unison3d.apis.Segmenter.save_pretrained` wrote, or the name of weights that
            ship; None is the default of these. A hash in ``SHA256SUMS`` beside the file is checked.
        device: where the model goes, see :func:`~unison3d.apis.device.pick_device`.

    Returns:
        The model in evaluation mode and the file's metadata. Its tasks share one text encoder
        that remembers every phrase, where their descriptions ask for the same one.

    Raises:
        CheckpointError: the file is missing, damaged, without a usable model description, or its
            weights do not fit the description.
        MissingDependencyError: the model needs a package that is not installed.
        ConfigError: the device cannot be used.
    """
    device = pick_device(device)
    path = find_weights(path)
    weights, metadata = read_weights(path)
    model = make_model(metadata, weights, path)
    load_state(model, weights, source=str(path))
    restore_labels(model, path)
    return model.to(device).eval(), metadata


def make_model(
    metadata: Mapping[str, str], weights: Mapping[str, Tensor], path: str | Path
) -> UnifiedSegmentor:
    """The model that the metadata of a weights file describe, with initial weights.

    Args:
        metadata: see :func:`load_model`.
        weights: the tensors of the file; they bound the size of the model.
        path: for messages.

    Raises:
        CheckpointError: no usable model description.
        MissingDependencyError: the model needs a package that is not installed.
    """
    config = _read_description(metadata, path)
    try:
        with _bounded_by(weights):
            model = MODELS.build(config)
        _check_parts(model)
        share_text_encoders(model, config['tasks'])
    except MissingDependencyError:
        raise
    except _UNBUILDABLE as error:
        reason = (str(error).splitlines() or [''])[0]
        raise CheckpointError(
            f'{path}: no model can be made from its description '
            f'({type(error).__name__}: {reason}). Expected the one a training run of this version '
            'exports. Use the version that wrote the file, or a file made by this one.'
        ) from error
    return model


def share_text_encoders(model: UnifiedSegmentor, tasks: Mapping[str, Any]) -> None:
    """Give tasks with the same description of a text encoder one encoder with a memory.

    Names and sentences are then encoded once per process, and one language model is loaded.

    Args:
        model: its tasks are changed.
        tasks: their configs by name.
    """
    shared: dict[str, CachedTextEncoder] = {}
    for name, task in model.tasks.items():
        config = tasks[name].get('text_encoder')
        attribute = _ENCODER_ATTRIBUTES.get(type(task))
        if attribute is None or config is None:
            continue
        key = json.dumps(config, sort_keys=True)
        if key not in shared:
            # The text task makes its own when the first sentence arrives.
            encoder = getattr(task, attribute)
            encoder = TEXT_ENCODERS.build(config) if encoder is None else encoder
            cached = isinstance(encoder, CachedTextEncoder)
            shared[key] = encoder if cached else CachedTextEncoder(encoder)
        setattr(task, attribute, shared[key])


def _read_description(metadata: Mapping[str, str], path: str | Path) -> dict[str, Any]:
    if 'model' not in metadata:
        raise CheckpointError(
            f'{path}: no description of the model inside. Expected the .safetensors file that a '
            'training run exports, or that `unison3d convert --config CONFIG` writes; for a bare '
            'checkpoint use `unison3d test CONFIG CHECKPOINT`.'
        )
    try:
        config = json.loads(metadata['model'])
        if not isinstance(config, dict) or config.get('type') != UnifiedSegmentor.__name__:
            raise CheckpointError(
                f'{path}: the description of the model is no UnifiedSegmentor. Expected the '
                '.safetensors file that a training run exports.'
            )
        _check_description(config, path)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f'{path}: the description of the model is damaged ({error})'
        ) from error
    return config


def _check_description(value: Any, path: str | Path) -> None:
    """Only classes of ours, no forbidden options, no absurd numbers."""
    if isinstance(value, dict):
        if 'type' in value and not _is_ours(value['type']):
            raise CheckpointError(
                f'{path}: the model names the class {value["type"]!r}, which this version of '
                'unison3d does not have. Use the version that wrote the file, or a file made by '
                'this one.'
            )
        forbidden = sorted(k for k in _FORBIDDEN_KEYS & value.keys() if value[k] is not None)
        if forbidden:
            raise CheckpointError(
                f'{path}: the model sets {forbidden}, which a weights file may not do because they '
                'reach outside of it. Take them out of the config and export the weights again.'
            )
        for item in value.values():
            _check_description(item, path)
    elif isinstance(value, list):
        for item in value:
            _check_description(item, path)
    elif isinstance(value, (int, float)) and not abs(value) <= _LARGEST_NUMBER:
        raise CheckpointError(
            f'{path}: the description of the model holds the number {value:.3g}, expected at most '
            f'{_LARGEST_NUMBER:,}. It is damaged.'
        )


def _is_ours(name: Any) -> bool:
    registries = (MODELS, TEXT_ENCODERS)
    return isinstance(name, str) and any(
        # ``get`` would also search MMEngine's parents and follow dotted import paths.
        name in registry.module_dict
        for registry in registries
    )


@contextmanager
def _bounded_by(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Stop building when the parameters are far more than these weights.

    Parameters are announced after their memory is reserved and before it is written, so what is
    refused has cost address space only.
    """
    numbers = 2 * sum(value.numel() for value in weights.values()) + _SPARE_NUMBERS
    tensors = 2 * len(weights) + _SPARE_TENSORS
    thread = threading.get_ident()
    seen = [0, 0]

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        # The hook is global; models that other threads build meanwhile are none of our business.
        if parameter is None or threading.get_ident() != thread:
            return
        seen[0] += parameter.numel()
        seen[1] += 1
        if seen[0] > numbers or seen[1] > tensors:
            raise CheckpointError(
                f'it describes another architecture: more than {seen[0]:,} parameters in '
                f'{seen[1]:,} tensors, while the file holds {len(weights):,} tensors'
            )

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _check_parts(model: nn.Module) -> None:
    if not isinstance(model.data_preprocessor, ScenePreprocessor):
        raise TypeError('its data_preprocessor is no ScenePreprocessor')
    wrong = [name for name, task in model.tasks.items() if not isinstance(task, Task)]
    if wrong or not len(model.tasks):
        raise TypeError(f'its tasks {wrong} are no tasks' if wrong else 'it has no tasks')
    size = model.data_preprocessor.voxel_size
    if not (math.isfinite(size) and size > 0):
        raise ValueError(f'voxel_size is {size}, expected a positive number of metres')
