"""The errors a user can meet, each with the exit status the command line gives back.

Every message answers four questions: where it happened, what was seen, what was expected, and what
to do about it. Internal mistakes stay ordinary Python exceptions.

====================================================  ===========
error                                                 exit status
====================================================  ===========
:class:`Unison3DError`                                1
:class:`ConfigError`                                  2
:class:`InputError` and its children                  3
:class:`MissingDependencyError`                       4
:class:`CheckpointError`                              5
====================================================  ===========
"""

from __future__ import annotations

__all__ = [
    'CheckpointError',
    'ConfigError',
    'FileFormatError',
    'InputError',
    'MissingDependencyError',
    'PromptError',
    'SceneError',
    'SceneWarning',
    'Unison3DError',
    'VocabularyError',
]


class Unison3DError(Exception):
    """Base of everything this package raises on purpose."""

    exit_code: int = 1


class ConfigError(Unison3DError):
    """A config or an option has an unknown key or a value outside its range."""

    exit_code = 2


class InputError(Unison3DError):
    """The data handed in cannot be used."""

    exit_code = 3


class FileFormatError(InputError):
    """A file is missing, truncated, damaged or of a kind that is not read."""


class SceneError(InputError):
    """The arrays of a scene have a wrong shape or hold bad numbers."""


class PromptError(InputError):
    """A click, box or sentence cannot be used with this scene."""


class VocabularyError(InputError):
    """A class name is not known, or a list of names is empty or repeats itself."""


class MissingDependencyError(Unison3DError):
    """An optional package is needed for what was asked.

    Args:
        package: name of the package that could not be imported.
        extra: the extra of ``unison3d`` that installs it.
        reason: what the package is needed for, one short phrase.
    """

    exit_code = 4

    def __init__(self, package: str, extra: str, reason: str = '') -> None:
        self.package = package
        self.extra = extra
        purpose = f' for {reason}' if reason else ''
        super().__init__(
            f'The package "{package}" is needed{purpose} and is not installed. '
            f'Install it with: pip install "unison3d[{extra}]"'
        )


class CheckpointError(Unison3DError):
    """A weight file is missing, damaged, or made for another architecture."""

    exit_code = 5


class SceneWarning(UserWarning):
    """The scene is usable, but something about it is probably not what was meant."""
