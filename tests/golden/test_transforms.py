"""Published rules of labels, clicks and distortion against recorded transforms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import fixture_files

from unison3d.datasets.published_targets import published_targets
from unison3d.datasets.transforms.clicks import (
    farthest_inside_clicks,
    nearest_to_middle,
    voxel_representatives,
)
from unison3d.datasets.transforms.elastic import displace, noise_shape
from unison3d.datasets.transforms.superpoint_targets import majority_masks
from unison3d.io import colors_to_float
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
    mapped = space.from_raw(arrays['class_mapping/in/pts_semantic_mask'])
    np.testing.assert_array_equal(mapped, arrays['class_mapping/out/pts_semantic_mask'])


@pytest.mark.parametrize('path', FILES)
def test_color_range(path):
    # Inside the package colours live in [0, 1]; the network sees them in [-1, 1].
    arrays = np.load(path)
    given, wanted = arrays['color/in/points'][:, 3:6], arrays['color/out/points'][:, 3:6]
    setting = json.loads(str(arrays['config_json']))['color']
    colors = colors_to_float(given) * 255
    np.testing.assert_allclose((colors - setting['mean']) / setting['std'], wanted, atol=1e-5)


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
