"""mmcv-lite with a stand-in for its missing module, and no bridge without MMDetection3D."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest
from conftest import REPO_ROOT

from unison3d.errors import MissingDependencyError

HAS_MMDET3D = importlib.util.find_spec('mmdet3d') is not None


@pytest.fixture
def ops(monkeypatch):
    """The module by itself (the bridge around it needs MMDetection3D), and no mmcv yet."""
    path = REPO_ROOT / 'unison3d' / 'bridges' / 'mmdet3d' / 'compiled_ops.py'
    spec = importlib.util.spec_from_file_location('compiled_ops', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ('mmcv', 'mmcv._ext'):
        # Set first, so that what a test imports is taken out again as well.
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    return module


@pytest.fixture
def mmcv(tmp_path, monkeypatch):
    """Folder of a package ``mmcv`` that holds nothing."""
    folder = tmp_path / 'mmcv'
    folder.mkdir()
    (folder / '__init__.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_a_compiled_module_is_left_alone(ops, mmcv):
    (mmcv / '_ext.py').write_text('def ball_query_forward():\n    return 42\n')
    assert ops.has_compiled_ops() and ops.provide_compiled_ops()
    assert importlib.import_module('mmcv._ext').ball_query_forward() == 42
    assert ops.has_compiled_ops()


def test_the_stand_in_names_the_operation(ops, mmcv):
    assert not ops.provide_compiled_ops()
    module = importlib.import_module('mmcv._ext')
    assert not ops.has_compiled_ops() and not ops.provide_compiled_ops()
    assert sys.modules['mmcv._ext'] is module
    with pytest.raises(MissingDependencyError, match=r'"ball_query_forward".*mmcv-lite'):
        module.ball_query_forward(1, radius=2)
    with pytest.raises(AttributeError):
        module.__path__  # noqa: B018


@pytest.mark.skipif(HAS_MMDET3D, reason='mmdet3d is installed')
def test_the_bridge_says_what_is_missing(ops):
    with pytest.raises(MissingDependencyError, match=r'"mmcv".*requirements/mminstall\.txt'):
        ops.provide_compiled_ops()
    with pytest.raises(MissingDependencyError, match=r'"mmdet3d".*requirements/mminstall\.txt'):
        importlib.import_module('unison3d.bridges.mmdet3d')


@pytest.mark.skipif(not HAS_MMDET3D, reason='mmdet3d is not installed; see make test-bridge')
def test_an_operation_of_mmcv_lite():
    import torch
    from mmcv.ops import ball_query
    from mmcv.utils.ext_loader import check_ops_exist

    from unison3d.bridges.mmdet3d import has_compiled_ops

    if has_compiled_ops():
        pytest.skip('the full mmcv is installed')
    assert not check_ops_exist()
    points = torch.rand(1, 8, 3)
    with pytest.raises(MissingDependencyError, match='"ball_query_forward"'):
        ball_query(0.1, 0.5, 4, points, points)
