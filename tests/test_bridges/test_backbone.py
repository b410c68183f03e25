"""MMDetection3D's MinkUNet on our engine: their configs, their names, their files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmdet3d', reason='mmdet3d is not installed; see make test-bridge')

from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from test_bridges.mmdet3d_files import config_of_the_page

from unison3d.bridges.mmdet3d import MinkUNetPreprocessor, MMDet3DMinkUNetBackbone
from unison3d.convert import translate
from unison3d.convert.mmdet3d_minkunet import MMDET3D_MINKUNET
from unison3d.errors import ConfigError
from unison3d.io.config_files import read_config_file
from unison3d.models.backbones import MMDet3DMinkUNet
from unison3d.sparse import SparseTensor

GOLDEN = Path(__file__).parents[1] / 'golden' / 'mmdet3d_minkunet_names.json'
ZOO = json.loads(GOLDEN.read_text('utf-8'))
CHECKED = [
    'minkunet18_w20_torchsparse_8xb2-amp-15e_semantickitti',
    'minkunet34_w32_minkowski_8xb2-laser-polar-mix-3x_semantickitti',
    'minkunet34_w32_spconv_8xb2-laser-polar-mix-3x_semantickitti',
]
NORM = ('weight', 'bias', 'running_mean', 'running_var')


def published_shapes(name: str) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for line in ZOO['tensor_lists'][ZOO['networks'][name]['tensors']]:
        tensor, *numbers = line.split()
        sizes = tuple(map(int, numbers))
        if tensor.endswith('.*'):
            shapes |= {tensor.replace('*', part): sizes for part in NORM}
            shapes[tensor.replace('*', 'num_batches_tracked')] = ()
        else:
            shapes[tensor] = sizes
    return shapes


def their_model(name: str, folder: Path) -> torch.nn.Module:
    """The segmentor of a config of the zoo, changed as the page says."""
    path = config_of_the_page('their_weights.py', folder)
    text = path.read_text('utf-8')
    path.write_text(text.replace('minkunet18_w32_torchsparse_8xb2-amp-15e_semantickitti', name))
    config = read_config_file(path)
    init_default_scope('mmdet3d')
    return MODELS.build(config.model).eval()


def random_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    state = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator)
        if name.endswith('num_batches_tracked'):
            value = torch.tensor(7)
        elif name.endswith('running_var'):
            value = value.exp()
        elif len(shape) > 1:
            value *= (2 * shape[-1] / value.numel()) ** 0.5
        state[name] = value
    return state


@pytest.mark.parametrize('name', CHECKED)
def test_a_file_of_the_zoo_loads_and_answers(name, tmp_path):
    model = their_model(name, tmp_path)
    shapes = {f'backbone.{key}': shape for key, shape in published_shapes(name).items()}
    width = ZOO['networks'][name]['decoder_channels'][-1]
    shapes |= {'decode_head.conv_seg.weight': (19, width), 'decode_head.conv_seg.bias': (19,)}
    own = model.state_dict()
    assert {key: tuple(value.shape) for key, value in own.items()} == shapes
    published = random_state(shapes)
    torch.save({'state_dict': published, 'meta': {}}, tmp_path / 'zoo.pth')
    load_checkpoint(model, str(tmp_path / 'zoo.pth'), strict=True)
    saved = model.state_dict()
    assert all(torch.equal(saved[key], value) for key, value in published.items())

    generator = torch.Generator().manual_seed(0)
    scenes = [torch.rand(400, 4, generator=generator) * torch.tensor([2.0, 2, 1, 1]) for _ in '12']
    samples = [Det3DDataSample(gt_pts_seg=PointData(), eval_ann_info=None) for _ in scenes]
    data = model.data_preprocessor({'inputs': {'points': scenes}, 'data_samples': samples})
    with torch.no_grad():
        answers = model(**data, mode='predict')
    logits = [answer.pts_seg_logits.pts_seg_logits for answer in answers]
    # The same by way of the converter and the network of this package.
    tensors = translate(MMDET3D_MINKUNET, published).tensors
    network = dict(ZOO['networks'][name])
    network.pop('tensors'), network.pop('trainable_parameters')
    ours = MMDet3DMinkUNet(**network).eval()
    ours.load_state_dict(tensors)
    features, cells = data['inputs']['voxels']['voxels'], data['inputs']['voxels']['coors']
    if network['layout'] == 'torchsparse':
        cells = cells[:, [3, 0, 1, 2]]
    shape = tuple((cells[:, 1:].amax(0) + 1).tolist()) if network['layout'] == 'spconv' else None
    with torch.no_grad():
        out = ours(SparseTensor(features, cells, shape, batch_size=2)).features
        scores = out @ published['decode_head.conv_seg.weight'].T
        scores += published['decode_head.conv_seg.bias']
    for number, (sample, theirs) in enumerate(zip(data['data_samples'], logits, strict=True)):
        expected = scores[cells[:, 0] == number][sample.point2voxel_map].T
        assert float(expected.std()) > 0.05
        torch.testing.assert_close(theirs, expected, atol=1e-4, rtol=1e-4)
        assert theirs.shape == (19, 400)


def test_preprocessor_keeps_the_first_point_of_every_voxel():
    """The rule of the original, written out: round, shift to zero, sort by x, y, z."""
    layer = dict(
        max_num_points=-1,
        point_cloud_range=[-100, -100, -20, 100, 100, 20],
        voxel_size=[0.5, 0.5, 0.25],
        max_voxels=(-1, -1),
    )
    preprocessor = MinkUNetPreprocessor(
        voxel=True, voxel_type='minkunet', batch_first=True, voxel_layer=layer
    ).eval()
    points = torch.randn(300, 4, generator=torch.Generator().manual_seed(1))
    truth = torch.arange(300)
    sample = Det3DDataSample(gt_pts_seg=PointData(pts_semantic_mask=truth))
    voxels = preprocessor.voxelize([points], [sample])
    cells: dict[tuple[int, ...], int] = {}
    rounded = torch.round(points[:, :3] / torch.tensor([0.5, 0.5, 0.25])).int()
    rounded -= rounded.amin(0)
    for row, cell in enumerate(map(tuple, rounded.tolist())):
        cells.setdefault(cell, row)
    order = sorted(cells)
    assert voxels['coors'].tolist() == [[0, *cell] for cell in order]
    first = [cells[cell] for cell in order]
    assert sample.gt_pts_seg.voxel_semantic_mask.tolist() == first
    assert torch.equal(voxels['voxels'], points[first])
    assert torch.equal(rounded, voxels['coors'][sample.point2voxel_map, 1:])


def test_other_networks_are_refused():
    with pytest.raises(ConfigError, match="'basic'"):
        MMDet3DMinkUNetBackbone(block_type='bottleneck')
    with pytest.raises(ConfigError, match='torchsparse, minkowski, spconv'):
        MMDet3DMinkUNetBackbone(sparseconv_backend='ocnn')
