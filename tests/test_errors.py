"""Exit statuses and the install line."""

from __future__ import annotations

import pytest

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
    assert 'pip install "unison3d[text]"' in str(error) and 'sentence prompts' in str(error)
