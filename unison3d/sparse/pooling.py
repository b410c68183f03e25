"""Sums and means of rows by group: points to voxels, and to superpoints."""

from __future__ import annotations

from torch import Tensor, bincount

from unison3d.native.choice import Choice, import_problem


def _torch_scatter_missing() -> str:
    problem = import_problem('torch_scatter')
    if not problem:
        return ''
    return (
        f'torch_scatter is not installed or does not load ({problem}); pip install '
        '--no-build-isolation torch_scatter builds it with a C++ compiler, and '
        'https://github.com/rusty1s/pytorch_scatter says where wheels for some versions of torch '
        'are'
    )


#: Which engine adds up; see :mod:`unison3d.operations`.
CHOICE = Choice('pooling', {'torch': None, 'torch_scatter': _torch_scatter_missing})


def scatter_sum(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """Sum of the rows of each group; groups without rows are zero.

    Args:
        values: (N, C) float.
        groups: int64, (N,) in ``0..num_groups-1``.
        num_groups: G.

    Returns:
        (G, C), of the type of ``values``.
    """
    if CHOICE.wanted == 'torch_scatter':
        import torch_scatter

        return torch_scatter.scatter_sum(values, groups, dim=0, dim_size=num_groups)
    return values.new_zeros((num_groups, values.shape[1])).index_add_(0, groups, values)


def scatter_mean(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """Mean of the rows of each group; groups without rows are zero.

    Arguments and result are those of :func:`scatter_sum`.
    """
    total = scatter_sum(values, groups, num_groups)
    # The count is ours with every engine: torch_scatter counts in the type of the values, and
    # bfloat16 cannot count beyond 256.
    count = bincount(groups, minlength=num_groups).clamp_(min=1)
    return total / count[:, None].to(values.dtype)
