"""The command ``unison3d``: picks the verb and turns errors into exit statuses.

Nothing heavy is imported here, nor at the top of a verb: ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from unison3d.cli import (
    bench,
    convert,
    doctor,
    infer,
    prepare,
    superpoints,
    synth,
    test,
    train,
    view,
)
from unison3d.cli.engine_option import choose_engines
from unison3d.errors import MissingDependencyError, SceneWarning, Unison3DError
from unison3d.version import __version__

INTERRUPTED = 130
_VERBS = (infer, view, train, test, convert, prepare, superpoints, synth, doctor, bench)
_EPILOG = """\
exit status: 0 success, 1 failure, 2 wrong usage or config, 3 unusable input, 4 missing package,
5 unusable weights, 130 interrupted, 143 training stopped by SIGTERM with its state saved"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; used by the tests to check every command in the documentation."""
    parser = argparse.ArgumentParser(
        prog='unison3d',
        description='Panoptic, semantic, instance, interactive, referring and open-vocabulary '
        'segmentation of 3D scans.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'unison3d {__version__}')
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument('--debug', action='store_true', help='show the traceback of an error')
    verbs = parser.add_subparsers(title='verbs', dest='verb', metavar='VERB', required=True)
    for verb in _VERBS:
        verb.add_parser(verbs, common)
    return parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line without the leading ``unison3d``."""
    return build_parser().parse_args(infer.attach_clicks(argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program name. Defaults to those of the process.

    Returns:
        The exit status.
    """
    args = parse_arguments(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            _short_scene_warnings()
            choose_engines(args)
            status = args.run(args)
            # A closed pipe shows here, not at interpreter exit, where it could not be handled.
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        return _fail('interrupted', INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left, as in `unison3d doctor | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Unison3DError, OSError, ImportError) as error:
        if args.debug:
            raise
        if isinstance(error, ImportError):
            hint = 'Run `unison3d doctor` to see what is missing.'
            return _fail(f'{error}. {hint}', MissingDependencyError.exit_code)
        return _fail(error, error.exit_code if isinstance(error, Unison3DError) else 1)


def _fail(message: object, status: int) -> int:
    print(f'unison3d: {message}', file=sys.stderr)
    return status


def _short_scene_warnings() -> None:
    """Print what we have to say about a scene as one line, without the place in our code."""
    shown_by_python = warnings.showwarning

    def show(message, category, filename, lineno, file=None, line=None):
        if issubclass(category, SceneWarning):
            print(f'unison3d: warning: {message}', file=sys.stderr)
        else:
            shown_by_python(message, category, filename, lineno, file, line)

    warnings.simplefilter('always', SceneWarning)
    warnings.showwarning = show


if __name__ == '__main__':
    sys.exit(main())
