from __future__ import annotations

import argparse
import subprocess
import sys
import warnings

import pytest

from unison3d import __version__, errors
from unison3d.cli import doctor
from unison3d.cli.main import build_parser, main


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        'import sys\n'
        'from unison3d.cli.main import build_parser\n'
        'build_parser().format_help()\n'
        'heavy = {"torch", "numpy", "mmengine", "scipy", "numba"} & set(sys.modules)\n'
        'assert not heavy, heavy\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_help_names_every_verb(unison3d):
    done = unison3d('--help')
    assert done.returncode == 0
    for word in ('infer', 'train', 'test', 'synth', 'doctor', 'exit status'):
        assert word in done.stdout


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(['--version'])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f'unison3d {__version__}\n'


@pytest.mark.parametrize(
    'words', [[], ['sing'], ['infer'], ['infer', '--out', 'x'], ['synth'], ['doctor', '--out', 'x']]
)
def test_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert 'usage:' in capsys.readouterr().err


def raising(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (errors.Unison3DError('x'), 1),
        (errors.ConfigError('x'), 2),
        (errors.FileFormatError('x'), 3),
        (errors.SceneError('x'), 3),
        (errors.PromptError('x'), 3),
        (errors.VocabularyError('x'), 3),
        (errors.MissingDependencyError('x', 'text'), 4),
        (errors.CheckpointError('x'), 5),
        (OSError(28, 'No space left on device'), 1),
        (ImportError('libGL.so.1: cannot open shared object file'), 4),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_status_and_message(monkeypatch, capsys, error, status):
    monkeypatch.setattr(doctor, 'run', raising(error))
    assert main(['doctor']) == status
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.startswith('unison3d: ')
    assert captured.err.count('\n') == 1


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr(doctor, 'run', raising(errors.PromptError('x')))
    with pytest.raises(errors.PromptError):
        main(['doctor', '--debug'])


def test_mistakes_of_ours_are_not_hidden(monkeypatch):
    monkeypatch.setattr(doctor, 'run', raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(['doctor'])


def test_scene_warnings_are_one_line(monkeypatch, capsys):
    def run(args):
        warnings.warn('looks like millimetres', errors.SceneWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(doctor, 'run', run)
    assert main(['doctor']) == 0
    assert capsys.readouterr().err == 'unison3d: warning: looks like millimetres\n'


def test_a_closed_pipe_is_not_an_error_message():
    command = f'{sys.executable} -m unison3d doctor | head -c 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert 'Traceback' not in done.stderr
    assert 'Exception ignored' not in done.stderr


def test_every_option_has_help():
    def visit(parser):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for child in action.choices.values():
                    visit(child)
            else:
                assert action.help, f'{parser.prog}: {action.dest}'

    visit(build_parser())
