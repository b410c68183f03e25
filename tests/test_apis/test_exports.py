"""A result in the forms of other programs."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch

from tests.test_apis.api_samples import room_arrays, slabs
from unison3d.apis.exports import EXPORTS
from unison3d.cli import infer
from unison3d.errors import ConfigError
from unison3d.evaluation.benchmark_files import read_benchmark_ids, read_benchmark_predictions
from unison3d.io import (
    read_coco_masks,
    read_gltf,
    read_npz_arrays,
    read_ply,
    read_semantickitti_labels,
)
from unison3d.structures import InstanceMasks, PointScene


@pytest.fixture(scope='module')
def exported(segmenter, tmp_path_factory):
    """A result with prompts, and its folder with every export."""
    scene = segmenter.set_scene(slabs())
    result = segmenter.predict(clicks=scene.points[[3, 700]], vocabulary=['chair', 'end table'])
    # The untrained model finds no objects; these overlap, and the last is too weak to be shown.
    masks = torch.zeros((3, int(scene.superpoints.max()) + 1), dtype=torch.bool)
    masks[0, :7] = masks[1, 5:9] = masks[2, 20:] = True
    result.sample.pred_instances = InstanceMasks(
        masks,
        torch.from_numpy(scene.superpoints),
        torch.tensor([2, 0, 2]),
        torch.tensor([0.9, 0.5, 0.05]),
    )
    out = tmp_path_factory.mktemp('result')
    result.save(out, export=list(EXPORTS))
    return result, out


def test_the_command_line_knows_the_same_formats():
    assert tuple(EXPORTS) == infer.EXPORTS


def test_result_json_comes_last_and_files_are_named(segmenter, tmp_path):
    segmenter.set_scene(slabs())
    paths = segmenter.predict(['panoptic']).save(tmp_path, export=['glb', 'coco', 'glb'])
    assert paths[-1].name == 'result.json'
    exports = tmp_path / 'exports'
    assert [p for p in paths if exports in p.parents] == [
        exports / 'glb' / 'panoptic.glb', exports / 'coco' / 'panoptic.json'
    ]  # fmt: skip


def glb_nodes(path) -> list[dict]:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from('<I', data, 12)[0]])['nodes'][1:]


def test_glb_has_one_node_per_object_and_loses_no_point(exported):
    result, out = exported
    scene = read_gltf(out / 'exports' / 'glb' / 'panoptic.glb')
    nodes = glb_nodes(out / 'exports' / 'glb' / 'panoptic.glb')
    ids = np.unique(result.panoptic_instance)
    assert [node['extras']['instance'] for node in nodes] == ids.tolist()
    assert len(scene) == len(result.scene)  # segments share no point
    order = np.argsort(result.panoptic_instance, kind='stable')
    np.testing.assert_array_equal(scene.points, result.scene.points[order])
    np.testing.assert_array_equal(scene.instance_ids, result.panoptic_instance[order])
    np.testing.assert_allclose(scene.colors, result.scene.colors[order], atol=5e-4)
    for node in nodes:
        first = np.flatnonzero(result.panoptic_instance == node['extras']['instance'])[0]
        label = result.label_space.name_of(int(result.panoptic_semantic[first]))
        assert node['extras']['class'] == label and node['name'].startswith(label)

    nodes = glb_nodes(out / 'exports' / 'glb' / 'interactive.glb')
    assert [n['name'] for n in nodes[:2]] == ['object 0 0', 'object 1 1']
    clicked = read_gltf(out / 'exports' / 'glb' / 'interactive.glb')
    sizes = result.click_masks.sizes().tolist()
    rest = (~result.click_masks.masks.numpy().any(axis=0)).sum()
    assert len(clicked) == sum(sizes) + rest
    assert (clicked.instance_ids == 1).sum() == sizes[1]


def test_a_mesh_keeps_every_triangle_once(segmenter, tmp_path):
    points, colors = room_arrays(900)
    order = np.argsort(points[:, 0])
    faces = np.stack([order[:-2], order[1:-1], order[2:]], axis=1)
    scene = segmenter.set_scene(
        PointScene.from_arrays(points, colors, faces=faces, superpoints=slabs().superpoints)
    )
    result = segmenter.predict(['panoptic', 'interactive'], clicks=[scene.points[3]])
    result.save(tmp_path, export=['glb', 'crops'])

    def corners(points, faces):
        return sorted(map(tuple, points[faces].reshape(-1, 9).tolist()))

    for task in ('panoptic', 'interactive'):
        glb = read_gltf(tmp_path / 'exports' / 'glb' / f'{task}.glb')
        assert corners(glb.points, glb.faces) == corners(scene.points, scene.faces)
    for path in (tmp_path / 'exports' / 'crops' / 'panoptic').iterdir():
        crop = read_ply(path)
        assert crop.faces.size == 0 or crop.faces.max() < len(crop)
        assert set(corners(crop.points, crop.faces)) <= set(corners(scene.points, scene.faces))


def test_scannet_submissions_read_back(exported):
    result, out = exported
    space = result.label_space
    semantic = read_benchmark_ids(out / 'exports' / 'scannet' / 'semantic' / 'slabs.txt')
    np.testing.assert_array_equal(semantic, np.array(space.raw_ids)[result.semantic])
    masks, labels, scores = read_benchmark_predictions(
        out / 'exports' / 'scannet' / 'instance' / 'slabs.txt'
    )
    np.testing.assert_array_equal(masks, result.instances.masks.numpy())
    things = np.array(space.raw_ids)[len(space.stuff) :]
    np.testing.assert_array_equal(labels, things[result.instances.labels.numpy()])
    np.testing.assert_allclose(scores, result.instances.scores.numpy(), atol=1e-6)


def test_coco_masks_are_those_of_the_result(exported):
    result, out = exported
    for task, (masks, names) in result.mask_sets().items():
        path = out / 'exports' / 'coco' / f'{task}.json'
        read, categories = read_coco_masks(path, len(result.scene))
        assert len(read) == len(masks)
        for one, mask in zip(read, masks.masks.numpy(), strict=True):
            np.testing.assert_array_equal(one.mask, mask)
        assert [m.name for m in read] == names
        assert [categories[m.category] for m in read] == names
        np.testing.assert_allclose([m.score for m in read], masks.scores.numpy())
    segments, _ = read_coco_masks(out / 'exports' / 'coco' / 'panoptic.json', len(result.scene))
    assert np.sum([m.mask for m in segments], axis=0).tolist() == [1] * len(result.scene)
    inside = result.scene.points[segments[0].mask]
    np.testing.assert_allclose(segments[0].box, [inside.min(axis=0), inside.max(axis=0)])


def test_semantickitti_labels(exported, segmenter, tmp_path):
    result, out = exported
    path = out / 'exports' / 'semantickitti' / 'slabs.label'
    semantic, instance = read_semantickitti_labels(path, len(result.scene))
    space = result.label_space
    np.testing.assert_array_equal(semantic, np.array(space.raw_ids)[result.panoptic_semantic])
    stuff = np.isin(result.panoptic_semantic, space.stuff)
    assert (instance[stuff] == 0).all() and (instance[~stuff] > 0).all()
    pairs = {(a, b) for a, b in zip(instance[~stuff], result.panoptic_instance[~stuff])}
    assert len(pairs) == len(np.unique(result.panoptic_instance[~stuff]))
    segmenter.set_scene(slabs())
    plain = segmenter.predict(['semantic'])
    plain.save(tmp_path, export=['semantickitti'])
    semantic, instance = read_semantickitti_labels(
        tmp_path / 'exports' / 'semantickitti' / 'slabs.label'
    )
    np.testing.assert_array_equal(semantic, np.array(space.raw_ids)[plain.semantic])
    assert not instance.any()


def test_crops_hold_the_points_of_their_object(exported):
    result, out = exported
    folder = out / 'exports' / 'crops' / 'interactive'
    assert sorted(p.name for p in folder.iterdir()) == ['000_object_0.ply', '001_object_1.ply']
    for number, mask in enumerate(result.click_masks.masks.numpy()):
        crop = read_ply(folder / f'{number:03d}_object_{number}.ply')
        np.testing.assert_array_equal(crop.points, result.scene.points[mask])
    crops = sorted(p.name for p in (out / 'exports' / 'crops' / 'instance').iterdir())
    things = [name.replace(' ', '_') for name in result.label_space.thing_names]
    assert crops == [f'000_{things[2]}.ply', f'001_{things[0]}.ply']
    nodes = glb_nodes(out / 'exports' / 'glb' / 'instance.glb')
    assert [n['extras']['score'] for n in nodes[:-1]] == [0.9, 0.5]
    assert nodes[-1]['name'] == 'rest'


def test_far_scenes_and_other_units_keep_their_place(segmenter, tmp_path):
    points, colors = room_arrays(300)
    world = (points + [400_000, 5_000_000, 0]) * 1000
    segmenter.set_scene(PointScene.from_arrays(world, colors, name='far away', scale=0.001))
    result = segmenter.predict(['panoptic', 'instance', 'semantic'])
    result.scale = 0.001
    result.save(tmp_path, export=['glb', 'crops', 'scannet'])
    glb = read_gltf(tmp_path / 'exports' / 'glb' / 'panoptic.glb')
    assert np.abs(np.sort(glb.points[:, 0]) - np.sort(world[:, 0] / 1000)).max() < 1e-5  # metres
    crops = [read_ply(p) for p in (tmp_path / 'exports' / 'crops' / 'panoptic').iterdir()]
    rows = np.concatenate([crop.points for crop in crops])
    assert np.abs(np.sort(rows[:, 1]) - np.sort(world[:, 1])).max() < 1e-2  # of the file: mm
    # Lists of the benchmark separate words by blanks.
    assert (tmp_path / 'exports' / 'scannet' / 'instance' / 'far_away.txt').is_file()


def test_wrong_wishes_are_refused_before_anything_is_lost(segmenter, tmp_path):
    segmenter.set_scene(slabs())
    result = segmenter.predict(['semantic'])
    result.save(tmp_path, export=['scannet'])
    before = sorted(tmp_path.rglob('*'))
    for export, message in ((['dae'], 'not known'), (['glb'], 'panoptic or instance')):
        with pytest.raises(ConfigError, match=message):
            result.save(tmp_path, overwrite=True, export=export)
    assert sorted(tmp_path.rglob('*')) == before
    with pytest.raises(ConfigError, match='overwrite'):
        result.save(tmp_path)
    result.save(tmp_path, overwrite=True)
    assert not (tmp_path / 'exports').exists()


def test_an_empty_scene_exports(segmenter, tmp_path):
    segmenter.set_scene(PointScene.from_arrays(np.zeros((0, 3)), np.zeros((0, 3)), name='empty'))
    result = segmenter.predict(['semantic', 'panoptic', 'instance'])
    result.save(tmp_path, export=list(EXPORTS))
    masks, _ = read_coco_masks(tmp_path / 'exports' / 'coco' / 'instance.json', 0)
    assert masks == []
    assert read_npz_arrays(tmp_path / 'result.npz')['points'].shape == (0, 3)
