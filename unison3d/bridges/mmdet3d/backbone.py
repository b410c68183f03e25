"""MMDetection3D's MinkUNet on our sparse engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mmengine.model import BaseModule
from torch import Tensor, nn

from unison3d.convert.kernel_layouts import kernel_from_krsc, kernel_to_krsc
from unison3d.errors import ConfigError
from unison3d.models.backbones import MMDet3DMinkUNet
from unison3d.models.backbones.unet_parts import run_unet
from unison3d.registry import MODELS
from unison3d.sparse import SparseTensor

__all__ = ['MMDet3DMinkUNetBackbone']


@MODELS.register_module()
class MMDet3DMinkUNetBackbone(BaseModule):
    """In the place of ``MinkUNetBackbone``: same arguments, same names and shapes of parameters.

    torchsparse, spconv and MinkowskiEngine are not needed. Files of the model zoo load as they are,
    and a state dict of this module is one of the original.

    Args:
        in_channels: channels of a voxel.
        base_channels: width of the stem.
        num_stages: 4, the depth of the whole zoo.
        encoder_channels: widths of the stages at strides 2 to 16.
        encoder_blocks: residual blocks of those stages.
        decoder_channels: widths of the stages at strides 8 to 1.
        decoder_blocks: residual blocks of those stages.
        block_type: ``'basic'``.
        sparseconv_backend: library that the weights are of, ``'torchsparse'``, ``'spconv'`` or
            ``'minkowski'``: decides names, the order of kernel cells, the upper border, and the
            place of the batch index in the coordinates (last with torchsparse, first else).
        init_cfg: see mmengine.

    Raises:
        ConfigError: a depth or kind of block that no model of the zoo has.
    """

    def __init__(
        self,
        in_channels: int = 4,
        base_channels: int = 32,
        num_stages: int = 4,
        encoder_channels: Sequence[int] = (32, 64, 128, 256),
        encoder_blocks: Sequence[int] = (2, 2, 2, 2),
        decoder_channels: Sequence[int] = (256, 128, 96, 96),
        decoder_blocks: Sequence[int] = (2, 2, 2, 2),
        block_type: str = 'basic',
        sparseconv_backend: Literal['torchsparse', 'spconv', 'minkowski'] = 'torchsparse',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_stages != 4 or block_type != 'basic':
            raise ConfigError(
                f'MMDet3DMinkUNetBackbone: num_stages is {num_stages}, block_type {block_type!r}; '
                "expected 4 and 'basic', as in all models of the MMDetection3D zoo."
            )
        net = MMDet3DMinkUNet(
            in_channels,
            base_channels,
            encoder_channels,
            encoder_blocks,
            decoder_channels,
            decoder_blocks,
            layout=sparseconv_backend,
        )
        self.num_stages = num_stages
        self.sparseconv_backend = sparseconv_backend
        self.out_channels = net.out_channels
        # Adopted one by one: the published names have no parent above these.
        self.conv_input, self.encoder, self.decoder = net.conv_input, net.encoder, net.decoder
        if sparseconv_backend == 'spconv':
            self._register_load_state_dict_pre_hook(_read_spconv_kernels)
            self._register_state_dict_hook(_write_spconv_kernels)

    def forward(self, voxel_features: Tensor, coors: Tensor) -> Tensor:
        """Features of the voxels.

        Args:
            voxel_features: float, (V, in_channels).
            coors: int, (V, 4), one row per voxel: x, y, z and the number of the scene, in the place
                that ``sparseconv_backend`` asks for; scenes in order.

        Returns:
            (V, out_channels), rows as given.
        """
        batch_last = self.sparseconv_backend == 'torchsparse'
        coordinates = coors[:, [3, 0, 1, 2]] if batch_last else coors
        in_grid = self.sparseconv_backend == 'spconv'
        shape = None
        if in_grid:
            # As the original: the grid ends with the last voxel of the batch.
            shape = tuple((coordinates[:, 1:].amax(dim=0) + 1).tolist())
        x = SparseTensor(
            voxel_features,
            coordinates.int().contiguous(),
            shape,
            batch_size=int(coordinates[-1, 0]) + 1,
        )
        encoder = [self.conv_input, *self.encoder]
        return run_unet(x, encoder, self.decoder, (), in_grid=in_grid)[0].features


def _read_spconv_kernels(state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name, value in state.items():
        if name.startswith(prefix) and value.ndim == 5:
            state[name] = kernel_from_krsc(value).contiguous()


def _write_spconv_kernels(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name, value in state.items():
        if name.startswith(prefix) and name.endswith('.weight') and value.ndim == 3:
            state[name] = kernel_to_krsc(value)
