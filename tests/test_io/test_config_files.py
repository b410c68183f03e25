"""Configs that inherit from installed packages, without setuptools' ``pkg_resources``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import REPO_ROOT
from mmengine.config import Config

from unison3d.errors import ConfigError
from unison3d.io.config_files import find_package_config, read_config_file


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """An installed package with configs, which must not be imported to find them."""
    folder = tmp_path / 'site' / 'shapes3d'
    configs = folder / '.mim' / 'configs'
    (configs / '_base_').mkdir(parents=True)
    (folder / '__init__.py').write_text('raise RuntimeError("imported")')
    (configs / '_base_' / 'data.py').write_text('data = dict(type="Shapes", parts=[1, 2])')
    (configs / '_base_' / 'net.py').write_text(
        '_base_ = "./data.py"\nmodel = dict(type="Net", head=dict(type="Head", width=8))'
    )
    (tmp_path / 'site' / 'secret.py').write_text('stolen = True')
    monkeypatch.syspath_prepend(tmp_path / 'site')
    # The module that MMEngine 0.10.7 asks, gone with setuptools 81.
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    return folder


def child(tmp_path, text: str) -> Path:
    path = tmp_path / 'child.py'
    path.write_text(text)
    return path


def test_a_config_of_another_package(package, tmp_path):
    config = read_config_file(
        child(
            tmp_path,
            '_base_ = ["shapes3d::_base_/net.py"]\n'
            'model = dict(head=dict(width=4))\n'
            'parts = {{_base_.data.parts}}',
        )
    )
    # MMEngine's rule: what comes from a package is built in the scope of that package.
    assert config.model == dict(_scope_='shapes3d', type='Net', head=dict(type='Head', width=4))
    assert config.data._scope_ == 'shapes3d'
    assert config.parts == [1, 2]
    assert 'shapes3d' not in sys.modules


def test_our_own_configs_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    name = 'unified/unified-s_smoke.py'
    ours = read_config_file(child(tmp_path, f'_base_ = "unison3d::{name}"'))
    direct = Config.fromfile(REPO_ROOT / 'configs' / name)
    without_scope = ours.to_dict()
    assert without_scope['model'].pop('_scope_') == 'unison3d'
    assert without_scope['model'] == direct.model.to_dict()
    assert ours.train_cfg.max_iters == direct.train_cfg.max_iters


@pytest.mark.parametrize(
    ('base', 'message'),
    [
        ('nowhere3d::a/b.py', 'no package nowhere3d is installed'),
        ('shapes3d::_base_/none.py', 'has no such config'),
        ('shapes3d::../../secret.py', 'leads out of'),
        ('shapes3d::_base_/../../../../secret.py', 'leads out of'),
        ('json::a/b.py', 'json brings no configs'),
        ('shapes3d::a::b.py', 'does not name a config'),
        ('__main__::a/b.py', 'no package __main__ is installed'),
        ('os.path::a.py', 'does not name a config'),
    ],
)
def test_bases_that_cannot_be_found(package, tmp_path, base, message):
    path = child(tmp_path, f'_base_ = {base!r}')
    with pytest.raises(ConfigError, match=message) as caught:
        read_config_file(path)
    assert str(caught.value).startswith(f'{path}: ')


def test_a_link_out_of_the_configs_is_not_followed(package, tmp_path):
    link = package / '.mim' / 'configs' / 'link.py'
    try:
        link.symlink_to(tmp_path / 'site' / 'secret.py')
    except OSError:
        pytest.skip('this system makes no links')
    with pytest.raises(ConfigError, match='leads out of'):
        find_package_config('shapes3d::link.py')


def test_configs_beside_a_checkout(package):
    configs = package.parent / 'configs'
    (package / '.mim').rename(package.parent / 'away')
    (package.parent / 'away' / 'configs').rename(configs)
    with pytest.raises(ConfigError, match='brings no configs'):
        find_package_config('shapes3d::_base_/net.py')
    (package.parent / 'model-index.yml').write_text('Import: []')
    assert find_package_config('shapes3d::_base_/net.py') == configs / '_base_' / 'net.py'


def test_mmengine_is_left_as_it_was(package, tmp_path):
    before = Config._get_cfg_path
    with pytest.raises(ConfigError):
        read_config_file(child(tmp_path, '_base_ = "nowhere3d::a.py"'))
    assert Config._get_cfg_path is before
