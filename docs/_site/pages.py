"""What the site needs beyond Markdown: navigation from links, references made of the code.

- The lists of links on the first page are its table of contents, section by section.
- A page below ``docs/reference/api`` continues with the docstrings of the module it is named after.
- ``docs/reference/cli.md`` continues with the help of every verb.
- A link to a folder leads to the page or the module that describes it.
"""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LINK = re.compile(r'\]\((?!https?:|#|mailto:)([^)#\s]+)')
#: Sections of the first page, with the links in them.
SECTION = re.compile(r'^## (.+?)$(.*?)(?=^## |\Z)', re.MULTILINE | re.DOTALL)
API = 'docs/reference/api/'


def read_source(app: Sphinx, name: str, source: list[str]) -> None:
    """Complete the text of a page."""
    text = links_to_files(source[0], Path(app.srcdir, name).parent)
    if name == app.config.root_doc:
        text += navigation(text, set(app.env.found_docs) | {name}, name)
    elif name.startswith(API) and app.config.api_from_docstrings:
        text += docstrings(_title(text), _modules(app))
    elif name == 'docs/reference/cli':
        text += helps()
    source[0] = text


def links_to_files(text: str, folder: Path) -> str:
    """Turn links to folders into links to what describes them."""

    def to_file(found: re.Match) -> str:
        target = folder / found[1]
        if not target.is_dir():
            return found[0]
        names = [name for name in ('README.md', '__init__.py') if (target / name).is_file()]
        return f']({found[1].rstrip("/")}/{names[0]}' if names else found[0]

    return LINK.sub(to_file, text)


def navigation(text: str, pages: set[str], name: str) -> str:
    """Hidden tables of contents of the links in each section, then of the pages without a link."""
    folder = name.rpartition('/')[0]
    listed: set[str] = set()
    parts = []
    for title, body in SECTION.findall(text):
        links = [_join(folder, target.removesuffix('.md')) for target in LINK.findall(body)]
        links = [link for link in dict.fromkeys(links) if link in pages and link not in listed]
        listed.update(links)
        parts.append(_toctree(title, links))
    rest = sorted(pages - listed - {name})
    parts.append(_toctree('More pages', rest))
    return ''.join(parts)


def _join(folder: str, target: str) -> str:
    parts = folder.split('/')
    for word in target.split('/'):
        parts = parts[:-1] if word == '..' else [*parts, word]
    return '/'.join(parts)


def _toctree(title: str, pages: list[str]) -> str:
    if not pages:
        return ''
    lines = ''.join(f'/{page}\n' for page in pages)
    return f'\n\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{lines}```\n'


def docstrings(name: str, modules: set[str]) -> str:
    """The public names of a module, from their docstrings.

    Args:
        name: the module.
        modules: all modules with a page; a name shows on the page of the innermost one.
    """
    module = importlib.import_module(name)
    inner = tuple(f'{other}.' for other in modules if other.startswith(f'{name}.'))
    # Asking for a name also brings those that are imported at first use.
    values = {public: getattr(module, public) for public in module.__all__}
    elsewhere = [
        public
        for public, value in values.items()
        if f'{getattr(value, "__module__", "")}.'.startswith(inner)
    ]
    lines = [f'.. automodule:: {name}', '   :members:', '   :show-inheritance:']
    if inner and elsewhere:
        lines.append(f'   :exclude-members: {", ".join(elsewhere)}')
    return '\n```{eval-rst}\n' + '\n'.join(lines) + '\n```\n'


def _modules(app: Sphinx) -> set[str]:
    folder = Path(app.srcdir, API)
    return {_title(path.read_text(encoding='utf-8')) for path in folder.glob('*.md')}


def _title(text: str) -> str:
    return text.split('\n', 1)[0].removeprefix('# ')


def helps() -> str:
    """The help of all verbs, one section each."""
    from unison3d.cli.main import build_parser

    parser = build_parser()
    verbs = [part for part in parser._actions if isinstance(part, argparse._SubParsersAction)]
    sections = [f'\n```text\n{parser.format_help()}```\n']
    for verb, of_verb in verbs[0].choices.items():
        sections.append(f'\n## unison3d {verb}\n\n```text\n{of_verb.format_help()}```\n')
    return ''.join(sections)


def lead_to_first_page(app: Sphinx, exception: Exception | None) -> None:
    """The first page lies in a folder; the address of the site alone leads there."""
    if exception is None and app.builder.format == 'html':
        target = f'{app.config.root_doc}.html'
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">'
        page += f'<title>{app.config.project}</title><a href="{target}">{app.config.project}</a>\n'
        Path(app.outdir, 'index.html').write_text(page, encoding='utf-8')


def setup(app: Sphinx) -> dict:
    """Register the above."""
    app.add_config_value('api_from_docstrings', True, 'env', bool)
    app.connect('source-read', read_source)
    app.connect('build-finished', lead_to_first_page)
    return {'parallel_read_safe': True}
