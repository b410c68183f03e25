"""The layers of the three libraries behind MMDetection3D's MinkUNet, under their published names.

The networks are the same; what differs is what the parameters are called, in which order the cells
of a kernel are stored, and what happens at the upper border of the grid.

============ ============================= =============================== ====================
layout       convolution, batch norm       cells of a 3x3x3 / 2x2x2 kernel upper border
============ ============================= =============================== ====================
torchsparse  ``m.net.0.kernel, m.net.1``   x fastest / z fastest           unbounded
minkowski    ``m.net.0.kernel, m.net.1.bn`` x fastest / x fastest          unbounded
spconv       ``m.0.weight, m.1``           z fastest / z fastest           partial cells dropped
============ ============================= =============================== ====================

Source:
    MMDetection3D 1.4.0 (Apache-2.0), torchsparse 1.4.0, MinkowskiEngine 0.5.4 and spconv 2.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from unison3d.models.backbones.unet_parts import add_relu_, relu_
from unison3d.sparse import (
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    InverseConv3d,
    Kernel,
    SparseBatchNorm,
    SparseModule,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
)
from unison3d.sparse.layers import apply_to_rows


class TorchSparseConv3d(GeneralizedConv3d):
    """As torchsparse 1.4 stores it: cells of even kernels run with the last axis fastest."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride)
        self.cells = _torchsparse_cells(self.cells)


class TorchSparseConvTranspose3d(GeneralizedConvTranspose3d):
    """Way back of a :class:`TorchSparseConv3d`, with the same order of cells."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride)
        self.cells = _torchsparse_cells(self.cells)


def _torchsparse_cells(cells: Kernel) -> Kernel:
    return cells if cells.size % 2 else Kernel(cells.size, cells.start, cells.dilation)


class Net(SparseModule):
    """Layers one after the other, in a child called ``net``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.net = SparseSequential(*layers)

    def forward(self, x: SparseTensor) -> SparseTensor:
        return self.net(x)


@dataclass(frozen=True)
class Layout:
    """How one library builds and names the parts.

    Attributes:
        same: (C_in, C_out, kernel size), keeps the voxels.
        down: (C_in, C_out), kernel and stride 2.
        up: (C_in, C_out), back to the voxels of the ``down`` before.
        norm: (C), batch norm with eps 1e-5 and momentum 0.1.
        conv_module: joins convolution, norm and ReLU.
        shortcut: joins the convolution and norm of a shortcut.
        block_names: what convolution, norm, convolution, norm of a block are called; None puts
            them, with the ReLU in between, into a child ``net``.
    """

    same: Callable[[int, int, int], nn.Module]
    down: Callable[[int, int], nn.Module]
    up: Callable[[int, int], nn.Module]
    norm: Callable[[int], nn.Module]
    conv_module: Callable[..., SparseModule]
    shortcut: Callable[..., SparseModule]
    block_names: tuple[str, str, str, str] | None

    def conv_norm_relu(self, conv: nn.Module, channels: int) -> SparseModule:
        """Convolution, norm and ReLU under their published names."""
        return self.conv_module(conv, self.norm(channels), nn.ReLU(inplace=True))


LAYOUTS = {
    'torchsparse': Layout(
        same=TorchSparseConv3d,
        down=lambda a, b: TorchSparseConv3d(a, b, 2, 2),
        up=lambda a, b: TorchSparseConvTranspose3d(a, b, 2, 2),
        norm=nn.BatchNorm1d,
        conv_module=Net,
        shortcut=SparseSequential,
        block_names=None,
    ),
    'minkowski': Layout(
        same=GeneralizedConv3d,
        down=lambda a, b: GeneralizedConv3d(a, b, 2, 2),
        up=lambda a, b: GeneralizedConvTranspose3d(a, b, 2, 2),
        norm=SparseBatchNorm,
        conv_module=Net,
        shortcut=Net,
        block_names=('conv1', 'norm1', 'conv2', 'norm2'),
    ),
    'spconv': Layout(
        same=SubmanifoldConv3d,
        down=lambda a, b: StridedConv3d(a, b, 2, 2),
        up=lambda a, b: InverseConv3d(a, b, 2),
        norm=nn.BatchNorm1d,
        conv_module=SparseSequential,
        shortcut=SparseSequential,
        block_names=('conv1', 'bn1', 'conv2', 'bn2'),
    ),
}


class ResidualBlock(SparseModule):
    """Post-activation block: conv-BN-ReLU-conv-BN, plus the input, ReLU.

    Args:
        layout: layers and names.
        in_channels: C_in; where it differs from C_out the input passes through a 1x1x1 convolution
            and a norm.
        out_channels: C_out.
    """

    def __init__(self, layout: Layout, in_channels: int, out_channels: int) -> None:
        super().__init__()
        main = (
            layout.same(in_channels, out_channels, 3),
            layout.norm(out_channels),
            layout.same(out_channels, out_channels, 3),
            layout.norm(out_channels),
        )
        self.names = layout.block_names
        if self.names is None:
            self.net = SparseSequential(*main[:2], nn.ReLU(inplace=True), *main[2:])
        else:
            for name, module in zip(self.names, main, strict=True):
                self.add_module(name, module)
        self.downsample = None
        if in_channels != out_channels:
            self.downsample = layout.shortcut(
                layout.same(in_channels, out_channels, 1), layout.norm(out_channels)
            )

    def forward(self, x: SparseTensor) -> SparseTensor:
        out = self._main(x)
        return add_relu_(out, x if self.downsample is None else self.downsample(x))

    def _main(self, x: SparseTensor) -> SparseTensor:
        if self.names is None:
            return self.net(x)
        conv1, norm1, conv2, norm2 = (getattr(self, name) for name in self.names)
        x = relu_(_normalize(norm1, conv1(x)))
        return _normalize(norm2, conv2(x))


def _normalize(norm: nn.Module, x: SparseTensor) -> SparseTensor:
    if isinstance(norm, SparseModule):
        return norm(x)
    return x.replace(apply_to_rows(norm, x.features))
