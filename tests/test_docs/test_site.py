"""The site builds without a warning, and every page can be reached from the first one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO_ROOT

from unison3d.cli.main import build_parser

INDEX = REPO_ROOT / 'docs' / 'index.md'


def extension():
    """What the site adds to Markdown; it needs Sphinx only when a site is built."""
    path = REPO_ROOT / 'docs' / '_site' / 'pages.py'
    spec = importlib.util.spec_from_file_location('site_pages', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_on_the_first_one():
    links = extension().LINK.findall(INDEX.read_text('utf-8'))
    listed = {(INDEX.parent / link).resolve() for link in links}
    missing = sorted(str(path) for path in set(INDEX.parent.rglob('*.md')) - listed - {INDEX})
    assert not missing, f'put a line into docs/index.md for {missing}'


def test_every_section_becomes_a_list_of_pages():
    text = (
        '# A\n\n## One\n\n- [b](b.md), [c](../c/README.md), [d](d.py)\n\n## Two\n\n- [b](b.md#x)\n'
    )
    pages = {'docs/index', 'docs/b', 'c/README', 'docs/z'}
    made = extension().navigation(text, pages, 'docs/index')
    one, more = (part.split('\n\n', 1) for part in made.split(':caption: ')[1:])
    assert one == ['One', '/docs/b\n/c/README\n```\n\n\n```{toctree}\n:hidden:\n']
    assert more[0] == 'More pages' and more[1].startswith('/docs/z\n')


def test_links_to_folders_lead_to_a_file(tmp_path):
    for name in ('page', 'package', 'bare'):
        (tmp_path / name).mkdir()
    (tmp_path / 'page' / 'README.md').touch()
    (tmp_path / 'package' / '__init__.py').touch()
    text = '[a](page/) [b](package) [c](bare) [d](https://page)'
    shown = extension().links_to_files(text, tmp_path)
    assert shown == '[a](page/README.md) [b](package/__init__.py) [c](bare) [d](https://page)'


def test_the_help_of_every_verb_is_shown():
    text = extension().helps()
    for verb in ('infer', 'view', 'train', 'synth', 'doctor'):
        assert f'## unison3d {verb}\n' in text
    assert '--fusion-voxel' in text
    assert build_parser().prog in text


def test_modules_of_the_reference_say_what_is_public():
    for path in (INDEX.parent / 'reference' / 'api').glob('*.md'):
        name = path.read_text('utf-8').split('\n', 1)[0].removeprefix('# ')
        assert path.stem == name.removeprefix('unison3d.').replace('.', '_')
        module = importlib.import_module(name)
        assert all(getattr(module, public) is not None for public in module.__all__)


def test_the_site_builds(tmp_path):
    """Without the docstrings, which take most of the time: `make docs` reads those too."""
    for package in ('sphinx', 'myst_parser', 'furo'):
        pytest.importorskip(package, reason=f'{package} is not installed: pip install -e ".[docs]"')
    command = [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-b', 'dummy']
    command += ['-c', 'docs', '-D', 'api_from_docstrings=0', '-d', str(tmp_path / 'read'), '.']
    environment = {**os.environ, 'PYTHONPATH': str(REPO_ROOT)}
    done = subprocess.run(
        [*command, str(tmp_path / 'site')],
        cwd=REPO_ROOT, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not Path(REPO_ROOT, 'docs', '_build').exists()
