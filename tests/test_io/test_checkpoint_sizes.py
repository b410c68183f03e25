"""Numbers in checkpoints that ask for memory are refused before torch sees them."""

from __future__ import annotations

import io
import zipfile
from collections import Counter, OrderedDict

import pytest
import torch

from unison3d.errors import CheckpointError
from unison3d.io.checkpoint_sizes import check_checkpoint_sizes
from unison3d.io.tensor_files import read_checkpoint

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


class Call:
    """Is pickled as a call; ``state`` is what the result is given then."""

    def __init__(self, function, *args, state=None):
        self.parts = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.parts

    def __call__(self):
        """Never: the pickler asks for something that can be called."""


def repeated(count=10**9):
    """One number that says it is many."""
    return torch.zeros(1).expand(count)


TYPED = torch._tensor._rebuild_from_type_v2
HUNGRY = {
    'FloatTensor(n)': lambda: Call(torch.FloatTensor, 400_000_000),
    'DoubleTensor(n)': lambda: Call(torch.DoubleTensor, 400_000_000),
    'UntypedStorage(n)': lambda: Call(torch.storage.UntypedStorage, 400_000_000),
    'Tensor(size)': lambda: Call(torch.Tensor, torch.Size([20_000, 20_000])),
    'bytearray(n)': lambda: Call(bytearray, 10**9),
    'bytearray(tensor)': lambda: Call(bytearray, torch.tensor(10**9)),
    'set(tensor)': lambda: Call(set, repeated()),
    'Size(tensor)': lambda: Call(torch.Size, repeated()),
    'OrderedDict([tensor])': lambda: Call(OrderedDict, [repeated()]),
    'a codec that doubles': lambda: Call(encode(), b'00', 'hex'),
    'more numbers than there are': lambda: {'a': repeated()},
    'a function to call': lambda: Call(TYPED, torch.FloatTensor, torch.Tensor, (10**9,), {}),
    'a function that is fine': lambda: Call(TYPED, bytearray, torch.Tensor, (10**9,), {}),
    'a tensor that grows': lambda: Call(
        torch._utils._rebuild_parameter, torch.ones(4), True, OrderedDict(),
        state=(torch.ones(4), True, 0, OrderedDict()),
    ),
}  # fmt: skip


def encode():
    import _codecs

    return _codecs.encode


@pytest.mark.parametrize('skip', [False, True])
@pytest.mark.parametrize('what', HUNGRY)
@pytest.mark.parametrize('legacy', [False, True])
def test_calls_that_make_room(tmp_path, what, legacy, skip):
    path = saved(tmp_path / 'a.pth', {'state_dict': {'w': HUNGRY[what]()}}, legacy)
    with pytest.raises(CheckpointError, match=r'asks for|changes a'):
        read_checkpoint(path, skip_objects=skip)


def test_a_tensor_beyond_its_storage(tmp_path):
    """Old files: torch makes a storage as long as its tensors need before it looks further."""
    path = changed(saved(tmp_path / 'a.pth'), b'K\x00K\x04\x85', b'K\x01K\x04\x85')
    with pytest.raises(CheckpointError, match='asks for torch._utils._rebuild_tensor_v2'):
        check_checkpoint_sizes(path)


def test_what_trainings_keep_is_read(tmp_path):
    content = {
        'state_dict': torch.nn.Linear(3, 2).state_dict(),
        'schedule': {'milestones': Counter([2, 5])},
        'random': torch.get_rng_state(),
        'meta': [b'abc', bytearray(b'abc'), bytearray(), {1, 2}, 1j, torch.Size([2]), torch.float16,
                 torch.device('cuda', 0), Counter('aab'), torch.ones(1).expand(3000)],
    }  # fmt: skip
    for legacy in (False, True):
        read = read_checkpoint(saved(tmp_path / 'a.pth', content, legacy))
        assert read['schedule']['milestones'] == Counter([2, 5])
        assert read['meta'][:-1] == content['meta'][:-1] and read['meta'][-1].sum() == 3000
        assert torch.equal(read['random'], content['random'])


def test_objects_are_skipped_and_still_refused_where_torch_would_call_them(tmp_path):
    content = {'state_dict': CONTENT, 'net': torch.nn.Linear(2, 2), 'path': tmp_path}
    path = saved(tmp_path / 'a.pth', content)
    assert torch.equal(read_checkpoint(path, skip_objects=True)['state_dict']['a'], CONTENT['a'])
    with pytest.raises(CheckpointError, match=r'holds Python objects.*state_dict.*--trust'):
        read_checkpoint(path)


@pytest.mark.parametrize(
    'data', [b'', b'PK\x03\x04', b'\x80\x02', b'\x80\x02Nr\xff\xff\xff\xff.', bytes(99)]
)
def test_no_checkpoints(tmp_path, data):
    (tmp_path / 'a.pth').write_bytes(data)
    with pytest.raises(CheckpointError, match='not a complete checkpoint'):
        check_checkpoint_sizes(tmp_path / 'a.pth')
