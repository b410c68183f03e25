"""The Minkowski residual U-Nets of OpenScene, Segment3D, Mask3D, OneFormer3D and AFOV."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch.nn.functional as F
from torch import nn

from unison3d.errors import ConfigError
from unison3d.models.backbones.minkowski_architectures import stage_sizes
from unison3d.models.backbones.minkowski_blocks import BasicBlock, NormSettings, init_kernels
from unison3d.models.backbones.unet_parts import relu_, run_unet
from unison3d.registry import MODELS
from unison3d.sparse import (
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    SparseModule,
    SparseSequential,
    SparseTensor,
)

# Published names: (convolution, batch norm, residual stage) of every level, in the order they run.
_DOWN = tuple((f'conv{i}p{2 ** (i - 1)}s2', f'bn{i}', f'block{i}') for i in (1, 2, 3, 4))
_UP = tuple((f'convtr{i}p{2 ** (8 - i)}s2', f'bntr{i}', f'block{i + 1}') for i in (4, 5, 6, 7))
_NUM_LEVELS = len(_UP) + 1


class MinkowskiUNet(nn.Module):
    """Sparse residual U-Net with strides 1 to 16: voxel features to features at the same voxels.

    One topology; what the published systems do differently are arguments, and the subclasses
    :class:`MinkUNet` and :class:`Res16UNet` set their defaults. Names, order and shapes of the
    state dict are those of the published checkpoints. Coordinates may be negative, and the tensor
    may have a spatial shape or none: the lattice is unbounded and anchored at zero, so a shift by a
    multiple of 16 voxels changes nothing and any other does.

    Args:
        in_channels: channels of a voxel.
        arch: key of :data:`~unison3d.models.backbones.ARCHITECTURES`, width and depth of the eight
            stages.
        planes: eight widths instead of those of ``arch``.
        layers: eight numbers of residual blocks instead of those of ``arch``.
        init_dim: width of the stem.
        stem_kernel_size: edge of the first kernel. OpenScene, Segment3D, OneFormer3D: 5; AFOV: 3.
        final_channels: width of the last layer, ``final``; None leaves it out.
        final_bias: whether ``final`` has a bias. OpenScene: no; all others: yes.
        apply_final: use ``final``. Segment3D and OneFormer3D carry one in their files that nothing
            reads; with False it exists and the last residual stage is the output. It then receives
            no gradient, which distributed training has to be told (or ``final_channels=None``).
        normalize_features: divide every row of the output by its Euclidean norm (AFOV
            pre-training). A row of zeros stays zero, where the release divides by zero.
        bn_momentum: of the norms outside residual blocks and in their shortcuts. OpenScene: 0.1;
            Segment3D, OneFormer3D and fine-tuned AFOV: 0.02; AFOV: 0.05.
        block_bn_momentum: of the two norms inside a residual block: 0.1 in every published system,
            because none hands its setting on to them.
        bn_eps: of all norms; 1e-5 in every published system.
        kernel_init: ``'uniform'``, the default of the layers (Segment3D), or ``'kaiming_normal'``
            (OpenScene); see :func:`~unison3d.models.backbones.minkowski_blocks.init_kernels`.
        output_levels: levels that :meth:`forward_levels` gives out, in this order; 0 is the
            coarsest (stride 16), 4 the finest. Segment3D uses all five.

    Raises:
        ConfigError: ``arch`` is unknown, or a list of sizes or a level does not fit.

    Source:
        Choy et al. (arXiv:1904.08755), table of variants as in OpenScene (arXiv:2211.15654).
    """

    def __init__(
        self,
        in_channels: int = 3,
        arch: str = '18A',
        planes: Sequence[int] | None = None,
        layers: Sequence[int] | None = None,
        init_dim: int = 32,
        stem_kernel_size: int = 5,
        final_channels: int | None = None,
        final_bias: bool = True,
        apply_final: bool = True,
        normalize_features: bool = False,
        bn_momentum: float = 0.1,
        block_bn_momentum: float = 0.1,
        bn_eps: float = 1e-5,
        kernel_init: Literal['uniform', 'kaiming_normal'] = 'uniform',
        output_levels: Sequence[int] = (0, 1, 2, 3, 4),
    ) -> None:
        super().__init__()
        planes, layers = stage_sizes(arch, planes, layers)
        if not set(output_levels) <= set(range(_NUM_LEVELS)):
            raise ConfigError(f'output_levels is {output_levels}, expected some of 0 to 4')
        self.in_channels = in_channels
        self.output_levels = tuple(output_levels)
        self.normalize_features = normalize_features
        norm = NormSettings(bn_eps, bn_momentum, block_bn_momentum)

        self.conv0p1s1 = GeneralizedConv3d(in_channels, init_dim, stem_kernel_size)
        self.bn0 = norm.outside(init_dim)
        width, skips = init_dim, [init_dim]
        for names, out, depth in zip(_DOWN, planes[:4], layers[:4], strict=True):
            conv = GeneralizedConv3d(width, width, 2, 2)
            self._add_level(names, conv, norm.outside(width), _stage(width, out, depth, norm))
            width = out
            skips.append(out)
        skips.pop()
        for names, out, depth in zip(_UP, planes[4:], layers[4:], strict=True):
            conv = GeneralizedConvTranspose3d(width, out, 2, 2)
            blocks = _stage(out + skips.pop(), out, depth, norm)
            self._add_level(names, conv, norm.outside(out), blocks)
            width = out
        self.final = None
        if final_channels is not None:
            self.final = GeneralizedConv3d(width, final_channels, 1, bias=final_bias)
        self.apply_final = apply_final and self.final is not None
        self.out_channels = final_channels if self.apply_final else width
        init_kernels(self, kernel_init)

    def _add_level(self, names: tuple[str, str, str], *modules: nn.Module) -> None:
        for name, module in zip(names, modules, strict=True):
            self.add_module(name, module)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Features of the same voxels, (V, out_channels); row i belongs to row i of ``x``."""
        x, _ = self._run(x)
        if self.apply_final:
            x = self.final(x)
        if self.normalize_features:
            x = x.replace(F.normalize(x.features, dim=1))
        return x

    def forward_levels(self, x: SparseTensor) -> list[SparseTensor]:
        """Outputs of the decoder levels that ``output_levels`` names, coarsest first by default.

        Level 0 is the bottom of the encoder at stride 16, level 4 the last residual stage at the
        input voxels; neither ``final`` nor normalisation is applied. Rows of strided levels come in
        an order of their own.
        """
        _, levels = self._run(x, self.output_levels)
        return [levels[index] for index in self.output_levels]

    def _run(
        self, x: SparseTensor, wanted: Sequence[int] = ()
    ) -> tuple[SparseTensor, dict[int, SparseTensor]]:
        stem = partial(self._conv_norm_relu, 'conv0p1s1', 'bn0')
        encoder = [stem, *(partial(self._down, *names) for names in _DOWN)]
        decoder = [
            (partial(self._conv_norm_relu, conv, norm), getattr(self, stage))
            for conv, norm, stage in _UP
        ]
        return run_unet(x, encoder, decoder, wanted)

    def _down(self, conv: str, norm: str, stage: str, x: SparseTensor) -> SparseTensor:
        return getattr(self, stage)(self._conv_norm_relu(conv, norm, x))

    def _conv_norm_relu(self, conv: str, norm: str, x: SparseTensor) -> SparseTensor:
        return relu_(getattr(self, norm)(getattr(self, conv)(x)))


def _stage(in_channels: int, out_channels: int, depth: int, norm: NormSettings) -> SparseModule:
    widths = [in_channels] + [out_channels] * depth
    return SparseSequential(*(BasicBlock(a, b, norm) for a, b in pairwise(widths)))


@MODELS.register_module()
class MinkUNet(MinkowskiUNet):
    """The student network of OpenScene: 3 -> 768 (OpenSeg) or 512 (LSeg) channels, 18A released.

    ``final`` has no bias, all norms have momentum 0.1, kernels start Kaiming-normal.

    Args:
        in_channels: channels of a voxel; the release feeds ones.
        arch: width and depth.
        final_channels: width of the output.
        options: the other arguments of :class:`MinkowskiUNet`.

    Source:
        OpenScene (arXiv:2211.15654).
    """

    def __init__(
        self, in_channels: int = 3, arch: str = '18A', final_channels: int = 768, **options: Any
    ) -> None:
        options = {'final_bias': False, 'kernel_init': 'kaiming_normal', **options}
        super().__init__(in_channels, arch, final_channels=final_channels, **options)


@MODELS.register_module()
class Res16UNet(MinkowskiUNet):
    """The U-Net of Mask3D, Segment3D, OneFormer3D on ScanNet200 and AFOV, 34C in all of them.

    ============================ ================================================================
    system                       arguments
    ============================ ================================================================
    Mask3D, Segment3D            ``final_channels=20`` (the classes), ``apply_final=False``
    OneFormer3D on ScanNet200    ``final_channels=96, apply_final=False``
    AFOV, pre-training           ``in_channels=1, stem_kernel_size=3, bn_momentum=0.05,
                                 final_channels=768, normalize_features=True``
    AFOV, annotation-free        the same with ``final_channels=17`` and no normalisation
    AFOV, fine-tuning            the same as annotation-free with ``bn_momentum=0.02``
    ============================ ================================================================

    Args:
        in_channels: channels of a voxel.
        arch: width and depth.
        bn_momentum: of the norms outside residual blocks.
        options: the other arguments of :class:`MinkowskiUNet`.

    Source:
        Mask3D (arXiv:2210.03105), Segment3D (arXiv:2312.17232), OneFormer3D (arXiv:2311.14405),
        AFOV (arXiv:2405.15286).
    """

    def __init__(
        self, in_channels: int = 3, arch: str = '34C', bn_momentum: float = 0.02, **options: Any
    ) -> None:
        super().__init__(in_channels, arch, bn_momentum=bn_momentum, **options)
