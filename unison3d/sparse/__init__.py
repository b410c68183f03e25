"""Sparse voxel convolution in plain PyTorch: tensors, kernel maps, layers."""

from unison3d.sparse.functional import sparse_conv
from unison3d.sparse.kernel_map import KernelMap, build_strided_map, build_submanifold_map
from unison3d.sparse.layers import (
    InverseConv3d,
    SparseModule,
    SparseSequential,
    StridedConv3d,
    SubmanifoldConv3d,
)
from unison3d.sparse.sparse_tensor import SparseTensor
from unison3d.sparse.voxelize import Voxels, scatter_mean, voxelize

__all__ = [
    'InverseConv3d',
    'KernelMap',
    'SparseModule',
    'SparseSequential',
    'SparseTensor',
    'StridedConv3d',
    'SubmanifoldConv3d',
    'Voxels',
    'build_strided_map',
    'build_submanifold_map',
    'scatter_mean',
    'sparse_conv',
    'voxelize',
]
