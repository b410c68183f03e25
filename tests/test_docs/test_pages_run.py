"""Every command and every piece of Python on the pages runs, page by page, as for a reader.

Each page has a working folder of its own with small files under the names it uses. Commands run in
this process; trainings and measurements are shortened by further ``--cfg-options``. What cannot be
run is in :mod:`not_run`.
"""

from __future__ import annotations

import fnmatch
import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPO_ROOT
from mmengine.registry import Registry as MMEngineRegistry

from tests.test_docs.not_run import NOT_RUN
from tests.test_docs.pages import Step, is_config, pages, steps, title, words
from tests.test_docs.stand_ins import StandIns
from unison3d import registry as registries
from unison3d.cli.main import main, parse_arguments
from unison3d.io.config_files import find_package_config, read_config_file
from unison3d.operations import chosen_engines, set_engines

#: Words of the pages for something of the reader's.
MEANT = {'WEIGHTS': 'weights.safetensors', 'SCAN': 'my_scan.ply', 'CONFIG': 'config.py'}
#: Settings that make a training or a measurement small, whatever it is about.
SHORT = ('train_cfg.max_iters=1', 'train_dataloader.batch_size=1')
LOADERS = ('num_workers=0', 'persistent_workers=False')
ROOMS = ('scene_options.spacing=0.08', 'scene_options.max_points=4000')
MODEL = ('backbone.planes=[8,8,8,8,8]', 'decoder.num_layers=1')
#: Options that keep a script short.
SCRIPTS = {'benchmarks/fuzz.py': '--seconds 0.2 --reader scene:ascii.ply npz'}


def exempt(step: Step) -> int | None:
    """Which entry says why a step is not run."""
    for place, (page, start, _) in enumerate(NOT_RUN):
        inside = start.startswith('--') and f' {start}' in step.text
        if fnmatch.fnmatch(step.page, page) and (step.text.startswith(start) or inside):
            return place
    return None


@pytest.fixture(scope='session')
def stand_ins(tmp_path_factory) -> StandIns:
    return StandIns(tmp_path_factory.mktemp('stand_ins'))


@pytest.fixture
def reader(stand_ins, tmp_path, monkeypatch) -> Iterator[Path]:
    """The working folder; nobody opens a browser."""
    from unison3d.viewer.app import ViewerApp

    def leave(app: ViewerApp) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ViewerApp, 'wait', leave)
    before, engines = set(sys.modules), chosen_engines()
    yield tmp_path / 'clone'
    set_engines(engines)
    files = {
        name: getattr(sys.modules[name], '__file__', None) for name in set(sys.modules) - before
    }
    forget({name for name, file in files.items() if file and str(tmp_path) in file})


def forget(modules: set[str]) -> None:
    """Make the next page import these anew: they were files of this one."""
    for name in modules:
        del sys.modules[name]
    for registry in vars(registries).values():
        if isinstance(registry, MMEngineRegistry):
            for name, part in list(registry.module_dict.items()):
                if part.__module__ in modules:
                    del registry.module_dict[name]


@pytest.mark.parametrize('page', pages())
def test_what_a_page_shows_runs(page, reader, stand_ins, monkeypatch, capsys):
    shown = [step for step in steps(page) if exempt(step) is None]
    stand_ins.fill(reader, '\n'.join(meant(step.text) for step in shown))
    monkeypatch.chdir(reader)
    monkeypatch.syspath_prepend(str(reader))
    names: dict = {'__name__': '__main__'}
    trained: set[str] = set()
    for step in shown:
        try:
            if step.kind == 'python':
                run_python(step, names)
            else:
                run_command(step, monkeypatch, trained)
        except BaseException as error:
            # A stop is meant for pytest, an exit is a failure of the command.
            if isinstance(error, KeyboardInterrupt):
                raise
            said = capsys.readouterr().err[-2000:]
            pytest.fail(f'{page}: {step.text}\n{error!r}\n{said}', pytrace=False)


def run_command(step: Step, monkeypatch, trained: set[str]) -> None:
    argv = shlex.split(meant(step.text))
    if argv[0] == 'export':
        name, _, value = argv[1].partition('=')
        monkeypatch.setenv(name, value)
    elif argv[0] == 'unison3d':
        status = main(shortened(argv[1:], trained))
        # What is missing is an answer of `doctor`, and no failure.
        if status and not (argv[1] == 'doctor' and status == 4):
            raise RuntimeError(f'exit status {status}')
    elif argv[0] == 'python':
        options = shlex.split(SCRIPTS.get(argv[1], ''))
        monkeypatch.setattr(sys, 'argv', [*argv[1:], *options])
        try:
            runpy.run_path(argv[1], run_name='__main__')
        except SystemExit as stop:
            assert not stop.code
    else:
        pytest.fail(f'{step.page}: nobody knows how to run {step.text!r}; see {NOT_RUN!r}')


def meant(text: str) -> str:
    """A command with names of files in place of what stands for them."""
    for word, name in MEANT.items():
        text = re.sub(rf'(?<![\w.-]){word}(?![\w.-])', name, text)
    # One process does it as well, and need not be started.
    return re.sub(r' -j \d+', ' -j 1', text)


def shortened(argv: list[str], trained: set[str]) -> list[str]:
    """A command of ``unison3d`` that takes seconds.

    Args:
        argv: without the name of the program.
        trained: configs that were trained on this page so far, with fewer channels; grows.
    """
    verb, *rest = argv
    if verb == 'synth':
        return [*argv, '--num', '4' if 'rooms' in rest else '1']
    if verb == 'view' and '--snapshot' not in rest:
        return [*argv, '--port', '0']
    if verb == 'bench':
        return [*argv, '--repeats', '1']
    return [*argv, '--cfg-options', *small(rest, trained)] if verb in ('train', 'test') else argv


def small(argv: list[str], trained: set[str]) -> list[str]:
    config = read_config_file(find(argv[0]))
    options = []
    if len(argv) == 1 or argv[1].startswith('--'):
        trained.add(argv[0])
        options += SHORT
        if '--resume' in argv:
            options[0] = 'train_cfg.max_iters=2'
    # What was trained here has fewer channels, and what ships has all.
    of_run = ('work_dirs/', 'best', 'latest')
    own = bool(options) or (argv[0] in trained and argv[1].startswith(of_run))
    if own and config.model.backbone.type == 'SparseUNet':
        options += [f'model.{option}' for option in MODEL]
    for name, count in (('train', 2), ('val', 1), ('test', 1)):
        loader = f'{name}_dataloader'
        options += [f'{loader}.{option}' for option in LOADERS]
        if config[loader].dataset.type == 'SynthRoomsDataset':
            options += [f'{loader}.dataset.{option}' for option in (*ROOMS, f'num_scenes={count}')]
            if 'camera_share' in config[loader].dataset:
                options.append(f'{loader}.dataset.camera_share=0.0')
    return options


def find(config: str) -> Path:
    """The file of a config, also of one that is named by its package."""
    return find_package_config(config) if '::' in config else Path(config)


def run_python(step: Step, names: dict) -> None:
    file = title(step.text)
    if is_config(step.text):
        path = Path(file or 'snippet.py')
        path.write_text(step.text, encoding='utf-8')
        assert read_config_file(path).model
    elif file is not None:
        Path(file).write_text(step.text, encoding='utf-8')
        importlib.invalidate_caches()
    elif '__main__' in step.text:
        Path('script.py').write_text(step.text, encoding='utf-8')
        environment = {**os.environ, 'PYTHONPATH': str(REPO_ROOT)}
        subprocess.run([sys.executable, 'script.py'], check=True, env=environment, timeout=300)
    else:
        exec(compile(step.text, step.page, 'exec'), names)


def test_every_exception_is_still_needed():
    used = {exempt(step) for page in pages() for step in steps(page)}
    for place, (page, start, _) in enumerate(NOT_RUN):
        assert place in used, f'nothing on {page} begins with {start!r} any more'


def test_most_of_it_is_run(record_property):
    shown = [step for page in pages() for step in steps(page)]
    left = [step for step in shown if exempt(step) is not None]
    record_property('steps', len(shown))
    record_property('not run', len(left))
    print(f'{len(shown)} steps on {len(pages())} pages, {len(left)} of them not run')
    assert len(left) < len(shown) / 3


def test_commands_that_are_not_run_parse():
    for page in pages():
        for step in steps(page):
            if exempt(step) is not None and step.text.startswith('unison3d '):
                assert parse_arguments(words(step)[1:]).verb
