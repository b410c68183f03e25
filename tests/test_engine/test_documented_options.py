"""Every command in the documentation of training names settings that exist."""

from __future__ import annotations

import re
import shlex

import pytest
from conftest import REPO_ROOT
from mmengine.config import Config, ConfigDict

from unison3d.cli.configs import read_config
from unison3d.cli.main import parse_arguments
from unison3d.registry import DATASETS, HOOKS, OPTIM_WRAPPERS

PAGE = (REPO_ROOT / 'docs' / 'training.md').read_text(encoding='utf-8')
COMMANDS = re.findall(r'^unison3d (train .*--cfg-options .*)$', PAGE, re.M)


def settings(command: str) -> Config:
    words = shlex.split(command)
    words[1] = str(REPO_ROOT / words[1])
    return read_config(parse_arguments(words))


def options_of(command: str) -> list[str]:
    return command.partition('--cfg-options ')[2].split()


def test_the_page_shows_options():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize('command', COMMANDS, ids=lambda c: options_of(c)[0].partition('=')[0])
def test_documented_options(command):
    config = settings(command)
    for option in options_of(command):
        key, _, value = option.partition('=')
        part: ConfigDict = config
        for name in key.split('.'):
            part = part[name]
        assert str(part) == value
    for hook in config.default_hooks.values():
        HOOKS.build(hook)
    assert OPTIM_WRAPPERS.get(config.optim_wrapper.type) is not None
    config.train_dataloader.dataset.text_encoder = None
    DATASETS.build(config.train_dataloader.dataset)
