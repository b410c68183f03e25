"""Numbers in checkpoints that ask for memory are refused before torch sees them."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch

from unison3d.errors import CheckpointError
from unison3d.io.checkpoint_sizes import check_checkpoint_sizes

CONTENT = {'a': torch.arange(4.0), 'b': torch.ones(3, dtype=torch.bool), 'c': torch.ones(2).half()}


def saved(path, content=CONTENT, legacy=False):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def changed(path, old: bytes, new: bytes, packing=zipfile.ZIP_STORED):
    """The archive with other bytes in its pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(file, 'w', packing) as bad:
        for record in good.infolist():
            data = good.read(record)
            if record.filename.endswith('data.pkl'):
                assert old in data
                data = data.replace(old, new, 1)
            bad.writestr(record.filename, data)
    path.write_bytes(file.getvalue())
    return path


@pytest.mark.parametrize('legacy', [False, True])
def test_honest_files_pass(tmp_path, legacy):
    shared = torch.arange(12.0).reshape(3, 4)
    content = {
        **CONTENT,
        'view': shared.t(),
        'base': shared,
        'parameter': torch.nn.Linear(2, 2).weight,
    }
    content['sparse'], content['nested'] = torch.eye(3).to_sparse(), [{'x': (1, None, 'a' * 300)}]
    for dtype in (torch.bfloat16, torch.int8, torch.complex64, torch.float64, torch.uint8):
        content[str(dtype)] = torch.ones(5).to(dtype)
    check_checkpoint_sizes(saved(tmp_path / 'a.pth', content, legacy))
    check_checkpoint_sizes(saved(tmp_path / 'a.pth', {}, legacy))


def test_a_storage_that_claims_more(tmp_path):
    path = changed(saved(tmp_path / 'a.pth'), b'K\x04t', b'J\x00\x00\x00\x40t')
    with pytest.raises(CheckpointError, match=r'storage 0 claims 4,294,967,296 bytes.* has 16'):
        check_checkpoint_sizes(path)
    # One number more than there is.
    path = changed(saved(tmp_path / 'a.pth'), b'K\x04t', b'K\x05t')
    with pytest.raises(CheckpointError, match='claims 20 bytes'):
        check_checkpoint_sizes(path)


def test_old_storages_that_claim_more(tmp_path):
    data = saved(tmp_path / 'a.pth', legacy=True).read_bytes()
    (tmp_path / 'a.pth').write_bytes(data.replace(b'K\x04N', b'J\xff\xff\xff\x7fN', 1))
    with pytest.raises(CheckpointError, match='storages claim'):
        check_checkpoint_sizes(tmp_path / 'a.pth')


def test_packed_records(tmp_path):
    path = changed(saved(tmp_path / 'a.pth'), b'', b'', zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match='is packed'):
        check_checkpoint_sizes(path)


@pytest.mark.parametrize(
    'name', [b'cbuiltins\nbytearray\n', b'ctorch\nTensor\n', b'c__builtin__\nbytes\n']
)
def test_functions_that_make_room(tmp_path, name):
    call = name + b'\x8a\x05\x00\x00\x00\x00\x10\x85R0'
    path = changed(saved(tmp_path / 'a.pth'), b'\x80\x02', b'\x80\x02' + call)
    with pytest.raises(CheckpointError, match='asks for'):
        check_checkpoint_sizes(path)


@pytest.mark.parametrize(
    'data', [b'', b'PK\x03\x04', b'\x80\x02', b'\x80\x02Nr\xff\xff\xff\xff.', bytes(99)]
)
def test_no_checkpoints(tmp_path, data):
    (tmp_path / 'a.pth').write_bytes(data)
    with pytest.raises(CheckpointError, match='not a complete checkpoint'):
        check_checkpoint_sizes(tmp_path / 'a.pth')
