"""MinkowskiEngine behind our interface: to check against, and for those who have it anyway."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unison3d.native.choice import import_problem
from unison3d.sparse.coordinates import SortedKeys
from unison3d.sparse.kernel_map import Geometry, KernelMap
from unison3d.sparse.keys import unpack_coordinates

DTYPES = (torch.float32, torch.float64)


class MinkowskiEngine:
    """The package MinkowskiEngine 0.5 on CPUs.

    It takes no pairs and finds its own from the coordinates, which checks our maps as well.
    """

    name = 'minkowski'

    def missing(self) -> str:
        """Why the package cannot be used, empty if it can."""
        problem = import_problem('MinkowskiEngine')
        return problem and (
            f'MinkowskiEngine is not installed or does not load ({problem}); pip install '
            '--no-build-isolation MinkowskiEngine builds it with a C++ compiler, see '
            'https://github.com/NVIDIA/MinkowskiEngine'
        )

    def refuses(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> str:
        """Not installed, another device or type, or a map without coordinates."""
        if problem := self.missing():
            return problem
        if features.device.type != 'cpu':
            return f'MinkowskiEngine runs on CPUs here, the features are on {features.device}'
        if features.dtype not in DTYPES:
            return f'MinkowskiEngine computes in float32 or float64, not in {features.dtype}'
        if kernel_map.geometry is None:
            return 'MinkowskiEngine needs coordinates, this kernel map was made from pairs alone'
        return ''

    def convolve(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """See :mod:`unison3d.sparse.engines`."""
        from MinkowskiEngineBackend import _C as backend

        shape = (kernel_map.num_outputs, weight.shape[2])
        if 0 in (*features.shape, *shape):
            return features.new_zeros(shape)
        is_transposed = kernel_map.geometry.is_transposed
        name = 'ConvolutionTransposeForwardCPU' if is_transposed else 'ConvolutionForwardCPU'
        region, keys = _arguments(kernel_map)
        weight = _other_order(weight, kernel_map.geometry).contiguous()
        makes_outputs = False
        mode = backend.ConvolutionMode.DEFAULT
        return getattr(backend, name)(
            features.contiguous(), weight, *region, makes_outputs, mode, *keys
        )

    def weight_gradient(
        self, features: Tensor, grad_output: Tensor, kernel_map: KernelMap
    ) -> Tensor:
        """See :mod:`unison3d.sparse.engines`. The input gradient is computed along with it."""
        from MinkowskiEngineBackend import _C as backend

        weight = features.new_zeros((kernel_map.num_cells, features.shape[1], grad_output.shape[1]))
        if 0 in (*features.shape, *grad_output.shape):
            return weight
        is_transposed = kernel_map.geometry.is_transposed
        name = 'ConvolutionTransposeBackwardCPU' if is_transposed else 'ConvolutionBackwardCPU'
        region, keys = _arguments(kernel_map)
        _, grad = getattr(backend, name)(
            features.contiguous(),
            grad_output.contiguous(),
            weight,
            *region,
            backend.ConvolutionMode.DEFAULT,
            *keys,
        )
        return _other_order(grad, kernel_map.geometry).contiguous()


def _other_order(weight: Tensor, geometry: Geometry) -> Tensor:
    """Cells with x fastest if ours run along z first, and back."""
    if geometry.kernel.x_fastest:
        return weight
    cube = weight.unflatten(0, (geometry.kernel.size,) * 3)
    return cube.transpose(0, 2).flatten(0, 2)


def _arguments(kernel_map: KernelMap) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What its functions ask for: the kernel; keys of inputs and outputs, and their manager."""
    if 'minkowski arguments' not in kernel_map.derived:
        from MinkowskiEngineBackend import _C as backend

        geometry = kernel_map.geometry
        kernel, stride = geometry.kernel, geometry.stride
        # No number of threads of its own: it would set that of torch.
        algorithm = backend.MinkowskiAlgorithm.DEFAULT
        manager = backend.CoordinateMapManagerCPU(algorithm, 0)
        fine = coarse = _insert(manager, _by_row(geometry.fine), 1)
        # Its odd kernels are centred at the output, its even ones start there.
        anchor = kernel.dilation * (kernel.size // 2) if kernel.size % 2 else 0
        shift = kernel.start + anchor
        if geometry.coarse is not geometry.fine or stride != 1 or shift != 0:
            coordinates = _by_row(geometry.coarse)
            coordinates[:, 1:] = coordinates[:, 1:] * stride + shift
            coarse = _insert(manager, coordinates, stride)
        sizes = (kernel.size, stride, kernel.dilation)
        no_offsets = torch.empty(0, dtype=torch.int32)
        region = (*([n] * 3 for n in sizes), backend.RegionType.HYPER_CUBE, no_offsets)
        sides = (coarse, fine) if geometry.is_transposed else (fine, coarse)
        kernel_map.derived['minkowski arguments'] = region, (*sides, manager)
    return kernel_map.derived['minkowski arguments']


def _by_row(voxels: SortedKeys) -> Tensor:
    """int32, (V, 4): coordinates in the order of the rows, which MinkowskiEngine keeps."""
    coordinates = unpack_coordinates(voxels.keys)
    return coordinates if voxels.ranks is None else coordinates[voxels.ranks.long()]


def _insert(manager: Any, coordinates: Tensor, tensor_stride: int) -> Any:
    key, _ = manager.insert_and_map(coordinates, [tensor_stride] * 3, '')
    return key
