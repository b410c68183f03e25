"""The Triton kernels compile for GPUs that are not here, and come out as they were meant.

The interpreter accepts what the compiler does not, and cannot tell whether gathered rows are copied
ahead. Run as a program, this file compiles without a GPU and prints what became of each kernel.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

TILE = dict(ROWS=64, COLUMNS=64, DEPTH=32)
LOOP = dict(UPCAST=False, PRECISION='ieee', **TILE)
EVEN = dict(EVEN_IN=True, EVEN_OUT=True)
# Of each kernel: arrays and their types, arrays of int32, constants. What is left are integers.
ARGUMENTS = {
    'implicit_gemm': (
        dict(features='bf16', weight='bf16', out='bf16', order='i64'),
        ('rows_in', 'cells', 'counts'),
        dict(weight_out=1, TILED=True, MIRRORED=True, **EVEN, **LOOP),
    ),
    'packed_gemm': (
        dict(features='bf16', weight='bf16', out='bf16'),
        ('table',),
        dict(weight_out=1, MIRRORED=False, **LOOP),
    ),
    'weight_gradient': (
        dict(features='bf16', grad='bf16', partial='fp32'),
        ('rows_in', 'rows_out', 'starts'),
        dict(**EVEN, **LOOP),
    ),
    'packed_weight_gradient': (
        dict(features='bf16', grad='bf16', partial='fp32'),
        ('table',),
        LOOP,
    ),
    'find_cells': (
        dict(source='i64', target='i64'),
        ('source_order', 'target_order', 'table'),
        dict(
            HAS_SOURCE_ORDER=True,
            HAS_TARGET_ORDER=True,
            X_FASTEST=True,
            SIZE=3,
            BITS=18,
            ROWS=128,
        ),
    ),
    'transpose_table': ({}, ('table', 'out'), dict(ENTRIES=1024)),
    'mask_rows': (dict(masks='u8'), ('table',), dict(GROUP=1, ROWS=128)),
    'arrange_tiles': (
        dict(order='i64'),
        ('table', 'rows_in', 'cells', 'counts'),
        dict(ROWS=64, PART=32, CELLS=128),
    ),
    'list_pairs': ({}, ('table', 'ranks', 'inputs', 'outputs'), dict(ROWS=128, CELLS=8)),
}


def compile_all(capability: int) -> dict:
    """Counts of instructions by kernel."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from unison3d.sparse.engines._triton_kernels import load_kernels
    from unison3d.sparse.engines._triton_map_kernels import load_map_kernels

    found = {}
    for name, kernel in {**vars(load_kernels()), **vars(load_map_kernels())}.items():
        numbers, indices, constants = ARGUMENTS[name]
        pointers = {**{n: f'*{t}' for n, t in numbers.items()}, **dict.fromkeys(indices, '*i32')}
        names = kernel.arg_names
        signature = {n: pointers.get(n, 'constexpr' if n in constants else 'i32') for n in names}
        # As are channels of 16 and more; the packed kernels have fewer inputs.
        aligned = [*pointers, 'c_out', 'grad_row', 'weight_cell', 'weight_in']
        if not name.startswith('packed'):
            aligned += ['c_in', 'features_row']
        aligned = [n for n in aligned if n in names]
        source = ASTSource(
            fn=kernel,
            signature=signature,
            constexprs={(names.index(n),): value for n, value in constants.items()},
            attrs={(names.index(n),): [['tt.divisibility', 16]] for n in aligned},
        )
        target = GPUTarget('cuda', capability, 32)
        text = triton.compile(source, target=target, options=dict(num_warps=4, num_stages=5)).asm
        words = ('wgmma.mma_async', 'mma.sync', 'cp.async.cg', '.local ')
        found[name] = {word: text['ptx'].count(word) for word in words}
    return found


@pytest.mark.parametrize('capability', [80, 90])
def test_kernels_compile(capability):
    if importlib.util.find_spec('triton') is None:
        pytest.skip('triton is not installed')
    environment = {k: v for k, v in os.environ.items() if k != 'TRITON_INTERPRET'}
    environment['PYTHONPATH'] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, __file__, str(capability)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == ARGUMENTS.keys()
    product = 'wgmma.mma_async' if capability == 90 else 'mma.sync'
    for name in ('implicit_gemm', 'packed_gemm', 'weight_gradient', 'packed_weight_gradient'):
        assert found[name][product], f'{name} does not use tensor cores'
    for name in ('implicit_gemm', 'weight_gradient'):
        assert found[name]['cp.async.cg'], f'{name} does not copy rows ahead'
    for name, counts in found.items():
        assert not counts['.local '], f'{name} has to put registers into memory'


if __name__ == '__main__':
    import triton

    if tuple(map(int, triton.__version__.split('.')[:2])) < (3, 3):
        print(f'triton {triton.__version__} is compiled for in another way', file=sys.stderr)
        sys.exit(3)
    print(json.dumps(compile_all(int(sys.argv[1]))))
