"""Out of memory: smaller pieces give the same, and what fails for good says what to turn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.test_apis.api_samples import HashEncoder, room
from tests.tiny import tiny_model
from unison3d.apis import Segmenter
from unison3d.errors import OutOfMemoryError, Unison3DError
from unison3d.models.decoders.attention import AttentionLayer
from unison3d.native import memory
from unison3d.sparse import engines
from unison3d.sparse.coordinates import SortedKeys
from unison3d.sparse.engines import torch_engine
from unison3d.sparse.kernel_map import Kernel, build_kernel_map

CPU = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
GPU = torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 GiB')
NUMPY = MemoryError('Unable to allocate 7.45 GiB for an array with shape (1000000000,)')
pytestmark = pytest.mark.fault


@pytest.mark.parametrize('error', [CPU, GPU, NUMPY, MemoryError()])
def test_pieces_are_halved_until_they_fit(error):
    tried = []

    def work(chunk):
        tried.append(chunk)
        if chunk > 300:
            raise error
        return chunk

    assert memory.with_smaller_chunks(work, 2000, 'work') == 250
    assert tried == [2000, 1000, 500, 250]
    assert memory.is_out_of_memory(error)


def test_it_ends_and_other_errors_are_left_alone():
    def never(chunk):
        tried.append(chunk)
        raise GPU

    tried = []
    with pytest.raises(torch.cuda.OutOfMemoryError):
        memory.with_smaller_chunks(never, 1000, 'work')
    assert tried[-1] == memory.SMALLEST and len(tried) == 5

    def wrong(chunk):
        tried.append(chunk)
        raise RuntimeError('shapes do not fit')

    tried = []
    with pytest.raises(RuntimeError, match='shapes'):
        memory.with_smaller_chunks(wrong, 1000, 'work')
    assert tried == [1000]
    with pytest.raises(RuntimeError, match='shapes'), memory.memory_explained('this', 'Do that.'):
        raise RuntimeError('shapes do not fit')


def test_attention_in_pieces(monkeypatch):
    torch.manual_seed(0)
    layer = AttentionLayer(16, 4).eval()
    queries, source = torch.randn(500, 16), torch.randn(300, 16)
    allowed = torch.rand(500, 300) > 0.3
    whole_of = F.scaled_dot_product_attention
    sizes = []

    def small(query, *args, **options):
        if query.shape[2] > 150:
            raise CPU
        sizes.append(query.shape[2])
        return whole_of(query, *args, **options)

    with torch.no_grad():
        expected = layer(queries, layer.project(source), allowed)
        inside = layer.attend_inside(queries, None)
        monkeypatch.setattr(F, 'scaled_dot_product_attention', small)
        torch.testing.assert_close(layer(queries, layer.project(source), allowed), expected)
        torch.testing.assert_close(layer.attend_inside(queries, None), inside)
        assert layer(queries[:0], layer.project(source), allowed[:0]).shape == (0, 16)
    assert max(sizes) == 125 and sum(sizes) == 1000


def test_convolution_in_pieces(monkeypatch):
    voxels = SortedKeys(torch.arange(700))
    kernel_map = build_kernel_map(voxels, voxels, Kernel.centered(1))
    features, weight = torch.randn(700, 8), torch.randn(1, 8, 5)
    engine = engines.ENGINES['torch']
    expected = engine.convolve(features, weight, kernel_map)
    product, sizes = torch_engine._gathered_product, []

    def small(features, rows, weight, dtype, chunk):
        if chunk > 200:
            raise GPU
        sizes.append(chunk)
        return product(features, rows, weight, dtype, chunk)

    monkeypatch.setattr(torch_engine, '_gathered_product', small)
    torch.testing.assert_close(engine.convolve(features, weight, kernel_map), expected)
    assert sizes == [175]


def test_a_scan_that_never_fits_says_which_knob_to_turn(monkeypatch):
    model = tiny_model()
    model.tasks['text']._text_encoder = HashEncoder()
    segmenter = Segmenter(model)
    scene = segmenter.set_scene(room(200))

    def no_memory(*args, **options):
        raise GPU

    with monkeypatch.context() as patched:
        patched.setattr(model, 'encode', no_memory)
        with pytest.raises(OutOfMemoryError, match='encoding this scan .*20.00 GiB.*--tile'):
            segmenter.set_scene(room(300))
    # The scene before is still there, and can be asked.
    assert segmenter.scene is scene
    with monkeypatch.context() as patched:
        patched.setattr(model, 'decode', no_memory)
        with pytest.raises(OutOfMemoryError, match='fewer tasks'):
            segmenter.predict()
    assert len(segmenter.predict('semantic').semantic) == 200
    assert issubclass(OutOfMemoryError, Unison3DError) and issubclass(OutOfMemoryError, MemoryError)
