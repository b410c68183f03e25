"""spconv behind our interface: to check against, and for those who have it installed anyway."""

from __future__ import annotations

import torch
from torch import Tensor

from unison3d.native.choice import import_problem
from unison3d.sparse.kernel_map import KernelMap

DTYPES = {
    'cpu': (torch.float32, torch.float64),
    'cuda': (torch.float32, torch.float16),
}


class SpconvEngine:
    """The native algorithm of spconv 2 (gather, product, scatter) on our lists of pairs.

    On CPUs it gives no gradient of the weight and runs on one thread, because spconv does no more.
    The CUDA side follows the same calls and was never run.
    """

    name = 'spconv'

    def missing(self) -> str:
        """Why the package cannot be used, empty if it can."""
        problem = import_problem('spconv.pytorch.ops')
        return problem and (
            f'spconv is not installed or does not load ({problem}); pip install spconv, or '
            'spconv-cu126 for that version of CUDA'
        )

    def refuses(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> str:
        """Not installed, a type it cannot compute in, or what its CPU build does wrong."""
        if problem := self.missing():
            return problem
        device = features.device.type
        if features.dtype not in DTYPES.get(device, ()):
            return f'spconv has nothing for {features.dtype} on {features.device}'
        if device == 'cuda':
            from spconv.cppconstants import CPU_ONLY_BUILD

            return 'this build of spconv is for CPUs only' if CPU_ONLY_BUILD else ''
        if torch.get_num_threads() > 1:
            return (
                f'with several threads ({torch.get_num_threads()} now) spconv adds sums into wrong '
                'rows on CPUs; call torch.set_num_threads(1)'
            )
        if torch.is_grad_enabled() and weight.requires_grad:
            return (
                'spconv has no gradient of the weight on CPUs, where its backward asks for CUDA; '
                'freeze the weight or wrap the call in torch.no_grad()'
            )
        return ''

    def convolve(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """See :mod:`unison3d.sparse.engines`."""
        from spconv.pytorch import ops

        shape = (kernel_map.num_outputs, weight.shape[2])
        if kernel_map.pairs.starts[-1] == 0 or 0 in weight.shape:
            return features.new_zeros(shape)
        filters = weight.permute(2, 0, 1).contiguous()
        return ops.indice_conv(features.contiguous(), filters, *_pair_table(kernel_map), shape[0])

    def weight_gradient(
        self, features: Tensor, grad_output: Tensor, kernel_map: KernelMap
    ) -> Tensor:
        """See :mod:`unison3d.sparse.engines`. spconv computes the input gradient along with it."""
        from spconv.pytorch import ops

        shape = (kernel_map.num_cells, features.shape[1], grad_output.shape[1])
        if kernel_map.pairs.starts[-1] == 0 or 0 in shape:
            return features.new_zeros(shape)
        filters = features.new_zeros((shape[2], shape[0], shape[1]))
        _, grad = ops.indice_conv_backward(
            features.contiguous(), filters, grad_output.contiguous(), *_pair_table(kernel_map)
        )
        return grad.permute(1, 2, 0).contiguous()


def _pair_table(kernel_map: KernelMap) -> tuple[Tensor, Tensor]:
    """int32, (2, K, longest cell): rows of inputs and of outputs; int32, (K,): how many count."""
    if 'spconv pairs' not in kernel_map.derived:
        pairs = kernel_map.pairs
        starts = torch.tensor(pairs.starts, dtype=torch.int32, device=pairs.inputs.device)
        counts = starts.diff()
        places = torch.arange(int(counts.max()), device=counts.device)
        counted = places < counts[:, None]
        table = pairs.inputs.new_full((2, *counted.shape), -1)
        table[0][counted], table[1][counted] = pairs.inputs, pairs.outputs
        kernel_map.derived['spconv pairs'] = table, counts
    return kernel_map.derived['spconv pairs']
