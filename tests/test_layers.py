"""Imports point down the layers, and the core asks for nothing optional when it is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'unison3d'

# Lowest first. A module may import from its own room and from the rows above its own.
LAYERS = (
    ('errors', 'version'),
    ('native', 'registry'),
    ('io',),
    ('jobs',),
    ('structures',),
    ('sparse', 'superpoints', 'fusion', 'lifting', 'vision'),
    ('operations',),
    ('synth',),
    ('models',),
    ('datasets', 'evaluation', 'convert'),
    ('engine',),
    ('apis',),
    ('environment', 'bench'),
    ('cli',),
    ('__main__',),
)
# Beside the house: shows scenes; no room below the command line knows of it.
SIDE_ROOMS = {'viewer': {room for row in LAYERS[:-3] for room in row}}
SEES_SIDE_ROOMS = {'cli', '__main__'}
# Doors to other toolboxes: configs import them, no room does. Each may import its toolbox.
BELOW_APIS = LAYERS[: [('apis' in row) for row in LAYERS].index(True)]
DOORS = {'bridges': {room for row in BELOW_APIS for room in row}}
TOOLBOXES = {'bridges': {'mmdet3d'}}
CORE_PACKAGES = {'torch', 'numpy', 'scipy', 'numba', 'mmengine', 'safetensors', 'PIL'}
CORE_PACKAGES |= {'llvmlite', 'threadpoolctl'}
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
MODULES = sorted(PACKAGE.rglob('*.py'))


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Every imported module with whether it happens when the file is imported."""
    late: set[int] = set()
    for node in ast.walk(tree):
        postponed = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if postponed or (isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test)):
            late.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in late
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f'{node.module}.{alias.name}' for alias in node.names]
            # `from unison3d import synth` names a room, `from torch import nn` a thing inside.
            yield from ((name, id(node) not in late) for name in names)


def relative_targets(path: Path, tree: ast.AST) -> Iterator[str]:
    package = ('unison3d', *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                yield '.'.join((*base, *(node.module or '').split('.'), alias.name)).replace(
                    '..', '.'
                )


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def allowed_rooms(room: str) -> set[str]:
    if room in SIDE_ROOMS:
        return SIDE_ROOMS[room] | {room}
    if room in DOORS:
        return DOORS[room] | {room}
    below = {other for other, rank in RANK.items() if rank < RANK[room]}
    return below | {room} | (set(SIDE_ROOMS) if room in SEES_SIDE_ROOMS else set())


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f'{name}.py').is_file()


@pytest.mark.parametrize('path', MODULES, ids=name_of)
def test_imports_point_down(path):
    if path == PACKAGE / '__init__.py':
        pytest.skip('the front door names its exports and imports them at first use')
    tree = ast.parse(path.read_text(encoding='utf-8'))
    targets = [name for name, _ in imports(tree)] + list(relative_targets(path, tree))
    rooms = {name.split('.')[1] for name in targets if name.startswith('unison3d.')}
    upward = sorted(room for room in rooms - allowed_rooms(room_of(path)) if is_room(room))
    assert not upward, f'{name_of(path)} imports {upward}, which lie above {room_of(path)}'


@pytest.mark.parametrize('path', MODULES, ids=name_of)
def test_importing_needs_the_core_packages_only(path):
    import sys

    tree = ast.parse(path.read_text(encoding='utf-8'))
    now = {name.split('.')[0] for name, at_import in imports(tree) if at_import}
    known = CORE_PACKAGES | TOOLBOXES.get(room_of(path), set())
    foreign = sorted(now - known - set(sys.stdlib_module_names) - {'unison3d'})
    assert not foreign, f'{name_of(path)} imports {foreign} at the top; import them where used'


def test_every_room_has_a_place():
    rooms = {room_of(path) for path in MODULES} - {'__init__'}
    assert rooms <= RANK.keys() | SIDE_ROOMS.keys() | DOORS.keys()


@pytest.mark.parametrize('path', MODULES, ids=name_of)
def test_house_rules(path):
    """Habits that a linter has no rule for."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = '' if node.type is None else ast.unparse(node.type)
            assert caught not in ('', 'Exception'), f'line {node.lineno}: catches everything'
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != 'pickle.load', f'line {node.lineno}: unrestricted unpickling'
            if called == 'torch.load' and name_of(path) != 'io/trusted.py':
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert keywords.get('weights_only') == 'True', f'line {node.lineno}: torch.load'
            assert not called.endswith('.cuda'), f'line {node.lineno}: use .to(device)'
