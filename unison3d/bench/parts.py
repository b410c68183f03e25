"""Where the time of a prediction goes, and the least it could take.

A part of the table is a few functions of the package that are watched from outside; the time of
one inside another counts for the inner one only. Its floor comes from a second run, in which every
operation is counted as it is executed: an operation takes at least the time of its products at the
rate of a large dense product, and at least the time to read its operands and write its result at
the rate of a large copy; the longer of the two is added up. Operations of torch are counted by
their tensors and sparse convolutions by their pairs. The parts that work on arrays (``read``,
``superpoints``, ``write``) are only charged for what comes in and goes out, so their floor says
that they are far from a copy and no more. What stays in a cache between two operations can be
read faster than that: small operations can beat their floor.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from unison3d.apis import Segmenter
from unison3d.bench.machine import Machine, synchronize
from unison3d.sparse import functional
from unison3d.structures import PointScene

REST = 'rest'
PARTS = (
    'read',
    'superpoints',
    'voxelise',
    'maps',
    'backbone',
    'pool',
    'decoder',
    'heads',
    'merge',
    'words',
    'write',
    REST,
)
# Functions by part, as 'module:name' or 'module:class.name'.
FUNCTIONS = {
    'unison3d.apis.segmenter:read_scene': 'read',
    'unison3d.apis.segmenter:estimate_normals': 'superpoints',
    'unison3d.apis.segmenter:compute_superpoints': 'superpoints',
    'unison3d.sparse.sparse_tensor:build_kernel_map': 'maps',
    'unison3d.sparse.sparse_tensor:coarsen_in_grid': 'maps',
    'unison3d.sparse.sparse_tensor:build_pyramid': 'maps',
    'unison3d.models.segmentors.unified_segmentor:_to_superpoints': 'pool',
    'unison3d.models.tasks.closed_set:ClosedSetTask.semantic_logits': 'heads',
    'unison3d.models.tasks.closed_set:ClosedSetTask.instance_logits': 'heads',
    'unison3d.models.tasks.open_vocabulary:cosine_logits': 'heads',
    'unison3d.models.tasks.quality_head:QualityHead.forward': 'heads',
    'unison3d.apis.scene_result:SceneResult.save': 'write',
}
ARRAY_PARTS = ('read', 'superpoints', 'write')
# What torch does not list by itself.
_ATTENTION = ('_scaled_dot_product_flash_attention_for_cpu',)


class Watch:
    """Adds up the time of parts; of nested parts the inner one gets it.

    Args:
        device: waited for at every change of part.
        clock: seconds.
    """

    def __init__(self, device: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        # Told the arguments and the result of every watched call.
        self.on_call: Callable[[object, object], None] = lambda given, made: None
        self._device = device
        self._clock = clock
        self._open = [REST]
        self._since = clock()

    @property
    def part(self) -> str:
        """The part that runs now."""
        return self._open[-1]

    def _turn(self) -> None:
        synchronize(self._device)
        now = self._clock()
        self.seconds[self.part] += now - self._since
        self._since = now

    @contextlib.contextmanager
    def running(self, part: str) -> Iterator[None]:
        """The time inside belongs to the part."""
        self._turn()
        self._open.append(part)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def wrap(self, function: Callable, part: str) -> Callable:
        """The same function, watched."""

        def watched(*args: object, **options: object) -> object:
            with self.running(part):
                out = function(*args, **options)
                self.on_call((args, options), out)
            return out

        return watched


class OperationCount(TorchDispatchMode):
    """Floor of all operations of torch, by the part that a watch is in.

    Attributes:
        floor: seconds by part.
        flops: by part.
    """

    def __init__(self, watch: Watch, machine: Machine) -> None:
        super().__init__()
        self.floor: dict[str, float] = defaultdict(float)
        self.flops: dict[str, float] = defaultdict(float)
        self._watch = watch
        self._machine = machine

    def add(self, flops: float, size: float) -> None:
        """One operation."""
        self.flops[self._watch.part] += flops
        self.floor[self._watch.part] += self._machine.seconds(flops, size)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        # In inference mode a linear layer arrives as one operation, not as its product.
        with self:
            out = func.decompose(*args, **(kwargs or {}))
        if out is not NotImplemented:
            return out
        out = func(*args, **(kwargs or {}))
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        made = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        if not func.is_view and func.overloadpacket is not torch.ops.aten.empty:
            name = func.overloadpacket.__name__
            if name in _ATTENTION:
                query, key = args[0], args[1]
                flops = 4 * query.numel() * key.shape[2]
            else:
                count = flop_registry.get(func.overloadpacket)
                flops = count(*args, **(kwargs or {}), out_val=out) if count else 0
            self.add(flops, sum(x.nbytes for x in (*given, *made)))
        return out

    def add_call(self, given: object, made: object) -> None:
        """What a part that works on arrays and files reads and writes at least."""
        if self._watch.part in ARRAY_PARTS:
            self.add(0, sum(_size(x) for x in tree_leaves((given, made))))

    def counting_engine(self, select: Callable) -> Callable:
        """``select_engine``, which every sparse convolution calls, and counts."""

        def counted(features: Tensor, weight: Tensor, kernel_map: object) -> object:
            pairs = kernel_map.pairs
            flops = 2 * len(pairs.inputs) * weight.shape[1] * weight.shape[2]
            out = kernel_map.num_outputs * weight.shape[2] * features.element_size()
            index = pairs.inputs.nbytes + pairs.outputs.nbytes
            self.add(flops, features.nbytes + weight.nbytes + out + index)
            return select(features, weight, kernel_map)

        return counted


def _size(thing: object) -> int:
    """Bytes of an array, a file or a scene; of anything else 0."""
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if isinstance(thing, Path):
        return thing.stat().st_size if thing.is_file() else 0
    if isinstance(thing, PointScene):
        return sum(_size(x) for x in vars(thing).values())
    return 0


@contextlib.contextmanager
def watched(segmenter: Segmenter, watch: Watch) -> Iterator[None]:
    """Watch all parts of a segmenter."""
    model = segmenter.model
    methods = [
        (model.data_preprocessor, 'forward', 'voxelise'),
        (model.backbone, 'forward', 'backbone'),
        (model.decoder, 'encode', 'decoder'),
        (model.decoder, 'forward', 'decoder'),
        *((task, 'predict', 'merge') for task in model.tasks.values()),
    ]
    encoders = {id(e): e for t in model.tasks.values() if (e := getattr(t, 'encoder', None))}
    methods += [
        (encoder, name, 'words')
        for encoder in encoders.values()
        for name in ('encode', 'encode_words')
    ]
    with contextlib.ExitStack() as stack:
        for path, part in FUNCTIONS.items():
            module, _, name = path.partition(':')
            owner: object = importlib.import_module(module)
            *classes, name = name.split('.')
            for inner in classes:
                owner = getattr(owner, inner)
            function = getattr(owner, name)
            stack.enter_context(mock.patch.object(owner, name, watch.wrap(function, part)))
        for owner, name, part in methods:
            function = watch.wrap(getattr(owner, name), part)
            stack.enter_context(mock.patch.object(owner, name, function))
        yield


def measure_parts(
    segmenter: Segmenter,
    run: Callable[[], object],
    device: str,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Seconds by part of the fastest of some runs."""
    best: dict[str, float] = {}
    for _ in range(repeats):
        watch = Watch(device, clock)
        with watched(segmenter, watch), watch.running(REST):
            run()
        if not best or sum(watch.seconds.values()) < sum(best.values()):
            best = dict(watch.seconds)
    return best


def count_parts(
    segmenter: Segmenter, run: Callable[[], object], device: str, machine: Machine
) -> OperationCount:
    """Floors by part of one run."""
    watch = Watch(device)
    count = OperationCount(watch, machine)
    watch.on_call = count.add_call
    select = count.counting_engine(functional.select_engine)
    with (
        watched(segmenter, watch),
        mock.patch.object(functional, 'select_engine', select),
        count,
    ):
        run()
    return count
