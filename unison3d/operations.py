"""Which engine computes which operation, where packages that people already have offer a second.

    set_engines({'pooling': 'torch_scatter', 'superpoints': 'segmentator'})

The same dictionary stands in a config as ``engines``, and on the command line as ``--use-engine
pooling=torch_scatter``. What it leaves out stays as it is. The encoders of text and images are
parts of a model and are chosen by its config (docs/engines.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from unison3d.errors import ConfigError
from unison3d.native.choice import Choice
from unison3d.sparse import engines as sparse_engines
from unison3d.sparse import pooling
from unison3d.superpoints import mesh_engines

OPERATIONS: dict[str, Choice] = {
    'sparse': sparse_engines.CHOICE,
    'pooling': pooling.CHOICE,
    'superpoints': mesh_engines.CHOICE,
}


def set_engines(engines: Mapping[str, str]) -> None:
    """Choose the engines of operations from here on, in all threads of this process.

    Args:
        engines: by name in :data:`OPERATIONS`, ``'auto'`` or the name of an engine.

    Raises:
        ConfigError: no such operation or engine.
        MissingDependencyError: the package of an engine is not installed or does not load.
        Nothing is changed then.
    """
    _check(engines)
    for operation, name in engines.items():
        OPERATIONS[operation].set(name)


@contextmanager
def use_engines(engines: Mapping[str, str]) -> Iterator[None]:
    """Choose inside a ``with`` block, in this thread; see :func:`set_engines`."""
    _check(engines)
    with ExitStack() as stack:
        for operation, name in engines.items():
            stack.enter_context(OPERATIONS[operation].use(name))
        yield


def chosen_engines() -> dict[str, str]:
    """What :func:`set_engines` takes to make the same choice in another process."""
    return {operation: choice.wanted_everywhere for operation, choice in OPERATIONS.items()}


def _check(engines: Mapping[str, str]) -> None:
    unknown = sorted(set(engines) - set(OPERATIONS))
    if unknown:
        raise ConfigError(f'engines: unknown operations {unknown}, expected {[*OPERATIONS]}')
    for operation, name in engines.items():
        OPERATIONS[operation].check(name)
