"""What stands on the pages: every fenced block, in order, as steps a reader would take."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from conftest import REPO_ROOT

FENCE = re.compile(r'^(```+)(\S*)[^\n]*\n(.*?)^\1[ \t]*$', re.MULTILINE | re.DOTALL)
PATTERNS = (
    'README.md',
    'CONTRIBUTING.md',
    'docs/**/*.md',
    'configs/*/README.md',
    'projects/**/README.md',
    'data/*/README.md',
    'unison3d/assets/weights/MODEL_CARD.md',
)
#: Words with which a command begins, in blocks without a language, which mostly show files.
PROGRAMS = ('unison3d ', 'python ')


@dataclass(frozen=True)
class Step:
    """A command line, or a piece of Python.

    Attributes:
        page: where it stands, from the root of the repository.
        kind: ``'command'`` or ``'python'``.
        text: without line continuations and comments at the end of commands.
    """

    page: str
    kind: str
    text: str


def pages() -> list[str]:
    """All pages that show something to run."""
    found = {path for pattern in PATTERNS for path in REPO_ROOT.glob(pattern)}
    names = sorted(path.relative_to(REPO_ROOT).as_posix() for path in found)
    return [name for name in names if steps(name)]


def steps(page: str) -> list[Step]:
    """Everything on a page, from top to bottom."""
    found = []
    for _, language, body in FENCE.findall((REPO_ROOT / page).read_text('utf-8')):
        if language == 'python':
            found.append(Step(page, 'python', body))
        elif language in ('bash', ''):
            lines = body.replace('\\\n', ' ').splitlines()
            lines = [' '.join(line.strip().removeprefix('$ ').split()) for line in lines]
            found += [
                Step(page, 'command', re.sub(r'\s#\s.*$', '', line))
                for line in lines
                if line and not line.startswith('#')
                if language == 'bash' or line.startswith(PROGRAMS)
            ]
    return found


def words(step: Step) -> list[str]:
    """A command line as the program gets it."""
    return shlex.split(step.text)


def title(text: str) -> str | None:
    """Name of the file that a piece of Python is to be saved as: its first line says so."""
    named = re.match(r'# ([\w./]+\.py)\n', text)
    return named[1] if named else None


def is_config(text: str) -> bool:
    """Whether a piece of Python inherits from a config."""
    return re.search(r'^_base_ = ', text, re.MULTILINE) is not None


def page_path(page: str) -> Path:
    """Where a page lies."""
    return REPO_ROOT / page
