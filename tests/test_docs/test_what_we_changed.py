"""Every switch that the page names exists, takes the value it shows, and no row is without one."""

from __future__ import annotations

import ast
import inspect
import re
import typing

import pytest
from conftest import REPO_ROOT

from unison3d import models
from unison3d.models import losses, postprocess
from unison3d.registry import (
    DATASETS,
    HOOKS,
    METRICS,
    MODELS,
    TASK_UTILS,
    TEXT_ENCODERS,
    TRANSFORMS,
)

PAGE = REPO_ROOT / 'docs' / 'what_we_changed.md'
REGISTRIES = (MODELS, METRICS, TRANSFORMS, TASK_UTILS, TEXT_ENCODERS, HOOKS, DATASETS)
SWITCH = re.compile(r'`(\w+\([^`]*\))`')
# Takes the place of another part, so its defaults are the published behaviour.
OTHER_PARTS = ('AddElasticCoords(prob=0.5)',)
COLUMN = 'switch to the published behaviour'


def rows() -> list[list[str]]:
    """Cells of every row of the tables with a column of switches."""
    found: list[list[str]] = []
    inside = False
    for line in PAGE.read_text('utf-8').splitlines():
        if not line.startswith('|'):
            inside = False
            continue
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        if COLUMN in cells:
            inside = True
        elif inside and set(line) - set('| -'):
            found.append(cells)
    return found


def switches() -> list:
    calls = [call for cells in rows() for call in SWITCH.findall(cells[3])]
    return [pytest.param(call, id=call) for call in dict.fromkeys(calls)]


def owner_of(name: str):
    for module in (models, losses, postprocess):
        if hasattr(module, name):
            return getattr(module, name)
    return next((found for r in REGISTRIES if (found := r.get(name)) is not None), None)


@pytest.mark.parametrize('call', switches())
def test_the_switch_exists(call):
    node = ast.parse(call, mode='eval').body
    owner = owner_of(node.func.id)
    assert owner is not None, f'no {node.func.id}'
    parameters = {}
    for parent in reversed(owner.__mro__):
        if '__init__' in vars(parent):
            parameters |= inspect.signature(parent.__init__).parameters
    hints = typing.get_type_hints(owner.__init__)
    assert node.keywords
    for keyword in node.keywords:
        assert keyword.arg in parameters, f'{node.func.id} takes no {keyword.arg}'
        value = ast.literal_eval(keyword.value)
        choices = [
            choice
            for hint in (hints.get(keyword.arg), *typing.get_args(hints.get(keyword.arg)))
            if typing.get_origin(hint) is typing.Literal
            for choice in typing.get_args(hint)
        ]
        assert not choices or value in choices, f'{keyword.arg} is one of {choices}'
        # What is published is not the default, or it would need no switch.
        assert call in OTHER_PARTS or parameters[keyword.arg].default != value, call


def test_every_row_has_a_switch_or_says_that_there_is_none():
    assert len(rows()) > 50
    for cells in rows():
        assert len(cells) == 5, cells
        assert SWITCH.search(cells[3]) or cells[3].startswith(('not carried over', 'the default'))


def test_the_register_is_complete():
    ids = {cells[0] for cells in rows()}
    assert {f'D{number}' for number in range(1, 34)} <= ids
    assert {str(number) for number in range(1, 12)} <= ids


def test_the_losses_have_these_names():
    text = ''.join(
        path.read_text('utf-8') for path in (REPO_ROOT / 'unison3d' / 'models').rglob('*.py')
    )
    names = re.findall(r'`(loss_\w+)`', PAGE.read_text('utf-8'))
    assert len(names) >= 10
    for name in names:
        # Those of links between tasks are put together from the name of the task.
        written = re.sub(r'^loss_(click|text)_class$', 'loss_{name}_class', name)
        assert f"'{written}'" in text, name
