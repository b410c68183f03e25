"""Scans on disk: what the reader of ScanNet gets back, and jobs that stop and go on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from unison3d.errors import ConfigError
from unison3d.io import read_label_table, read_ply, read_scannet_folder
from unison3d.superpoints import segment_mesh
from unison3d.synth.catalog import ALL_FURNITURE, CLASSES, spoken_name
from unison3d.synth.label_table import NYU40_IDS, label_ids, raw_name
from unison3d.synth.scan_job import make_scan, write_scans
from unison3d.synth.scannet_layout import objects_of_segments

SEED = 12
NAME = 'synth0000012_00'


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp('scans')
    (scan,) = write_scans(folder, 1, seed=SEED, frames=True, image_width=64)
    assert scan.path == folder / 'scans' / NAME
    return folder


@pytest.fixture(scope='module')
def made():
    return make_scan(SEED, image_width=64, keep_frames=True)[:2]


def test_reader_gives_the_labels_back(out, made):
    room, scan = made
    scene = read_scannet_folder(out / 'scans' / NAME)
    assert np.array_equal(scene.faces, scan.faces)
    assert np.array_equal(scene.colors, scan.colors)
    segments = segment_mesh(scene.points, scene.faces)
    assert np.array_equal(scene.superpoints, segments)
    owner = objects_of_segments(segments, scan.objects)[segments]
    things = np.unique(owner[owner >= 0])
    number = {int(k): i for i, k in enumerate(things)} | {-1: -1}
    assert scene.instance_ids.tolist() == [number[int(k)] for k in owner]
    assert scene.instance_names == tuple(raw_name(room.objects[k]) for k in things)
    # Back in the frame of the room.
    there = scene.points @ scene.axis_alignment[:3, :3].T + scene.axis_alignment[:3, 3]
    assert np.allclose(there, scan.vertices, atol=1e-4)


def test_every_name_is_in_the_table(out):
    table = read_label_table(out / 'scannetv2-labels.combined.tsv')
    scene = read_scannet_folder(out / 'scans' / NAME)
    assert set(scene.instance_names) <= table.keys()
    for kind in ALL_FURNITURE.values():
        if kind.semantic < len(CLASSES):
            assert table[spoken_name(kind.name)] == NYU40_IDS[kind.semantic]
    assert table['ceiling'] == 22
    assert label_ids()['chair'] == (2, 5)
    assert all(1 <= number <= 40 for number in table.values())


def test_exact_labels_agree_with_the_segments_for_the_most_part(out):
    exact = read_ply(out / 'scans' / NAME / f'{NAME}_exact_labels.ply')
    scene = read_scannet_folder(out / 'scans' / NAME)
    known = exact.instance_ids >= 0
    assert np.mean(exact.instance_ids[known] == scene.instance_ids[known]) > 0.85
    table = read_label_table(out / 'scannetv2-labels.combined.tsv')
    ids = np.array([table[name] for name in scene.instance_names])
    assert np.array_equal(exact.semantic_ids[known], ids[exact.instance_ids[known]])
    # A part belongs to one object.
    pairs = np.unique(np.stack([exact.part_ids[known], exact.instance_ids[known]]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]
    rows = json.loads((out / 'scans' / NAME / f'{NAME}.parts.json').read_text())
    assert [row['partId'] for row in rows] == list(range(len(rows)))
    assert all(row['name'] for row in rows)
    assert {(p, o) for p, o in pairs.T.tolist()} <= {(r['partId'], r['objectId']) for r in rows}


def test_images_show_the_mesh(out, made):
    folder = out / 'scans' / NAME
    exact = read_ply(folder / f'{NAME}_exact_labels.ply')
    K = np.loadtxt(folder / 'intrinsic' / 'intrinsic_depth.txt')[:3, :3]
    agree = total = 0
    for i in range(0, len(made[1].frames), 5):
        depth = np.asarray(Image.open(folder / 'depth' / f'{i}.png')) / 1000
        labels = np.asarray(Image.open(folder / 'instance' / f'{i}.png')).astype(int) - 1
        parts = np.asarray(Image.open(folder / 'part' / f'{i}.png')).astype(int) - 1
        assert Image.open(folder / 'color' / f'{i}.jpg').size == (64, 48)
        assert ((labels >= 0) == (parts >= 0)).all()
        pose = np.linalg.inv(np.loadtxt(folder / 'pose' / f'{i}.txt'))
        at = exact.points @ pose[:3, :3].T + pose[:3, 3]
        at = np.where(at[:, 2:] > 0.1, at, np.nan)
        u, v = (np.nan_to_num(K[k, k] * at[:, k] / at[:, 2] + K[k, 2], nan=-9) for k in (0, 1))
        rows = np.flatnonzero((u > 0) & (v > 0) & (u < 63) & (v < 47))
        u, v = np.rint(u[rows]).astype(int), np.rint(v[rows]).astype(int)
        rows, u, v = (x[np.abs(depth[v, u] - at[rows, 2]) < 0.03] for x in (rows, u, v))
        agree += (labels[v, u] == exact.instance_ids[rows]).sum()
        total += len(rows)
    assert total > 1000
    assert agree / total > 0.85


def test_sentences_name_objects_of_the_scan(out):
    groups = json.loads((out / 'scans' / NAME / f'{NAME}.aggregation.json').read_text())
    label = {str(g['objectId']): g['label'] for g in groups['segGroups']}
    rows = json.loads((out / 'sentences.json').read_text())
    assert rows
    for row in rows:
        assert row['scene_id'] == NAME
        assert row['object_name'] == label[row['object_id']].replace(' ', '_')
        assert row['description'].split() == row['token']
    everything = json.loads((out / 'scans' / NAME / f'{NAME}.sentences.json').read_text())
    assert [r for r in everything if len(r['object_ids']) == 1] == rows
    assert len({r['ann_id'] for r in everything}) == len(everything)


def test_job_goes_on_and_gives_the_same_files(out, tmp_path):
    (again,) = write_scans(out, 1, seed=SEED, frames=True, image_width=64)
    assert not again.is_new
    unfinished = tmp_path / 'scans' / f'.{NAME}.123'
    unfinished.mkdir(parents=True)
    (new,) = write_scans(tmp_path, 1, seed=SEED, frames=True, image_width=64)
    assert new.is_new
    assert not unfinished.exists()
    files = sorted(p.relative_to(out) for p in out.rglob('*') if p.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob('*') if p.is_file())
    for file in files:
        assert (out / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_segments_go_to_the_majority():
    segments = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    objects = np.array([4, 4, -1, 1, 0, -1, -1, 3], np.int32)
    assert objects_of_segments(segments, objects).tolist() == [4, 0, -1]
    assert len(objects_of_segments(segments[:0], objects[:0])) == 0


@pytest.mark.parametrize(
    'options', [{'seed': -1}, {'workers': 0}, {'image_width': 30}, {'profile': 'moon'}]
)
def test_numbers_out_of_range(tmp_path, options):
    with pytest.raises(ConfigError, match='expected'):
        list(write_scans(tmp_path, 1, **options))


def test_no_scans(tmp_path):
    assert list(write_scans(tmp_path, 0)) == []
    assert json.loads((tmp_path / 'sentences.json').read_text()) == []
