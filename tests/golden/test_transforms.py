"""Published rules of labels, clicks and distortion against recorded transforms."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import fixture_files

from unison3d.datasets.published_targets import published_targets
from unison3d.datasets.transforms.clicks import (
    farthest_inside_clicks,
    nearest_to_middle,
    voxel_representatives,
)
from unison3d.datasets.transforms.elastic import displace, noise_shape
from unison3d.datasets.transforms.published import (
    AddClickPrompts,
    AddElasticCoords,
    AddSuperPointAnnotations,
    AddTextPrompts,
    MapClasses,
    NormalizePointColors,
)
from unison3d.datasets.transforms.superpoint_targets import majority_masks
from unison3d.io import colors_to_float
from unison3d.models import ScenePreprocessor
from unison3d.sparse import scatter_mean, voxelize
from unison3d.structures import LabelSpace

FILES = fixture_files('uniseg3d', 'transforms*.npz')


def _annotation_case(arrays) -> dict:
    """The setting of the annotation transform that the click transform follows."""
    cases = json.loads(str(arrays['config_json']))['cases']
    settings = {name: case for name, case in cases.items() if name.startswith('annotations/')}
    return settings.get('annotations/test', next(iter(settings.values())))


def _label_space(table: np.ndarray, num_classes: int) -> LabelSpace:
    raw_ids = [np.flatnonzero(table == semantic) for semantic in range(num_classes)]
    return LabelSpace(
        name='fixture',
        classes=tuple(f'class {semantic}' for semantic in range(num_classes)),
        stuff=(),
        palette=np.zeros((num_classes, 3), np.uint8),
        # A class that the table does not use gets a raw id that no file uses.
        raw_ids=tuple(int(ids[0]) if len(ids) else -1 - k for k, ids in enumerate(raw_ids)),
    )


@pytest.mark.parametrize('path', FILES)
def test_class_mapping(path):
    arrays = np.load(path)
    table = arrays['class_mapping/in/seg_label_mapping']
    space = _label_space(table, _annotation_case(arrays)['num_classes'])
    np.testing.assert_array_equal(space.from_raw(np.arange(len(table))), table)
    results = MapClasses(space)({'pts_semantic_mask': arrays['class_mapping/in/pts_semantic_mask']})
    wanted = arrays['class_mapping/out/pts_semantic_mask']
    np.testing.assert_array_equal(results['pts_semantic_mask'], wanted)
    assert results['pts_semantic_mask'].dtype == wanted.dtype


@pytest.mark.parametrize('path', FILES)
def test_color_range(path):
    # Inside the package colours live in [0, 1]; the network sees them in [-1, 1].
    arrays = np.load(path)
    given, wanted = arrays['color/in/points'][:, 3:6], arrays['color/out/points'][:, 3:6]
    setting = json.loads(str(arrays['config_json']))['color']
    colors = colors_to_float(given) * 255
    np.testing.assert_allclose((colors - setting['mean']) / setting['std'], wanted, atol=1e-5)
    transform = NormalizePointColors(setting['mean'], setting['std'])
    points = transform({'points': arrays['color/in/points']})['points']
    np.testing.assert_allclose(points, arrays['color/out/points'], rtol=0, atol=1e-6)


@pytest.mark.parametrize('path', FILES)
def test_annotations(path):
    arrays = np.load(path)
    cases = json.loads(str(arrays['config_json']))['cases']
    names = [name for name in cases if name.startswith('annotations/')]
    assert names
    for name in names:
        case = cases[name]
        pseudo = f'{name}/in/sam3d_pseudo_sp_masks'
        targets = published_targets(
            arrays[f'{name}/in/pts_instance_mask'],
            arrays[f'{name}/in/pts_semantic_mask'],
            arrays[f'{name}/in/sp_pts_mask'],
            num_classes=case['num_classes'],
            stuff=tuple(case['stuff_classes']),
            pseudo_masks=arrays[pseudo] if case['merge_ov'] else None,
            merge_things=case['merge_non_stuff_cls'],
        )
        # In test mode the reference hands the evaluator's ids on, see its README.
        test_mode = case['with_eval_ann_info']
        seen = {
            'gt_sp_masks': targets.masks,
            'gt_labels_3d': targets.labels,
            'pts_instance_objextId': targets.object_ids,
            'pts_instance_mask': targets.evaluation_instances if test_mode else targets.instances,
            'eval_pts_instance_mask': targets.evaluation_instances,
            'is_novel': targets.pseudo,
        }
        for key, value in seen.items():
            if f'{name}/out/{key}' in arrays.files:
                np.testing.assert_array_equal(value, arrays[f'{name}/out/{key}'], f'{name} {key}')


@pytest.mark.parametrize('path', FILES)
def test_test_clicks(path):
    arrays = np.load(path)
    voxel = json.loads(str(arrays['config_json']))['point_prompt_voxel']
    points = arrays['point_prompt_test/in/points'][:, :3]
    np.testing.assert_array_equal(
        voxel_representatives(points, voxel), arrays['point_prompt_test/mid/voxel_representatives']
    )
    # The annotation transform left the stuff classes in front of the instances.
    num_stuff = len(_annotation_case(arrays)['stuff_classes'])
    ids = arrays['point_prompt_test/in/pts_instance_mask'].astype(int)
    instances = np.maximum(ids - num_stuff, -1)
    num_instances = len(arrays['point_prompt_test/in/pts_instance_objextId'])
    clicks = farthest_inside_clicks(points, instances, num_instances, voxel)
    clicked = np.flatnonzero(clicks >= 0)
    np.testing.assert_array_equal(
        clicked, arrays['point_prompt_test/out/point_prompt_instance_ids']
    )
    clicks = clicks[clicked]
    np.testing.assert_array_equal(clicks, arrays['point_prompt_test/out/point_prompts'])
    np.testing.assert_array_equal(
        arrays['point_prompt_test/in/sp_pts_mask'][clicks],
        arrays['point_prompt_test/out/point_prompt_sp_ids'],
    )


@pytest.mark.parametrize('path', FILES)
def test_training_clicks_nearest_to_the_sampled_middle(path):
    arrays = np.load(path)
    points = arrays['point_prompt_train/in/points'][:, :3]
    instances = arrays['point_prompt_train/in/pts_instance_mask']
    prefix = 'point_prompt_train_sampled_centroid'
    wanted = arrays[f'{prefix}/out/point_prompts']
    for row, instance in enumerate(arrays[f'{prefix}/rng/shuffled_instance_ids']):
        drawn = np.flatnonzero(instances == instance)[arrays[f'{prefix}/rng/draw{row}']]
        assert drawn[nearest_to_middle(points[drawn])] == wanted[row]


@pytest.mark.parametrize('path', FILES)
def test_sentence_masks(path):
    arrays = np.load(path)
    superpoints = arrays['text_prompt_test/in/sp_pts_mask']
    for mask, wanted in zip(
        arrays['text_prompt_test/in/point_masks'],
        arrays['text_prompt_test/out/gt_text_prompt'],
        strict=True,
    ):
        seen = majority_masks(mask.astype(np.int64), superpoints, 2)[1]
        np.testing.assert_array_equal(seen, wanted)


@pytest.mark.parametrize('path', FILES)
def test_elastic(path):
    arrays = np.load(path)
    setting = json.loads(str(arrays['config_json']))['elastic']
    coords = arrays['elastic/in/points'][:, :3] / np.float32(setting['voxel_size'])
    np.testing.assert_allclose(coords, arrays['elastic/out/coords_when_skipped'], rtol=1e-6)
    stages = zip(setting['gran'], setting['mag'], strict=True)
    for stage, (granularity, magnitude) in enumerate(stages):
        noise = np.stack([arrays[f'elastic/noise/stage{stage}/axis{axis}'] for axis in range(3)])
        assert noise_shape(coords, granularity) == noise.shape[1:]
        coords = displace(coords, noise, granularity, magnitude)
    np.testing.assert_allclose(coords, arrays['elastic/out/elastic_coords'], rtol=0, atol=1e-5)


# What follows runs the registered transforms on samples with the published names.


def _inputs(arrays, group: str) -> dict:
    start = f'{group}/in/'
    return {key.removeprefix(start): arrays[key] for key in arrays.files if key.startswith(start)}


def _compare_outputs(arrays, group: str, results: dict) -> None:
    start = f'{group}/out/'
    keys = [key for key in arrays.files if key.startswith(start)]
    assert keys
    for key in keys:
        seen = results[key.removeprefix(start)]
        np.testing.assert_array_equal(np.asarray(seen), arrays[key], key)


@pytest.mark.parametrize('path', FILES)
def test_annotation_transform(path):
    arrays = np.load(path)
    cases = json.loads(str(arrays['config_json']))['cases']
    for name, case in cases.items():
        if name.startswith('annotations/'):
            transform = AddSuperPointAnnotations(profile='published', **case)
            _compare_outputs(arrays, name, transform(_inputs(arrays, name)))


@pytest.mark.parametrize('path', FILES)
@pytest.mark.parametrize('profile', ['corrected', 'published'])
def test_annotation_and_click_transform_in_test_mode(path, profile):
    # The two profiles hand instance ids on in different ways and click on the same points.
    arrays = np.load(path)
    case = _annotation_case(arrays)
    results = _inputs(arrays, 'annotations/test')
    results['points'] = arrays['point_prompt_test/in/points']
    results = AddSuperPointAnnotations(profile=profile, **case)(results)
    voxel = json.loads(str(arrays['config_json']))['point_prompt_voxel']
    results = AddClickPrompts('test', voxel=voxel, profile=profile)(results)
    _compare_outputs(arrays, 'point_prompt_test', results)


@pytest.mark.parametrize('path', FILES)
@pytest.mark.parametrize('rule', ['centroid', 'random'])
@pytest.mark.parametrize('profile', ['corrected', 'published'])
def test_training_click_transform(path, rule, profile):
    arrays = np.load(path)
    recorded = {'centroid': 'sampled_centroid', 'random': 'random_point'}[rule]
    group = f'point_prompt_train_{recorded}'
    seed = json.loads(str(arrays['config_json']))['cases'][group]['numpy_global_seed']
    results = _inputs(arrays, 'point_prompt_train')
    results['rng'] = np.random.RandomState(seed)  # noqa: NPY002
    results = AddClickPrompts('train', rule=rule, profile=profile)(results)
    _compare_outputs(arrays, group, results)
    assert results['point_prompts'].dtype == (np.int64 if profile == 'corrected' else np.float64)


class _RecordedOrder:
    """Stands for a generator that gives a recorded order and the first sentence of an object."""

    def __init__(self, order: np.ndarray) -> None:
        self.order = order

    def permutation(self, count: int) -> np.ndarray:
        assert count == len(self.order)
        return self.order

    def choice(self, count: int) -> int:
        return 0


def _text_info(arrays, group: str) -> dict:
    """Objects with one sentence per row; rows of one object follow each other."""
    inputs = _inputs(arrays, group)
    info: dict = {}
    masks = inputs.get('point_masks', [None] * len(inputs['object_id']))
    for object_id, label, mask in zip(inputs['object_id'], inputs['label_id'], masks, strict=True):
        entry = info.setdefault(str(object_id), {'text': [], 'label_id': label})
        entry['text'].append(f'sentence {len(entry["text"])} of {object_id}')
        if mask is not None:
            entry['pts_id'] = np.flatnonzero(mask)
    return info


@pytest.mark.parametrize('path', FILES)
@pytest.mark.parametrize('profile', ['corrected', 'published'])
def test_training_text_transform(path, profile):
    arrays = np.load(path)
    results = _inputs(arrays, 'text_prompt_train')
    results['text_info'] = _text_info(arrays, 'text_prompt_train')
    results['sp_pts_mask'] = np.arange(results['gt_sp_masks'].shape[1])
    results['rng'] = _RecordedOrder(arrays['text_prompt_train/rng/order'])
    results = AddTextPrompts('train', profile=profile)(results)
    _compare_outputs(arrays, 'text_prompt_train', results)
    if profile == 'published':
        for key in ('label_text', 'text_object_id', 'gt_text_prompt'):
            assert results[key].dtype == arrays[f'text_prompt_train/out/{key}'].dtype


@pytest.mark.parametrize('path', FILES)
def test_test_text_transform(path):
    arrays = np.load(path)
    results = _inputs(arrays, 'text_prompt_test')
    results['text_info'] = _text_info(arrays, 'text_prompt_test')
    results['gt_sp_masks'] = arrays['annotations/test/out/gt_sp_masks']
    results['pts_instance_objextId'] = arrays['annotations/test/out/pts_instance_objextId']
    results = AddTextPrompts('test')(results)
    _compare_outputs(arrays, 'text_prompt_test', results)


class _RecordedNoise:
    """Stands for a generator that draws the distortion and gives recorded noise."""

    def __init__(self, stages: list[np.ndarray]) -> None:
        self.stages = list(stages)

    def random(self) -> float:
        return 0.0

    def standard_normal(self, shape) -> np.ndarray:
        noise = self.stages.pop(0)
        assert noise.shape == tuple(shape)
        return noise


@pytest.mark.parametrize('path', FILES)
def test_elastic_transform(path):
    arrays = np.load(path)
    setting = json.loads(str(arrays['config_json']))['elastic']
    options = {
        'voxel_size': setting['voxel_size'],
        'granularity': setting['gran'],
        'magnitude': setting['mag'],
    }
    stages = [
        np.stack([arrays[f'elastic/noise/stage{stage}/axis{axis}'] for axis in range(3)])
        for stage in range(len(setting['gran']))
    ]
    results = {'points': arrays['elastic/in/points'], 'rng': _RecordedNoise(stages)}
    seen = AddElasticCoords(**options)(results)['elastic_coords']
    wanted = arrays['elastic/out/elastic_coords']
    assert seen.dtype == wanted.dtype
    np.testing.assert_allclose(seen, wanted, rtol=0, atol=1e-5)
    results = {'points': arrays['elastic/in/points'], 'rng': np.random.default_rng(0)}
    seen = AddElasticCoords(prob=-1, **options)(results)['elastic_coords']
    wanted = arrays['elastic/out/coords_when_skipped']
    assert seen.dtype == wanted.dtype
    np.testing.assert_allclose(seen, wanted, rtol=1e-6)


@pytest.mark.parametrize('path', FILES)
@pytest.mark.parametrize('kind', ['plain', 'elastic'])
def test_collate(path, kind):
    arrays = np.load(path)
    setting = json.loads(str(arrays['config_json']))['collate']
    names = sorted({key.split('/')[2] for key in arrays.files if key.startswith('collate/in/')})
    points = [torch.from_numpy(arrays[f'collate/in/{name}/points']) for name in names]
    coords = [torch.from_numpy(arrays[f'collate/in/{name}/elastic_coords']) for name in names]
    batch = torch.repeat_interleave(torch.tensor([len(scene) for scene in points]))
    if kind == 'plain':
        coords = [(scene[:, :3] - scene[:, :3].amin(0)) / setting['voxel_size'] for scene in points]
    else:
        coords = [scene - scene.amin(0) for scene in coords]
    voxels = voxelize(torch.cat(coords).floor().to(torch.int64), batch)
    features = torch.cat(
        [torch.cat([s[:, 3:], s[:, :3] - s[:, :3].mean(0)], dim=1) for s in points]
    )
    means = scatter_mean(features, voxels.point_to_voxel, voxels.num_voxels)
    order = torch.from_numpy(_first_points(voxels.point_to_voxel.numpy()))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    group = f'collate_{kind}/out'
    np.testing.assert_array_equal(voxels.coordinates[order], arrays[f'{group}/coordinates'])
    np.testing.assert_allclose(means[order], arrays[f'{group}/features'], rtol=0, atol=1e-6)
    inverse = place[voxels.point_to_voxel]
    np.testing.assert_array_equal(inverse, arrays[f'{group}/inverse_mapping'])
    shape = voxels.spatial_shape(setting['min_spatial_shape'], 1)
    np.testing.assert_array_equal(shape, arrays[f'{group}/spatial_shape'])


@pytest.mark.parametrize('path', FILES)
def test_the_preprocessor_collates_alike(path):
    arrays = np.load(path)
    setting = json.loads(str(arrays['config_json']))['collate']
    names = sorted({key.split('/')[2] for key in arrays.files if key.startswith('collate/in/')})
    scenes = [torch.from_numpy(arrays[f'collate/in/{name}/points']) for name in names]
    preprocessor = ScenePreprocessor(
        voxel_size=setting['voxel_size'],
        min_spatial_shape=setting['min_spatial_shape'],
        spatial_multiple=1,
    )
    batch = preprocessor.collate(
        {
            'points': [scene[:, :3].contiguous() for scene in scenes],
            'colors': [(scene[:, 3:] + 1) / 2 for scene in scenes],
            'superpoints': [torch.zeros(len(scene), dtype=torch.int64) for scene in scenes],
        }
    )
    order = _first_points(batch.point_to_voxel.numpy())
    group = 'collate_plain/out'
    tensor = batch.voxels
    np.testing.assert_array_equal(tensor.coordinates[order], arrays[f'{group}/coordinates'])
    features = tensor.features[order]
    np.testing.assert_allclose(features, arrays[f'{group}/features'], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(tensor.spatial_shape, arrays[f'{group}/spatial_shape'])


def _first_points(point_to_voxel: np.ndarray) -> np.ndarray:
    """Rows of the voxels in the order of their first points."""
    rows, first = np.unique(point_to_voxel, return_index=True)
    return rows[np.argsort(first)]


#: What the tests above compare; a new group in the file needs a test of its own.
COVERED = (
    *('class_mapping', 'color', 'annotations', 'point_prompt_test', 'point_prompt_train'),
    *('point_prompt_train_sampled_centroid', 'point_prompt_train_random_point'),
    *('text_prompt_test', 'text_prompt_train', 'elastic', 'collate', 'collate_plain'),
    *('collate_elastic', 'config_json'),
)


@pytest.mark.parametrize('path', FILES)
def test_every_group_is_compared(path):
    assert {key.split('/')[0] for key in np.load(path).files} == set(COVERED)
