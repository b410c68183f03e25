"""Class embeddings in a file of their own."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch

from unison3d.engine.hooks import ClassEmbeddingsHook
from unison3d.errors import CheckpointError, ConfigError
from unison3d.models import ClosedSetTask


def _runner():
    task = ClosedSetTask(4, 4, num_prototypes=2, embedding_dim=3)
    model = SimpleNamespace(tasks={'closed_set': task})
    return SimpleNamespace(model=model, logger=logging.getLogger('test')), task


def _file(path, *shape):
    torch.save(torch.nn.functional.normalize(torch.randn(*shape), dim=-1), path)
    return path


def test_the_file_is_read_before_the_run(tmp_path):
    runner, task = _runner()
    path = _file(tmp_path / 'embedding.pth', 20, 2, 3)
    assert task.class_embeddings.isnan().all()
    ClassEmbeddingsHook(path).before_run(runner)
    assert torch.equal(task.class_embeddings, torch.load(path, weights_only=True))


def test_what_does_not_fit_is_explained(tmp_path):
    runner, _ = _runner()
    path = _file(tmp_path / 'embedding.pth', 20, 5, 3)
    with pytest.raises(ConfigError, match=r'embedding\.pth.*num_prototypes'):
        ClassEmbeddingsHook(path).before_run(runner)
    with pytest.raises(ConfigError, match="'other'.*closed_set"):
        ClassEmbeddingsHook(path, task='other').before_run(runner)
    with pytest.raises(CheckpointError, match='missing'):
        ClassEmbeddingsHook(tmp_path / 'missing.pth').before_run(runner)
