"""Registries of the toolbox: children of the MMEngine roots, scope ``unison3d``.

A name written in a config is looked up here first and in MMEngine afterwards, so ``AdamW`` or
``CosineAnnealingLR`` need no prefix. ``locations`` names the modules that are imported the first
time a registry is asked for something it does not know: a config never has to list imports.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import EVALUATOR as MMENGINE_EVALUATOR
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import OPTIMIZERS as MMENGINE_OPTIMIZERS
from mmengine.registry import PARAM_SCHEDULERS as MMENGINE_PARAM_SCHEDULERS
from mmengine.registry import RUNNERS as MMENGINE_RUNNERS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry as MMEngineRegistry

SCOPE = 'unison3d'


class Registry(MMEngineRegistry):
    """A registry in which a name without a prefix is looked up in this scope first.

    MMEngine would look it up in the default scope of the run, so that the parts of a model of ours
    could not be found, or were those of another toolbox, in a run of that toolbox.
    """

    @contextmanager
    def switch_scope_and_registry(self, scope: str | None) -> Iterator[MMEngineRegistry]:
        """See the base class; ``_scope_`` in a config is still what counts."""
        with super().switch_scope_and_registry(SCOPE if scope is None else scope) as registry:
            yield registry


_MODELS_AT = ['unison3d.models']
_DATASETS_AT = ['unison3d.datasets']
_ENGINE_AT = ['unison3d.engine']
_EVALUATION_AT = ['unison3d.evaluation']

# Networks, tasks, losses and everything else that is an nn.Module.
MODELS = Registry('model', parent=MMENGINE_MODELS, scope=SCOPE, locations=_MODELS_AT)
# Matchers, samplers and other helpers without parameters.
TASK_UTILS = Registry('task util', parent=MMENGINE_TASK_UTILS, scope=SCOPE, locations=_MODELS_AT)
# Phrases to unit vectors. No MMEngine counterpart exists, so this one is a root.
TEXT_ENCODERS = Registry('text encoder', scope=SCOPE, locations=['unison3d.models.text'])

DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope=SCOPE, locations=_DATASETS_AT)
# A sampler that resumes belongs to the engine.
DATA_SAMPLERS = Registry(
    'data sampler', parent=MMENGINE_DATA_SAMPLERS, scope=SCOPE, locations=_ENGINE_AT
)
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope=SCOPE, locations=_DATASETS_AT)
FUNCTIONS = Registry('function', parent=MMENGINE_FUNCTIONS, scope=SCOPE, locations=_DATASETS_AT)

METRICS = Registry('metric', parent=MMENGINE_METRICS, scope=SCOPE, locations=_EVALUATION_AT)
EVALUATORS = Registry('evaluator', parent=MMENGINE_EVALUATOR, scope=SCOPE, locations=_EVALUATION_AT)

# A run sets the default scope; built inside of another scope it would lose it at the end of that.
RUNNERS = MMEngineRegistry('runner', parent=MMENGINE_RUNNERS, scope=SCOPE, locations=_ENGINE_AT)
LOOPS = Registry('loop', parent=MMENGINE_LOOPS, scope=SCOPE, locations=_ENGINE_AT)
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope=SCOPE, locations=_ENGINE_AT)
OPTIMIZERS = Registry('optimizer', parent=MMENGINE_OPTIMIZERS, scope=SCOPE, locations=_ENGINE_AT)
OPTIM_WRAPPERS = Registry(
    'optimizer wrapper', parent=MMENGINE_OPTIM_WRAPPERS, scope=SCOPE, locations=_ENGINE_AT
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor',
    parent=MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
    scope=SCOPE,
    locations=_ENGINE_AT,
)
PARAM_SCHEDULERS = Registry(
    'parameter scheduler', parent=MMENGINE_PARAM_SCHEDULERS, scope=SCOPE, locations=_ENGINE_AT
)


def without_own_scope(config: Any) -> Any:
    """Settings without the words that their names are of this scope.

    A config that inherits by ``unison3d::`` says so on every level. The description in a file of
    weights is read in this scope anyway, and its reader refuses every change of the scope.

    Args:
        config: dicts, lists and plain values.
    """
    if isinstance(config, dict):
        own = config.get('_scope_') == SCOPE
        items = ((key, item) for key, item in config.items() if not (own and key == '_scope_'))
        return {key: without_own_scope(item) for key, item in items}
    if isinstance(config, (list, tuple)):
        return [without_own_scope(item) for item in config]
    return config
