"""What :mod:`tests.test_engine.test_checkpoint` does not cover."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from unison3d.errors import CheckpointError
from unison3d.io.tensor_files import read_tensor


def test_one_tensor(tmp_path):
    path = tmp_path / 'tensor.pth'
    torch.save(torch.arange(6).view(2, 3), path)
    assert torch.equal(read_tensor(path), torch.arange(6).view(2, 3))


@pytest.mark.parametrize('content', [{'a': torch.ones(2)}, [torch.ones(2)], 3.5])
def test_anything_else(tmp_path, content):
    path = tmp_path / 'tensor.pth'
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=type(content).__name__):
        read_tensor(path)


def test_a_sparse_tensor(tmp_path):
    torch.save(torch.eye(3).to_sparse(), tmp_path / 'tensor.pth')
    with pytest.raises(CheckpointError, match='dense'):
        read_tensor(tmp_path / 'tensor.pth')


def test_no_file_and_half_a_file(tmp_path):
    path = tmp_path / 'tensor.pth'
    with pytest.raises(CheckpointError, match='does not exist'):
        read_tensor(path)
    torch.save(torch.ones(100), path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match='complete'):
        read_tensor(path)


def test_readers_of_scenes_do_without_torch():
    code = 'import sys, unison3d.io; assert "torch" not in sys.modules'
    subprocess.run([sys.executable, '-c', code], check=True)
