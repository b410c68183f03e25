"""What the README and the docs show is what the program does."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from unison3d.cli.main import parse_arguments

REPO_ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(REPO_ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')),
    *sorted((REPO_ROOT / 'docs').rglob('*.md')),
]
FENCE = re.compile(r'^```(\w*)\n(.*?)^```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\((?!https?:|#|mailto:)([^)#\s]+)')


def blocks(path: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(path.read_text('utf-8')) if kind == language]


def commands() -> list:
    lines = [
        (page.name, line.strip().removeprefix('$ '))
        for page in PAGES
        for body in blocks(page, 'bash')
        for line in body.replace('\\\n', ' ').splitlines()
    ]
    shown = dict.fromkeys((page, line) for page, line in lines if line.startswith('unison3d '))
    return [pytest.param(line, id=f'{page}: {line}') for page, line in shown]


def shown_files() -> dict[str, str]:
    """Python files that a reader is asked to save, by name: their first line says it."""
    bodies = [body for page in PAGES for body in blocks(page, 'python')]
    return {found[1]: body for body in bodies if (found := re.match(r'# (\w+\.py)\n', body))}


def arguments(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize('line', commands())
def test_every_command_parses(line):
    assert parse_arguments(arguments(line)).verb in line


@pytest.mark.parametrize('line', commands())
def test_every_config_exists(line):
    args = parse_arguments(arguments(line))
    if args.verb in ('train', 'test'):
        assert (REPO_ROOT / args.config).is_file() or str(args.config) in shown_files()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_weights_on_the_pages_are_those_that_a_run_exports(page):
    from mmengine.config import Config

    text = page.read_text('utf-8')
    for folder, name in re.findall(r'work_dirs/([\w-]+)/([\w.-]+\.safetensors)', text):
        if f'{folder}.py' in shown_files():
            assert f"filename='{name}'" in shown_files()[f'{folder}.py']
            continue
        (config,) = (REPO_ROOT / 'configs').glob(f'*/{folder}.py')
        hooks = Config.fromfile(config).custom_hooks
        assert name in [hook.filename for hook in hooks if hook.type == 'ExportWeightsHook']


def test_commands_that_take_a_moment_run(unison3d):
    cheap = {param.values[0] for param in commands() if 'doctor' in param.values[0]}
    assert cheap
    for line in cheap:
        assert unison3d(*arguments(line)).returncode in (0, 4)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_python_on_the_page_is_python(page):
    for body in blocks(page, 'python'):
        ast.parse(body)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text('utf-8')):
        assert (page.parent / target).exists(), f'{page.name} links to {target}'


def test_every_exit_status_is_documented():
    from unison3d import errors

    page = (REPO_ROOT / 'docs' / 'command_line.md').read_text('utf-8')
    for name in errors.__all__:
        status = getattr(getattr(errors, name), 'exit_code', 0)
        assert f'| {status} |' in page, name


def test_make_targets_on_the_pages_exist():
    makefile = (REPO_ROOT / 'Makefile').read_text('utf-8')
    for page in PAGES:
        for body in blocks(page, 'bash'):
            for target in re.findall(r'^make (\w+)', body, re.MULTILINE):
                assert re.search(rf'^{target}:', makefile, re.MULTILINE), target


def test_nothing_is_left_to_fill_in():
    for page in PAGES:
        assert '<!--' not in page.read_text('utf-8'), page.name


def test_ruff_has_one_version():
    constraints = (REPO_ROOT / 'requirements' / 'constraints.txt').read_text('utf-8')
    hooks = (REPO_ROOT / '.pre-commit-config.yaml').read_text('utf-8')
    pinned = re.search(r'^ruff==([\d.]+)', constraints, re.MULTILINE)
    hooked = re.search(r'ruff-pre-commit\n(?:\s*#.*\n)?\s*rev: v([\d.]+)', hooks)
    assert pinned[1] == hooked[1]


def test_the_seeds_on_the_page_are_those_of_the_program():
    from unison3d.cli.synth import FIRST_SEED

    page = (REPO_ROOT / 'docs' / 'command_line.md').read_text('utf-8')
    assert f'{FIRST_SEED:,} and on' in page


def test_the_ci_script_runs_the_documented_test_command():
    script = (REPO_ROOT / '.ci' / 'run').read_text('utf-8')
    assert 'make test' in script
    assert 'set -euo pipefail' in script
