"""Registries of the toolbox: children of the MMEngine roots, scope ``unison3d``.

A name written in a config is looked up here first and in MMEngine afterwards, so ``AdamW`` or
``CosineAnnealingLR`` need no prefix. ``locations`` names the modules that are imported the first
time a registry is asked for something it does not know: a config never has to list imports.
"""

from __future__ import annotations

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
from mmengine.registry import Registry

SCOPE = 'unison3d'

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

RUNNERS = Registry('runner', parent=MMENGINE_RUNNERS, scope=SCOPE, locations=_ENGINE_AT)
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
