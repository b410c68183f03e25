"""What an installed copy brings beside the code, and what the index of models lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPO_ROOT

from unison3d.io.config_files import read_config_file

INDEX = yaml.safe_load((REPO_ROOT / 'model-index.yml').read_text('utf-8'))
METAFILES = [yaml.safe_load((REPO_ROOT / path).read_text('utf-8')) for path in INDEX['Import']]
MODELS = [model for metafile in METAFILES for model in metafile['Models']]
CONFIGS = sorted(
    path for path in (REPO_ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_'
)


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


def test_the_index_imports_every_metafile():
    found = (REPO_ROOT / 'configs').glob('*/metafile.yml')
    assert INDEX['Import'] == sorted(path.relative_to(REPO_ROOT).as_posix() for path in found)


def test_names_are_unique_and_files_exist():
    collections = [entry['Name'] for metafile in METAFILES for entry in metafile['Collections']]
    names = [model['Name'] for model in MODELS]
    names += [model['Alias'] for model in MODELS if 'Alias' in model]
    for listed in (collections, names):
        assert len(set(listed)) == len(listed)
    for model in MODELS:
        assert Path(model['Config']).stem == model['Name']
        assert model['In Collection'] in collections
        for key in ('Config', 'Weights'):
            assert key not in model or (REPO_ROOT / model[key]).is_file()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_the_learning_rate_is_for_the_batch_of_the_config(path):
    config = read_config_file(path)
    assert config.auto_scale_lr.base_batch_size == config.train_dataloader.batch_size
    assert not config.auto_scale_lr.enable


def test_an_installed_copy_has_configs_tools_and_index(tmp_path):
    words = [sys.executable, 'setup.py', '-q', 'egg_info', '--egg-base', str(tmp_path)]
    words += ['build', '--build-base', str(tmp_path)]
    outcome = subprocess.run(words, cwd=REPO_ROOT, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    shipped = tmp_path / 'lib' / 'unison3d' / '.mim'
    for folder in ('configs', 'tools'):
        assert files(shipped / folder) == files(REPO_ROOT / folder)
    for metafile in INDEX['Import']:
        assert (shipped / metafile).is_file()
    assert (shipped / 'model-index.yml').is_file()
    # With everything it inherits from.
    config = read_config_file(shipped / 'configs' / 'unified' / 'unified-s_smoke.py')
    assert config.model.type == 'UnifiedSegmentor'
