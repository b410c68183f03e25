from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from test_datasets.processed_samples import TEXT_INFO, info_entry, write_infos, write_scan

from unison3d.datasets import ScanNetSegDataset
from unison3d.datasets.transforms import published as P
from unison3d.datasets.transforms.clicks import farthest_inside_clicks, voxel_representatives
from unison3d.errors import ConfigError, SceneError

LOAD = [dict(type='LoadPointTable'), dict(type='LoadPointLabels'), dict(type='MapClasses')]
TRAIN = [
    *LOAD,
    dict(type='FlipPoints'),
    dict(type='RotateScaleTranslate'),
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations', merge_ov=True),
    dict(type='AddTextPrompts', mode='train'),
    dict(type='AddClickPrompts', mode='train'),
    dict(type='AddElasticCoords'),
    dict(type='PackPublishedInputs'),
]
TEST = [
    *LOAD,
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations', with_eval_ann_info=True),
    dict(type='AddTextPrompts', mode='test'),
    dict(type='AddClickPrompts', mode='test'),
    dict(type='PackPublishedInputs'),
]


def _dataset(root, pipeline, labelled=True, **more) -> ScanNetSegDataset:
    write_scan(root, 'a', labelled=labelled)
    count = int(np.frombuffer((root / 'super_points' / 'a.bin').read_bytes(), '<i8').max()) + 1
    masks = np.zeros((2, count), bool)
    masks[0, :3] = True
    extra = dict(sam3d_pseudo_sp_masks=masks.tolist(), text_info=TEXT_INFO) if labelled else {}
    name = write_infos(root, [info_entry(root, 'a', labelled, **extra)])
    options = dict(fields='published', pipeline=pipeline, **more)
    return ScanNetSegDataset(str(root), ann_file=name, **options)


def test_training_pipeline(tmp_path):
    packed = _dataset(tmp_path, TRAIN)[0]
    inputs, sample = packed['inputs'], packed['data_samples']
    count = len(inputs['points'])
    num_superpoints = int(inputs['sp_pts_mask'].max()) + 1
    truth = sample.gt_instances_3d
    assert inputs['points'].shape == (count, 6) and inputs['points'].dtype == torch.float32
    assert inputs['points'][:, 3:].abs().max() <= 1
    assert inputs['elastic_coords'].shape == (count, 3)
    assert truth.sp_masks.shape == (3 + 2 + 21, num_superpoints)
    assert truth.labels_3d[:3].tolist() == [2, 2, 4]
    assert truth.is_novel.nonzero().flatten().tolist() == [3, 4]
    # One sentence for each of the two objects that are instances; the laptop is none.
    assert sorted(inputs['text_object_id'].tolist()) == [2, 6]
    assert inputs['text_token'].shape == (2, 1)
    assert inputs['gt_text_prompt'].shape == (2, num_superpoints)
    assert sorted(inputs['point_prompt_instance_ids'].tolist()) == [0, 1, 2]
    clicked = sample.gt_pts_seg.pts_instance_mask[inputs['point_prompts']]
    assert clicked.tolist() == inputs['point_prompt_instance_ids'].tolist()
    row = {2: 0, 6: 2}
    for object_id, mask in zip(inputs['text_object_id'], inputs['gt_text_prompt'], strict=True):
        assert torch.equal(mask, truth.sp_masks[row[int(object_id)]])


def test_test_pipeline(tmp_path):
    packed = _dataset(tmp_path, TEST, test_mode=True)[0]
    inputs, sample = packed['inputs'], packed['data_samples']
    assert inputs['text_prompts'] == [*TEXT_INFO['2']['text'], *TEXT_INFO['6']['text']]
    assert inputs['pts_instance_objextId_shuffle'].tolist() == [2, 4, 6]
    evaluation = sample.eval_ann_info['pts_instance_mask']
    semantic = sample.eval_ann_info['pts_semantic_mask']
    assert (evaluation[semantic == 0] == 0).all() and (evaluation[semantic == 1] == 1).all()
    # The copy for the evaluator leaves what the model learns alone.
    ids = sample.gt_pts_seg.pts_instance_mask.numpy()
    np.testing.assert_array_equal(evaluation[ids >= 0], ids[ids >= 0] + 2)


def test_scans_without_labels_can_be_run(tmp_path):
    packed = _dataset(tmp_path, TEST, labelled=False, test_mode=True)[0]
    inputs = packed['inputs']
    assert inputs['point_prompts'].shape == (0,) and inputs['text_prompts'] == []
    assert inputs['gt_text_prompt'].shape == (0, int(inputs['sp_pts_mask'].max()) + 1)
    assert packed['data_samples'].gt_instances_3d.keys() == []
    as_published = [dict(step) for step in TEST]
    as_published[4]['profile'] = 'published'
    with pytest.raises(SceneError, match='a: has no labels'):
        _dataset(tmp_path, as_published, labelled=False, test_mode=True)[0]


def _thing_scene(count: int = 50) -> dict:
    """Every point belongs to one chair."""
    rng = np.random.default_rng(0)
    return {
        'points': rng.uniform(0, 1, (count, 6)).astype(np.float32),
        'pts_instance_mask': np.ones(count, np.int64),
        'pts_semantic_mask': np.full(count, 4),
        'sp_pts_mask': np.arange(count) // 10,
        'rng': rng,
    }


def test_scene_of_things_alone():
    with pytest.raises(SceneError, match='every point belongs'):
        P.AddSuperPointAnnotations(profile='published')(_thing_scene())
    results = P.AddSuperPointAnnotations()(_thing_scene())
    assert results['gt_sp_masks'][0].all()
    # There is nothing outside, so the click is the one nearest to the middle.
    clicked = P.AddClickPrompts('test')(dict(results))
    points = results['points'][voxel_representatives(results['points'][:, :3], 0.05), :3]
    distance = np.linalg.norm(points - points.mean(0), axis=1)
    np.testing.assert_array_equal(
        results['points'][clicked['point_prompts'][0], :3], points[distance.argmin()]
    )
    with pytest.raises(SceneError, match='nothing lies outside instance 0'):
        P.AddClickPrompts('test', profile='published')(dict(results))


def test_scene_without_instances_has_no_clicks():
    results = _thing_scene()
    results['pts_semantic_mask'][:] = 1
    results = P.AddSuperPointAnnotations()(results)
    assert results['gt_sp_masks'].shape == (21, 5)
    clicked = P.AddClickPrompts('train')(dict(results))
    for key in ('point_prompts', 'point_prompt_sp_ids', 'pts_instance_objextId_shuffle'):
        assert clicked[key].shape == (0,) and clicked[key].dtype == np.int64
    with pytest.raises(SceneError, match='has no instance'):
        P.AddClickPrompts('train', profile='published')(dict(results))


def test_ties_are_no_majority():
    results = {
        'pts_instance_mask': np.array([1, 1, 0, 0]),
        'pts_semantic_mask': np.array([4, 4, 5, 5]),
        'sp_pts_mask': np.zeros(4, np.int64),
    }
    masks = P.AddSuperPointAnnotations()(results)['gt_sp_masks']
    assert not masks[0].any()
    assert masks[1:].argmax(0) == 20


def test_pseudo_masks_are_asked_for_and_missing():
    with pytest.raises(SceneError, match='merge_ov=False'):
        P.AddSuperPointAnnotations(merge_ov=True)(_thing_scene())
    results = {**_thing_scene(), 'sam3d_pseudo_sp_masks': np.ones((1, 9), bool)}
    with pytest.raises(SceneError, match='cover 9 superpoints'):
        P.AddSuperPointAnnotations(merge_ov=True)(results)


def test_sentence_about_no_instance():
    info = {'7': {'text': ['the thing'], 'label_id': 3}}
    results = {**P.AddSuperPointAnnotations()(_thing_scene()), 'text_info': info}
    assert P.AddTextPrompts('train')(dict(results))['text_prompts'] == []
    with pytest.raises(SceneError, match='object 7'):
        P.AddTextPrompts('train', profile='published')(dict(results))
    results['text_info'] = {'0': {'text': ['the thing'], 'label_id': 3, 'pts_id': [50]}}
    with pytest.raises(SceneError, match='pts_id of object 0'):
        P.AddTextPrompts('test')(dict(results))
    results['text_info'] = {'0': {'text': ['the thing']}}
    with pytest.raises(SceneError, match='no label_id'):
        P.AddTextPrompts('test')(dict(results))


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('spread', [1, 4, 32])
def test_test_clicks_equal_the_full_distance_matrix(seed, spread):
    rng = np.random.default_rng(seed)
    # Points on a lattice give many exact ties; a power of two keeps the distances exact.
    points = (rng.integers(0, 12, (600, 3)) / 16 * spread).astype(np.float32)
    instances = rng.integers(0, 3, 600)
    # Objects with and without an inside, one of them far from everything.
    instances[(points[:, 0] > 0.3 * spread) & (points[:, 0] < 0.6 * spread)] = 3
    points[:5] += 64
    instances[:5] = 4
    voxel = 1 / 16 * spread
    clicks = farthest_inside_clicks(points, instances, 6, voxel)
    chosen = voxel_representatives(points, voxel)
    assert clicks[5] == -1
    for instance in range(5):
        inside = chosen[instances[chosen] == instance]
        if len(inside) == 0:
            assert clicks[instance] == -1
            continue
        outside = chosen[instances[chosen] != instance]
        distance = cdist(points[inside], points[outside]).min(1)
        assert clicks[instance] == inside[distance.argmax()]


def test_sampling_draws_with_replacement_and_numbers_anew():
    count = 1000
    results = {
        'points': np.arange(count * 6, dtype=np.float32).reshape(count, 6),
        'pts_instance_mask': np.arange(count) % 7 * 10,
        'pts_semantic_mask': np.arange(count) % 13,
        'rng': np.random.default_rng(0),
    }
    original = results['pts_instance_mask']
    seen = P.SamplePointTable(500)(dict(results))
    rows = (seen['points'][:, 0] / 6).astype(int)
    assert len(rows) == 500 and len(np.unique(rows)) < 500
    np.testing.assert_array_equal(seen['pts_semantic_mask'], rows % 13)
    np.testing.assert_array_equal(seen['pts_instance_mask'] * 10, original[rows])
    np.testing.assert_array_equal(seen['original_instance_ids'], np.arange(10, 70, 10))
    assert len(P.SamplePointTable(5000)(dict(results))['points']) == count
    # The ids in the file live on in the object ids.
    seen['sp_pts_mask'] = np.zeros(500, np.int64)
    objects = P.AddSuperPointAnnotations(13, ())(seen)['pts_instance_objextId']
    np.testing.assert_array_equal(objects, np.arange(9, 69, 10))


def test_positions_move_and_colours_stay():
    points = np.random.default_rng(0).uniform(0, 3, (100, 6)).astype(np.float32)
    factors, shifts = [], []
    for seed in range(200):
        results = {'points': points.copy(), 'rng': np.random.default_rng(seed)}
        moved = P.RotateScaleTranslate()(results)['points']
        np.testing.assert_array_equal(moved[:, 3:], points[:, 3:])
        before, after = points[1:, :3] - points[0, :3], moved[1:, :3] - moved[0, :3]
        ratio = np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1)
        assert np.ptp(ratio) < 1e-4
        np.testing.assert_allclose(after[:, 2], before[:, 2] * ratio[0], atol=1e-5)
        factors.append(ratio[0])
        shifts.append(moved[0, 2] - points[0, 2] * ratio[0])
    assert 0.8 <= min(factors) < 0.83 and 1.17 < max(factors) <= 1.2
    assert abs(np.std(shifts) - 0.1) < 0.02


def test_flips_are_independent():
    points = np.random.default_rng(0).uniform(1, 2, (3, 6)).astype(np.float32)
    seen = set()
    for seed in range(30):
        results = P.FlipPoints()({'points': points, 'rng': np.random.default_rng(seed)})
        sign = np.sign(results['points'])
        assert (sign[:, 2:] > 0).all()
        seen.add(tuple(sign[0, :2]))
    assert len(seen) == 4
    assert (points > 0).all()


def test_colour_statistics_of_scannet200():
    points = np.full((2, 6), 255, np.float32)
    seen = P.NormalizePointColors(None, None)({'points': points})['points'][0, 3:]
    np.testing.assert_allclose(seen, [1.841853, 2.066571, 2.313338], atol=1e-5)
    with pytest.raises(ConfigError, match='std'):
        P.NormalizePointColors(std=0)


@pytest.mark.parametrize(
    'make',
    [
        lambda: P.AddClickPrompts('agile'),
        lambda: P.AddTextPrompts('val'),
        lambda: P.AddSuperPointAnnotations(profile='old'),
        lambda: P.SamplePointTable(0),
    ],
)
def test_unknown_options(make):
    with pytest.raises(ConfigError):
        make()
