"""What only a GPU can tell about the Triton engine: right results, times, waiting, CUDA graphs.

    python benchmarks/triton_checks.py [--out benchmarks/results]

The first run compiles and measures tiles, for some minutes; results are kept (see
``unison3d.sparse.engines.triton_tuning``). Times are by CUDA events over calls in a row. ``spconv``
is the default algorithm of its layers, where it is installed. Writes ``triton_<device>.json`` and a
table as ``.md``. Without a GPU nothing is measured.
"""

from __future__ import annotations

import argparse
import platform
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import room_voxels
from torch import Tensor
from triton_layers import LAYERS, TYPES, device_ms, layer_row

from unison3d.bench.machine import machine_line
from unison3d.io.json_files import write_json
from unison3d.models.backbones import SparseUNet
from unison3d.sparse import SparseTensor

FORWARD_TARGET_MS, BOTH_TARGET_MS = 4.0, 15.0


def network_facts(fresh: Callable[[], SparseTensor]) -> dict:
    """The unified U-Net in bfloat16, from coordinates to features and to gradients."""
    kept = fresh()
    device = kept.features.device
    torch.manual_seed(0)
    network = SparseUNet(kept.features.shape[1]).to(device).eval()

    def forward(x: SparseTensor) -> Tensor:
        # Casts of weights that were kept would not be part of a captured graph.
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            return network(x).features

    def both() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            out = network(fresh()).features
        out.float().square().mean().backward()
        network.zero_grad(set_to_none=True)

    eager = forward(kept)
    with_maps = device_ms(lambda: forward(fresh()))
    facts = {
        'voxels': len(kept),
        'forward with maps ms': with_maps,
        f'at most {FORWARD_TARGET_MS} ms': with_maps <= FORWARD_TARGET_MS,
        'forward alone ms': device_ms(lambda: forward(kept)),
        'waits of a forward with maps': count_waits(lambda: forward(fresh())),
        'waits of a forward alone': count_waits(lambda: forward(kept)),
        **graph_facts(lambda: forward(kept), eager),
    }
    network.train()
    with_gradients = device_ms(both)
    facts['forward and backward with maps ms'] = with_gradients
    facts[f'at most {BOTH_TARGET_MS} ms'] = with_gradients <= BOTH_TARGET_MS
    return facts


def count_waits(run: Callable[[], object]) -> int:
    """How often the host waits for the device, as far as PyTorch notices."""
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            run()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return sum('synchronizing CUDA operation' in str(w.message) for w in caught)


def graph_facts(run: Callable[[], Tensor], expected: Tensor) -> dict:
    """Capture a call whose maps and tiles exist, and replay it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            out = run()
    except RuntimeError as error:
        return {'graph': f'not captured: {error}'[:200]}
    graph.replay()
    return {'graph equals eager': torch.equal(out, expected), 'graph ms': device_ms(graph.replay)}


def table(rows: list[dict]) -> str:
    """Markdown of all layers."""
    columns = ['layer', 'type', 'error', 'right', 'repeatable', 'forward ms', 'spconv forward ms']
    columns += ['both ms', 'spconv both ms']
    lines = ['| ' + ' | '.join(columns) + ' |', '|' + ' --- |' * len(columns)]
    for row in rows:
        cells = (row.get(column, '-') for column in columns)
        texts = (f'{c:.3g}' if isinstance(c, float) else str(c) for c in cells)
        lines.append('| ' + ' | '.join(texts) + ' |')
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=Path(__file__).parent / 'results')
    parser.add_argument('--voxels', type=int, default=90_000)
    parser.add_argument('--types', nargs='+', choices=[*TYPES], default=[*TYPES])
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print('not measured: no CUDA device')
        return
    import triton

    # Products of float32 in TF32.
    torch.set_float32_matmul_precision('high')
    voxels = room_voxels(args.voxels)
    x = voxels.tensor(6, 'cuda')
    rows = []
    for layer in LAYERS:
        for type_name in args.types:
            rows.append(layer_row(*layer, type_name, x))
            print(rows[-1], flush=True)
    network = network_facts(
        lambda: SparseTensor(x.features, x.coordinates, x.spatial_shape, x.batch_size)
    )
    versions = f'triton {triton.__version__}, NumPy {np.__version__}, CUDA {torch.version.cuda}'
    machine = f'{machine_line("cuda")}, {versions}, {platform.platform()}'
    content = {'machine': machine, 'voxels': voxels.name, 'network': network, 'layers': rows}
    name = re.sub(r'[^\w-]+', '_', torch.cuda.get_device_name())
    path = write_json(args.out / f'triton_{name}.json', content)
    facts = '\n'.join(f'- {key}: {value}' for key, value in network.items())
    text = (
        f'# Triton engine\n\n{machine}\n\n{voxels.name}\n\n'
        f'## Unified U-Net, bfloat16\n\n{facts}\n\n## Layers\n\n{table(rows)}\n'
    )
    path.with_suffix('.md').write_text(text, encoding='utf-8')
    print(text)


if __name__ == '__main__':
    main()
