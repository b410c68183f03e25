"""The one place where a file may run code: when its reader has said that it is trusted."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from unison3d.errors import UnreadableCheckpointError

__all__ = ['load_trusted']


def load_trusted(path: Path, map_location: Any) -> Any:
    """Read a checkpoint with Python objects; **code in it is run**.

    Raises:
        UnreadableCheckpointError: damaged, or it needs a package that is not installed.

    Warns:
        UserWarning: always, with the name of the file.
    """
    warnings.warn(
        f'{path}: read as trusted. Python objects in it are made, which runs whatever code they '
        'name. Do this only with files of people you trust.',
        UserWarning,
        stacklevel=3,
    )
    try:
        return torch.load(path, map_location=map_location, weights_only=False)
    except (
        RuntimeError,
        pickle.UnpicklingError,
        OSError,
        EOFError,
        ImportError,
        AttributeError,
        TypeError,
        ValueError,
        LookupError,
    ) as error:
        reason = (str(error).splitlines() or [''])[0]
        raise UnreadableCheckpointError(
            f'{path}: cannot be read, not even as trusted ({type(error).__name__}: {reason}). Copy '
            'it again, or install the package that it names.'
        ) from error
