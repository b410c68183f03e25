"""Layers on sparse tensors, in two families with published semantics."""

from unison3d.sparse.layers.minkowski import (
    AvgPool3d,
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    GlobalPool3d,
    MaxPool3d,
    SparseBatchNorm,
    SumPool3d,
)
from unison3d.sparse.layers.module import SparseModule, SparseSequential, apply_to_rows
from unison3d.sparse.layers.spconv import InverseConv3d, StridedConv3d, SubmanifoldConv3d

__all__ = [
    'AvgPool3d',
    'GeneralizedConv3d',
    'GeneralizedConvTranspose3d',
    'GlobalPool3d',
    'InverseConv3d',
    'MaxPool3d',
    'SparseBatchNorm',
    'SparseModule',
    'SparseSequential',
    'StridedConv3d',
    'SubmanifoldConv3d',
    'SumPool3d',
    'apply_to_rows',
]
