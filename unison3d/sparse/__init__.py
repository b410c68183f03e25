"""Sparse voxel convolution: tensors, kernel maps, layers of two families, engines."""

from unison3d.sparse.engines import ENGINES, set_engine, use_engine
from unison3d.sparse.functional import sparse_conv
from unison3d.sparse.kernel_map import Kernel, KernelMap, build_kernel_map
from unison3d.sparse.layers import (
    AvgPool3d,
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    GlobalPool3d,
    InverseConv3d,
    MaxPool3d,
    SparseBatchNorm,
    SparseModule,
    SparseSequential,
    StridedConv3d,
    SubmanifoldConv3d,
    SumPool3d,
)
from unison3d.sparse.pooling import scatter_mean, scatter_sum
from unison3d.sparse.sparse_tensor import SparseTensor
from unison3d.sparse.voxelize import Voxels, voxelize

__all__ = [
    'ENGINES',
    'AvgPool3d',
    'GeneralizedConv3d',
    'GeneralizedConvTranspose3d',
    'GlobalPool3d',
    'InverseConv3d',
    'Kernel',
    'KernelMap',
    'MaxPool3d',
    'SparseBatchNorm',
    'SparseModule',
    'SparseSequential',
    'SparseTensor',
    'StridedConv3d',
    'SubmanifoldConv3d',
    'SumPool3d',
    'Voxels',
    'build_kernel_map',
    'scatter_mean',
    'scatter_sum',
    'set_engine',
    'sparse_conv',
    'use_engine',
    'voxelize',
]
