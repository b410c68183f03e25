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
:class:`CheckpointError` and its child                5
:class:`TrainingStopped`                              143
====================================================  ===========
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    'CheckpointError',
    'ConfigError',
    'FileFormatError',
    'FileWriteError',
    'InputError',
    'MissingDependencyError',
    'OutOfMemoryError',
    'PromptError',
    'SceneError',
    'SceneWarning',
    'TrainingStopped',
    'Unison3DError',
    'UnreadableCheckpointError',
    'VocabularyError',
    'install_line',
]


def install_line(extra: str, *options: str) -> str:
    """The shell command that installs the packages of an extra.

    Args:
        extra: the extra of ``unison3d``.
        options: further words for ``pip install``.
    """
    # Next to the package of a source checkout lies its set-up; in an installed copy nothing does.
    # A checkout has to be named by its folder: an index may not know the package at all.
    is_checkout = (Path(__file__).parents[1] / 'setup.cfg').is_file()
    target = f'-e ".[{extra}]"' if is_checkout else f'"unison3d[{extra}]"'
    return ' '.join(('pip install', *options, target))


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
        package: name of the package that could not be imported; without ``extra`` the whole
            message, which is how a data-loading worker hands an error over to its parent.
        extra: the extra of ``unison3d`` that installs it.
        reason: what the package is needed for, one short phrase.
    """

    exit_code = 4

    def __init__(self, package: str, extra: str | None = None, reason: str = '') -> None:
        self.package = None if extra is None else package
        self.extra = extra
        self.reason = reason
        message = package
        if extra is not None:
            purpose = f' for {reason}' if reason else ''
            message = (
                f'The package "{package}" is needed{purpose} and is not installed. '
                f'Install it with: {install_line(extra)}'
            )
        super().__init__(message)

    def __reduce__(self) -> tuple:
        # The base class would give the message to a constructor that expects a package.
        if self.extra is None:
            return type(self), self.args
        return type(self), (self.package, self.extra, self.reason)


class CheckpointError(Unison3DError):
    """A weight file is missing, damaged, or made for another architecture."""

    exit_code = 5


class UnreadableCheckpointError(CheckpointError):
    """A weight file is missing, damaged, or holds more than tensors; another one may be read."""


class TrainingStopped(Unison3DError):
    """SIGTERM has ended a training after its state was saved."""

    # What shells report for a process that SIGTERM has ended.
    exit_code = 143


class FileWriteError(Unison3DError, OSError):
    """A file could not be written: no room, no right, or a broken disk. The old one is untouched.

    An OSError as well, so that whoever expects those goes on to.

    Args:
        message: for people.
        number: ``errno`` of the system; 0 where it told none.
    """

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.errno = number


class OutOfMemoryError(Unison3DError, MemoryError):
    """There is less memory than the work needs, also in the smallest pieces it can be cut into."""


class SceneWarning(UserWarning):
    """The scene is usable, but something about it is probably not what was meant."""
