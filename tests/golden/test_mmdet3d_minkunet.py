"""MMDetection3D's MinkUNet against dense convolutions of the published tensors.

The reference below shares no code with the package: kernels are turned into those of ``conv3d`` by
the documented order of their cells, voxels into dense grids with masks. The same rules were checked
against MMDetection3D 1.4.0 itself (spconv 2.3.6, emulations of the other two): 1.2e-7 apart.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from unison3d.convert import translate, translate_back
from unison3d.convert.mmdet3d_minkunet import MMDET3D_MINKUNET, find_layout
from unison3d.errors import ConfigError
from unison3d.models.backbones import MMDet3DMinkUNet
from unison3d.sparse import SparseTensor

LAYOUTS = ('torchsparse', 'minkowski', 'spconv')
SIZES = {
    'in_channels': 4,
    'base_channels': 5,
    'encoder_channels': (5, 7, 8, 6),
    'encoder_blocks': (1, 2, 1, 1),
    'decoder_channels': (9, 6, 7, 5),
    'decoder_blocks': (1, 1, 2, 1),
}
# Where the libraries keep convolution, norm, convolution, norm of a block.
BLOCKS = {
    'torchsparse': ('net.0.kernel', 'net.1', 'net.3.kernel', 'net.4'),
    'minkowski': ('conv1.kernel', 'norm1.bn', 'conv2.kernel', 'norm2.bn'),
    'spconv': ('conv1.weight', 'bn1', 'conv2.weight', 'bn2'),
}


class DenseReference:
    """The forward pass on dense grids, in float64, written from the description of the network.

    ``outputs`` keeps what every conv module and every block gave out, by the name of the module.
    """

    def __init__(self, layout: str, tensors: dict[str, torch.Tensor]) -> None:
        self.layout = layout
        self.outputs: dict[str, torch.Tensor] = {}
        self.tensors = {name: tensor.double() for name, tensor in tensors.items()}

    def kernel(self, name: str) -> torch.Tensor:
        """(C_out, C_in, kx, ky, kz)."""
        weight = self.tensors[name]
        if self.layout == 'spconv':
            out_channels, edge, *_, in_channels = weight.shape
            if edge == 1:  # Memory is read as (C_in, C_out).
                return weight.reshape(in_channels, out_channels).t()[..., None, None, None]
            return weight.permute(0, 4, 1, 2, 3)
        if weight.ndim == 2:
            return weight.t()[..., None, None, None]
        edge = round(weight.shape[0] ** (1 / 3))
        cells = weight.reshape(edge, edge, edge, *weight.shape[1:])
        last_axis_fastest = self.layout == 'torchsparse' and edge == 2
        return cells.permute(4, 3, *((0, 1, 2) if last_axis_fastest else (2, 1, 0)))

    def count(self, prefix: str) -> int:
        """Number of children below a name."""
        rest = (name.removeprefix(prefix) for name in self.tensors if name.startswith(prefix))
        return len({name.partition('.')[0] for name in rest})

    def norm(self, name: str, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        parts = ('running_mean', 'running_var', 'weight', 'bias')
        return F.batch_norm(x, *(self.tensors[f'{name}.{part}'] for part in parts)) * mask

    def conv_module(self, name: str) -> tuple[torch.Tensor, str]:
        """Kernel and name of the norm."""
        kernel, norm = {
            'torchsparse': ('net.0.kernel', 'net.1'),
            'minkowski': ('net.0.kernel', 'net.1.bn'),
            'spconv': ('0.weight', '1'),
        }[self.layout]
        return self.kernel(f'{name}.{kernel}'), f'{name}.{norm}'

    def block(self, name: str, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        conv1, norm1, conv2, norm2 = (f'{name}.{part}' for part in BLOCKS[self.layout])
        out = self.norm(norm1, F.conv3d(x, self.kernel(conv1), padding=1), mask).relu()
        out = self.norm(norm2, F.conv3d(out, self.kernel(conv2), padding=1), mask)
        shortcut = f'{name}.downsample.' + ('net.' if self.layout == 'minkowski' else '')
        kernel = shortcut + ('0.weight' if self.layout == 'spconv' else '0.kernel')
        if kernel in self.tensors:
            norm = shortcut + ('1.bn' if self.layout == 'minkowski' else '1')
            x = self.norm(norm, F.conv3d(x, self.kernel(kernel)), mask)
        return (out + x).relu()

    def blocks(self, names: list[str], x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for name in names:
            self.outputs[name] = x = self.block(name, x, mask)
        return x

    def __call__(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for index in range(2):
            kernel, norm = self.conv_module(f'conv_input.{index}')
            x = self.norm(norm, F.conv3d(x, kernel, padding=1), mask).relu()
            self.outputs[f'conv_input.{index}'] = x
        laterals, masks = [x], [mask]
        for stage in range(4):
            depth = self.count(f'encoder.{stage}.') - 1
            # Windows that leave the grid have no output: the border rule of spconv.
            mask = F.max_pool3d(mask, 2, 2)
            kernel, norm = self.conv_module(f'encoder.{stage}.0')
            x = self.norm(norm, F.conv3d(x, kernel, stride=2), mask).relu()
            self.outputs[f'encoder.{stage}.0'] = x
            x = self.blocks([f'encoder.{stage}.{j + 1}' for j in range(depth)], x, mask)
            laterals.append(x)
            masks.append(mask)
        for stage in range(4):
            depth = self.count(f'decoder.{stage}.1.')
            mask, lateral = masks[-2 - stage], laterals[-2 - stage]
            kernel, norm = self.conv_module(f'decoder.{stage}.0')
            x = F.conv_transpose3d(x, kernel.transpose(0, 1), stride=2)
            missing = [n for axis in (4, 3, 2) for n in (0, lateral.shape[axis] - x.shape[axis])]
            x = self.norm(norm, F.pad(x, missing), mask).relu()
            self.outputs[f'decoder.{stage}.0'] = x
            x = torch.cat([x, lateral], 1)
            x = self.blocks([f'decoder.{stage}.1.{j}' for j in range(depth)], x, mask)
        return x


def _published(layout: str, seed: int, sizes: dict = SIZES) -> dict[str, torch.Tensor]:
    """Random tensors of published names and shapes."""
    generator = torch.Generator().manual_seed(seed)
    ours = MMDet3DMinkUNet(**sizes, layout=layout).state_dict()
    tensors = translate_back(MMDET3D_MINKUNET, ours).tensors
    for name, tensor in tensors.items():
        if name.endswith('num_batches_tracked'):
            continue
        random = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim > 1:
            random *= (2 * tensor.shape[-1] / tensor.numel()) ** 0.5
        elif name.endswith('running_var'):
            random = random.exp()
        tensors[name] = random
    return tensors


def _scene(shape: tuple[int, int, int], batch_size: int = 2) -> SparseTensor:
    generator = torch.Generator().manual_seed(3)
    active = torch.rand((batch_size, *shape), generator=generator) < 0.06
    active[0, 0, 0, 0] = active[-1, -1, -1, -1] = True
    coordinates = active.nonzero().int()
    coordinates = coordinates[torch.randperm(len(coordinates), generator=generator)]
    features = torch.randn(len(coordinates), SIZES['in_channels'], generator=generator)
    return SparseTensor(features, coordinates, shape, batch_size=batch_size)


def _expected(layout: str, published: dict[str, torch.Tensor], x: SparseTensor) -> torch.Tensor:
    reference, dense, mask = _dense(layout, published, x)
    batch, *axes = x.coordinates.long().unbind(1)
    return reference(dense, mask)[batch, :, axes[0], axes[1], axes[2]]


def _dense(
    layout: str, published: dict[str, torch.Tensor], x: SparseTensor
) -> tuple[DenseReference, torch.Tensor, torch.Tensor]:
    """The reference, and the voxels and their mask as grids."""
    shape = x.spatial_shape
    if layout != 'spconv':  # Unbounded: no cell is cut off.
        shape = tuple(-(-n // 16) * 16 for n in shape)
    batch, *axes = x.coordinates.long().unbind(1)
    dense = torch.zeros((x.batch_size, x.features.shape[1], *shape), dtype=torch.float64)
    dense[batch, :, axes[0], axes[1], axes[2]] = x.features.double()
    mask = torch.zeros((x.batch_size, 1, *shape), dtype=torch.float64)
    mask[batch, :, axes[0], axes[1], axes[2]] = 1
    tensors = {name.removeprefix('backbone.'): t for name, t in published.items()}
    return DenseReference(layout, tensors), dense, mask


@pytest.mark.parametrize('shape', [(32, 16, 16), (21, 19, 18)], ids=['even', 'odd'])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_forward_equals_dense_convolutions(layout, shape):
    published = _published(layout, seed=11)
    x = _scene(shape)
    expected = _expected(layout, published, x)
    model = MMDet3DMinkUNet(**SIZES, layout=layout).eval()
    model.load_state_dict(translate(MMDET3D_MINKUNET, published).tensors)
    with torch.no_grad():
        out = model(x)
    assert expected.std() > 0.1, 'the comparison would say nothing'
    torch.testing.assert_close(out.features.double(), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_published_tensors_there_and_back(layout):
    published = _published(layout, seed=5)
    head = {'decode_head.conv_seg.weight': torch.randn(19, 5)}
    translation = translate(MMDET3D_MINKUNET, published | head)
    assert find_layout(translation.tensors) == layout
    assert [name for name, _ in translation.report.dropped] == list(head)
    model = MMDet3DMinkUNet(**SIZES, layout=layout)
    assert list(translation.tensors) == list(model.state_dict())
    model.load_state_dict(translation.tensors, strict=True)
    back = translate_back(MMDET3D_MINKUNET, model.state_dict()).tensors
    assert list(back) == list(published)
    assert all(torch.equal(back[name], published[name]) for name in published)


# The whole zoo has these widths; names and shapes of all nine are compared in
# test_backbone_manifests.py.
ZOO = json.loads(Path(__file__).with_name('mmdet3d_minkunet_names.json').read_text())['networks']
CHECKED = (
    'minkunet18_w16_torchsparse_8xb2-amp-15e_semantickitti',
    'minkunet18_w20_torchsparse_8xb2-amp-15e_semantickitti',
    'minkunet34_w32_minkowski_8xb2-laser-polar-mix-3x_semantickitti',
    'minkunet34_w32_spconv_8xb2-laser-polar-mix-3x_semantickitti',
)


@pytest.mark.parametrize('name', CHECKED)
def test_published_sizes_layer_by_layer(name):
    """Random weights of the published names and shapes, converted, against dense convolutions."""
    sizes = {key: value for key, value in ZOO[name].items() if key in SIZES}
    layout = ZOO[name]['layout']
    published = _published(layout, seed=2, sizes=sizes)
    x = _scene((19, 16, 16) if layout == 'spconv' else (16, 16, 16), batch_size=1)
    reference, dense, mask = _dense(layout, published, x)
    model = MMDet3DMinkUNet(**sizes, layout=layout).eval()
    model.load_state_dict(translate(MMDET3D_MINKUNET, published).tensors, strict=True)
    outputs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    modules = dict(model.named_modules())
    with torch.no_grad():
        reference(dense, mask)
        for layer in reference.outputs:
            # Cloned: a block writes its sum over what came before it.
            modules[layer].register_forward_hook(
                lambda module, given, out, layer=layer: outputs.update(
                    {layer: (out.coordinates, out.features.clone())}
                )
            )
        model(x)
    blocks = sum(sizes['encoder_blocks']) + sum(sizes['decoder_blocks'])
    assert len(outputs) == len(reference.outputs) == 2 + 4 + 4 + blocks
    for layer, (coordinates, features) in outputs.items():
        batch, *axes = coordinates.long().unbind(1)
        expected = reference.outputs[layer][batch, :, axes[0], axes[1], axes[2]]
        scale = float(expected.abs().max())
        assert scale > 0.1, layer
        error = float((features.double() - expected).abs().max())
        assert error <= 2e-5 * scale, f'{layer}: {error:.3g} of {scale:.3g}'


def test_layouts_agree_where_no_cell_is_cut_off():
    """One network, three sets of tensors: only names and orders differ."""
    x = _scene((32, 16, 16))
    models = {name: MMDet3DMinkUNet(**SIZES, layout=name).eval() for name in LAYOUTS}
    state = models['minkowski'].state_dict()
    outputs = {}
    for layout, model in models.items():
        tensors = {}
        for (name, ours), value in zip(model.state_dict().items(), state.values(), strict=True):
            size = round(value.shape[0] ** (1 / 3)) if value.ndim == 3 else 1
            x_fastest = layout == 'minkowski' or (layout == 'torchsparse' and size == 3)
            if size > 1 and not x_fastest:
                cells = value.reshape(size, size, size, *value.shape[1:])
                value = cells.permute(2, 1, 0, 3, 4)
            tensors[name] = value.reshape(ours.shape)
        model.load_state_dict(tensors)
        with torch.no_grad():
            outputs[layout] = model(x).features
    torch.testing.assert_close(outputs['torchsparse'], outputs['minkowski'])
    torch.testing.assert_close(outputs['spconv'], outputs['minkowski'])


def test_unknown_layout():
    with pytest.raises(ConfigError, match='torchsparse, minkowski, spconv'):
        MMDet3DMinkUNet(layout='ocnn')
