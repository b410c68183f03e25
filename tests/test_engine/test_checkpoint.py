from __future__ import annotations

import os
from argparse import Namespace
from collections import defaultdict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from unison3d.engine import (
    load_state,
    read_checkpoint,
    read_weights,
    save_weights,
    write_checkpoint,
)
from unison3d.engine.checkpoint import SkippedObject
from unison3d.errors import CheckpointError


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_weights_round_trip(model, tmp_path):
    path = tmp_path / 'new' / 'weights.safetensors'
    save_weights(path, model.state_dict(), {'label_space': 'scannet20'})
    weights, metadata = read_weights(path)
    assert metadata['label_space'] == 'scannet20'
    assert weights.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(weights[name], value)
        assert weights[name].dtype == value.dtype


def test_half_precision_keeps_what_it_cannot_hold(tmp_path):
    state = {
        'small': torch.tensor([0.5, -2.0]),
        'large': torch.tensor([1e6]),
        'count': torch.tensor(70000),
        'empty': torch.zeros(0, 3),
    }
    save_weights(tmp_path / 'w.safetensors', state, dtype=torch.float16)
    weights, _ = read_weights(tmp_path / 'w.safetensors')
    kinds = {name: value.dtype for name, value in weights.items()}
    assert kinds == {
        'small': torch.float16,
        'large': torch.float32,
        'count': torch.int64,
        'empty': torch.float16,
    }
    assert weights['large'].item() == 1e6


def test_tensors_that_share_memory(tmp_path):
    base = torch.arange(6.0).reshape(2, 3)
    save_weights(tmp_path / 'w.safetensors', {'a': base, 'b': base, 'c': base.T})
    weights, _ = read_weights(tmp_path / 'w.safetensors')
    assert torch.equal(weights['a'], weights['b'])
    assert torch.equal(weights['c'], base.T)


def test_diverged_weights_are_not_written(tmp_path):
    with pytest.raises(CheckpointError, match='net.weight'):
        save_weights(tmp_path / 'w.safetensors', {'net.weight': torch.tensor([1.0, float('nan')])})
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused(model, tmp_path):
    with pytest.raises(CheckpointError, match='safetensors'):
        save_weights(tmp_path / 'w.pth', model.state_dict())


def test_report_of_a_full_match(model):
    report = load_state(model, {f'module.{k}': v for k, v in model.state_dict().items()})
    assert report.complete
    assert report.loaded == tuple(model.state_dict())
    assert report.describe() == ''


def test_another_architecture_is_listed_and_leaves_the_model_alone(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = {'0.weight': torch.ones(5, 3), '0.bias': torch.ones(4), 'head.weight': torch.ones(1)}
    with pytest.raises(CheckpointError) as caught:
        load_state(model, given, source='other.pth')
    message = str(caught.value)
    for part in ('other.pth', '0.weight: file (5, 3), model (4, 3)', 'head.weight', '1.weight'):
        assert part in message
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_partial_loading(model):
    report = load_state(model, {'0.bias': torch.ones(4), 'x': torch.ones(1)}, strict=False)
    assert report.loaded == ('0.bias',)
    assert report.unexpected == ('x',)
    assert '0.weight' in report.missing
    assert torch.equal(model[0].bias, torch.ones(4))


def test_long_lists_are_cut(model):
    with pytest.raises(CheckpointError, match='and 12 more'):
        load_state(model, {f'name{i}': torch.ones(1) for i in range(20)})


def test_weights_of_a_training_checkpoint(model, tmp_path):
    write_checkpoint(
        tmp_path / 'c.pth', {'state_dict': model.state_dict(), 'meta': {'cfg': 'x', 'epoch': 3}}
    )
    weights, metadata = read_weights(tmp_path / 'c.pth')
    assert torch.equal(weights['0.bias'], model[0].bias)
    assert metadata == {'cfg': 'x'}


def test_bare_tensors_by_name(model, tmp_path):
    torch.save(model.state_dict(), tmp_path / 'bare.pth')
    weights, metadata = read_weights(tmp_path / 'bare.pth')
    assert weights.keys() == model.state_dict().keys()
    assert metadata == {}


class Payload:
    """Runs code when unpickled by a careless reader."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save({'state_dict': {}, 'meta': Payload(tmp_path / 'mark')}, tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match='could run code'):
        read_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'mark').exists()


def test_code_is_not_run_when_objects_are_skipped(tmp_path):
    torch.save({'state_dict': {}, 'meta': Payload(tmp_path / 'mark')}, tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match='could run code'):
        read_checkpoint(tmp_path / 'evil.pth', skip_objects=True)
    assert not (tmp_path / 'mark').exists()


def test_objects_beside_the_weights_are_skipped(model, tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    content = {
        'state_dict': model.state_dict(),
        'hub': {'loss': history, 'best': np.float64(0.5), 'names': defaultdict(list, a=[1])},
        'meta': {'cfg': Namespace(a=1)},
    }
    torch.save(content, tmp_path / 'c.pth')
    with pytest.raises(CheckpointError, match='could run code'):
        read_checkpoint(tmp_path / 'c.pth')
    found = read_checkpoint(tmp_path / 'c.pth', skip_objects=True)
    assert torch.equal(found['state_dict']['0.bias'], model[0].bias)
    assert isinstance(found['hub']['loss'], SkippedObject)
    # The stand-ins are allowed for that one file only.
    with pytest.raises(CheckpointError, match='could run code'):
        read_checkpoint(tmp_path / 'c.pth')


@pytest.mark.fault
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('keep', [0, 5, 0.5, 0.98])
def test_truncated_files(model, tmp_path, suffix, keep):
    path = tmp_path / f'w{suffix}'
    if suffix == '.pth':
        torch.save(model.state_dict(), path)
    else:
        save_weights(path, model.state_dict())
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match=path.name):
        read_weights(path)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_files_of_another_kind(tmp_path, suffix):
    (tmp_path / f'text{suffix}').write_text('hello world, this is text')
    (tmp_path / f'folder{suffix}').mkdir()
    for name, word in (('text', 'text'), ('folder', 'is a folder'), ('none', 'does not exist')):
        with pytest.raises(CheckpointError, match=word):
            read_weights(tmp_path / f'{name}{suffix}')


def test_a_header_that_promises_too_much(tmp_path):
    path = tmp_path / 'w.safetensors'
    path.write_bytes((2**40).to_bytes(8, 'little') + b'{}')
    with pytest.raises(CheckpointError, match='not a complete safetensors'):
        read_weights(path)


def test_content_that_is_not_weights(tmp_path):
    torch.save({'state_dict': {'a': 1}}, tmp_path / 'numbers.pth')
    torch.save([torch.ones(1)], tmp_path / 'list.pth')
    for name in ('numbers', 'list'):
        with pytest.raises(CheckpointError, match='expected'):
            read_weights(tmp_path / f'{name}.pth')
