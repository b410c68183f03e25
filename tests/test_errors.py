"""Exit statuses and the install line."""

from __future__ import annotations

import pickle

import pytest
import torch

from unison3d import errors


@pytest.mark.parametrize(
    ('name', 'status', 'parent'),
    [
        ('ConfigError', 2, 'Unison3DError'),
        ('InputError', 3, 'Unison3DError'),
        ('FileFormatError', 3, 'InputError'),
        ('SceneError', 3, 'InputError'),
        ('PromptError', 3, 'InputError'),
        ('VocabularyError', 3, 'InputError'),
        ('CheckpointError', 5, 'Unison3DError'),
    ],
)
def test_family(name, status, parent):
    kind = getattr(errors, name)
    assert kind('x').exit_code == status
    assert issubclass(kind, getattr(errors, parent))


def test_missing_dependency_names_the_install_line():
    error = errors.MissingDependencyError('transformers', 'text', 'sentence prompts')
    assert error.exit_code == 4
    assert errors.install_line('text') in str(error) and 'sentence prompts' in str(error)


@pytest.mark.parametrize(
    ('files', 'line'),
    [
        (['setup.cfg'], 'pip install -e ".[text]"'),
        ([], 'pip install "unison3d[text]"'),
    ],
)
def test_the_install_line_fits_a_checkout_and_an_installed_copy(tmp_path, monkeypatch, files, line):
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr(errors, '__file__', str(tmp_path / 'unison3d' / 'errors.py'))
    assert errors.install_line('text') == line
    assert errors.install_line('text', '-U') == line.replace('install', 'install -U')


def test_missing_dependency_survives_pickling():
    error = errors.MissingDependencyError('transformers', 'text', 'sentence prompts')
    for copy in (pickle.loads(pickle.dumps(error)), errors.MissingDependencyError(str(error))):
        assert str(copy) == str(error) and copy.exit_code == 4
    assert pickle.loads(pickle.dumps(error)).package == 'transformers'
    alone = errors.MissingDependencyError('a message')
    assert str(pickle.loads(pickle.dumps(alone))) == 'a message'


class NeedsPackage(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise errors.MissingDependencyError('transformers', 'text')


def test_missing_dependency_keeps_its_type_in_a_data_loading_worker():
    loader = torch.utils.data.DataLoader(
        NeedsPackage(), num_workers=1, multiprocessing_context='fork'
    )
    with pytest.raises(errors.MissingDependencyError, match='transformers.*pip install'):
        next(iter(loader))
