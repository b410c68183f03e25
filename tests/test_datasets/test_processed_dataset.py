from __future__ import annotations

import numpy as np
import pytest
import torch
from test_datasets.processed_samples import (
    TEXT_INFO,
    info_entry,
    superpoints_of,
    write_infos,
    write_scan,
)

from unison3d.datasets import (
    CustomSegDataset,
    S3DISSegDataset,
    ScanNet200SegDataset,
    ScanNetSegDataset,
)
from unison3d.errors import ConfigError, FileFormatError, SceneError
from unison3d.registry import DATASETS
from unison3d.structures import S3DIS, SCANNET20, SCANNET200

TRAIN = [
    dict(type='CropScene', max_points=5000),
    dict(type='SuperpointTargets'),
    dict(type='SampleClicks'),
    dict(type='SampleSentences', max_texts=2),
    dict(type='PackScene'),
]


def test_sample_of_a_labelled_scan(tmp_path):
    scene = write_scan(tmp_path, 'scene0000_00')
    box = {'object_id': 2, 'object_name': 'armchair'}
    entry = info_entry(tmp_path, 'scene0000_00', text_info=TEXT_INFO, instances=[box])
    dataset = ScanNetSegDataset(str(tmp_path), ann_file=write_infos(tmp_path, [entry]))
    results = dataset[0]
    np.testing.assert_array_equal(results['points'], scene.points)
    np.testing.assert_allclose(results['colors'], scene.colors, atol=1 / 255)
    np.testing.assert_array_equal(results['semantic'], scene.semantic)
    np.testing.assert_array_equal(results['superpoints'], superpoints_of(scene))
    # The laptop has no class, so it is no instance; ids are dense.
    wanted = np.where(scene.instances == 3, -1, scene.instances)
    np.testing.assert_array_equal(results['instances'], wanted)
    np.testing.assert_array_equal(results['instance_semantic'], [4, 4, 6])
    assert results['instance_names'] == ['armchair', 'chair', 'table']
    said = [(s['text'], s['targets']) for s in results['sentences']]
    # Sentences of the laptop go with it.
    assert said == [
        ('the chair in the corner', [0]),
        ('a chair', [0]),
        ('the low table', [2]),
    ]


def test_a_scan_without_labels_passes_the_pipeline(tmp_path):
    scene = write_scan(tmp_path, 'test_scan', labelled=False)
    for ann_file in (
        '',
        write_infos(tmp_path, [info_entry(tmp_path, 'test_scan', labelled=False)]),
    ):
        dataset = ScanNetSegDataset(
            str(tmp_path), ann_file=ann_file, pipeline=TRAIN, test_mode=True
        )
        packed = dataset[0]
        sample = packed['data_samples']
        assert len(packed['inputs']['points']) == min(5000, len(scene.points))
        assert (sample.gt_semantic == SCANNET20.ignore_index).all()
        assert sample.sp_masks.shape[0] == 0
        assert sample.prompts.num_clicks == 0
        assert sample.sp_ignore.all()


def test_cache_gives_the_rounded_scene(tmp_path):
    write_scan(tmp_path, 'a')
    exact = ScanNetSegDataset(str(tmp_path))[0]
    for _ in range(2):
        cached = ScanNetSegDataset(str(tmp_path), cache_dir=str(tmp_path / 'cache'))[0]
        np.testing.assert_allclose(cached['points'], exact['points'], atol=1e-4)
        np.testing.assert_array_equal(cached['instances'], exact['instances'])
    assert len(list((tmp_path / 'cache').iterdir())) == 1


def test_mmengine_switches(tmp_path):
    for number in range(4):
        write_scan(tmp_path, f's{number}', seed=number, labelled=number != 2)
    for serialize in (True, False):
        dataset = ScanNetSegDataset(
            str(tmp_path), serialize_data=serialize, lazy_init=True, indices=[3, 0]
        )
        assert not dataset._fully_initialized
        assert [dataset.get_data_info(i)['name'] for i in (0, 1)] == ['s3', 's0']
    filtered = dict(filter_cfg=dict(filter_empty_gt=True))
    assert len(ScanNetSegDataset(str(tmp_path))) == 4
    assert len(ScanNetSegDataset(str(tmp_path), **filtered)) == 3
    assert len(ScanNetSegDataset(str(tmp_path), test_mode=True, **filtered)) == 4
    many = dict(filter_empty_gt=True, min_instances=4)
    with pytest.raises(ConfigError, match='none of 4 scans has 4 instances'):
        ScanNetSegDataset(str(tmp_path), filter_cfg=many)
    (tmp_path / 'val.txt').write_text('# ours\ns1\ns3\n')
    dataset = ScanNetSegDataset(str(tmp_path), split_file='val.txt')
    assert [dataset.get_data_info(i)['name'] for i in range(len(dataset))] == ['s1', 's3']
    (tmp_path / 'val.txt').write_text('s1\nabsent\n')
    with pytest.raises(FileFormatError, match=r'val\.txt: names absent'):
        ScanNetSegDataset(str(tmp_path), split_file='val.txt')


def test_metainfo_and_registry(tmp_path):
    write_scan(tmp_path, 'Area_5_a')
    dataset = DATASETS.build(dict(type='ScanNet200SegDataset', data_root=str(tmp_path)))
    assert dataset.metainfo['classes'][:4] == ('wall', 'floor', 'chair', 'table')
    assert dataset.metainfo['stuff'] == (0, 1)
    assert len(dataset.metainfo['palette']) == 200
    named = ScanNet200SegDataset(str(tmp_path), metainfo=dict(classes=('a', 'b')))
    assert named.metainfo['classes'] == ('a', 'b')
    rooms = dict(type='S3DISSegDataset', data_root=str(tmp_path))
    with pytest.raises(FileFormatError, match='no room of the areas'):
        DATASETS.build(rooms)
    dataset = DATASETS.build(dict(rooms, areas=[5]))
    assert len(dataset) == 1
    assert dataset.metainfo['panoptic_stuff'] == (0, 1, 2, 3, 4, 5, 6, 12)
    assert dataset[0]['superpoints'].max() > 20
    with pytest.raises(ConfigError, match='areas'):
        S3DISSegDataset(str(tmp_path), areas=[7])


def test_label_spaces_of_tables():
    assert len(SCANNET200) == 200 and len(S3DIS) == 13
    assert len(set(SCANNET200.raw_ids)) == len(set(SCANNET200.classes)) == 200
    # The published way: swap raw ids 2 and 3, then number the classes by the swapped ids.
    raw = np.array([1, 2, 3, 4, 1191, 0, 12, 1357])
    swapped = np.array([1, 3, 2, 4, 1191, 0, 12, 1357])
    order = {raw_id: row for row, raw_id in enumerate(sorted(SCANNET200.raw_ids))}
    wanted = [order.get(int(raw_id), 200) for raw_id in swapped]
    np.testing.assert_array_equal(SCANNET200.from_raw(raw), wanted)
    assert len(np.unique(SCANNET200.palette, axis=0)) == 200


def test_custom_classes(tmp_path):
    write_scan(tmp_path, 'a')
    options = dict(classes=['Floor', 'chair'], num_stuff=1, raw_ids=[2, 5])
    dataset = CustomSegDataset(str(tmp_path), **options)
    results = dataset[0]
    assert results['instance_names'] == ['chair', 'chair']
    assert set(np.unique(results['semantic'])) == {0, 1, 2}
    with pytest.raises(ConfigError, match='num_stuff'):
        CustomSegDataset(str(tmp_path), classes=['a', 'a'])
    with pytest.raises(ConfigError, match='fields'):
        CustomSegDataset(str(tmp_path), fields='old', **options)
    with pytest.raises(ConfigError, match='min_points'):
        CustomSegDataset(str(tmp_path), filter_cfg=dict(min_points=3), **options)


@pytest.mark.parametrize('folder', ['points', 'instance_mask', 'semantic_mask', 'super_points'])
@pytest.mark.parametrize('length', [0, 1, 8, -1, -4, -8])
def test_files_of_a_wrong_size_are_named(tmp_path, folder, length):
    write_scan(tmp_path, 'a')
    path = tmp_path / folder / 'a.bin'
    data = path.read_bytes()
    path.write_bytes(data + bytes(8) if length == 8 else data[:length])
    with pytest.raises(FileFormatError, match=r'a\.bin'):
        ScanNetSegDataset(str(tmp_path))[0]


@pytest.mark.parametrize(
    ('folder', 'dtype', 'value', 'match'),
    [
        ('points', '<f4', np.nan, 'row 0 holds'),
        ('points', '<f4', np.inf, 'row 0 holds'),
        ('super_points', '<i8', -1, 'reach from -1'),
        ('super_points', '<i8', 2**40, 'expected 0 to'),
        ('instance_mask', '<i8', -5, 'reach from -5'),
        ('semantic_mask', '<i8', -1, 'reach from -1'),
    ],
)
def test_numbers_out_of_range_are_named(tmp_path, folder, dtype, value, match):
    write_scan(tmp_path, 'a')
    path = tmp_path / folder / 'a.bin'
    array = np.frombuffer(path.read_bytes(), dtype).copy()
    array[0] = value
    path.write_bytes(array.tobytes())
    with pytest.raises(FileFormatError, match=match):
        ScanNetSegDataset(str(tmp_path))[0]


def test_32_bit_ids_and_odd_colours_get_a_hint(tmp_path):
    write_scan(tmp_path, 'a')
    path = tmp_path / 'super_points' / 'a.bin'
    path.write_bytes(np.frombuffer(path.read_bytes(), '<i8').astype('<i4').tobytes())
    with pytest.raises(FileFormatError, match='32-bit'):
        ScanNetSegDataset(str(tmp_path))[0]
    path = tmp_path / 'points' / 'a.bin'
    array = np.frombuffer(path.read_bytes(), '<f4').copy()
    array[3] = 300
    path.write_bytes(array.tobytes())
    with pytest.raises(FileFormatError, match='colours reach'):
        ScanNetSegDataset(str(tmp_path))[0]


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(FileFormatError, match='is not a folder'):
        ScanNetSegDataset(str(tmp_path / 'nothing'))
    with pytest.raises(FileFormatError, match='unison3d prepare'):
        ScanNetSegDataset(str(tmp_path))
    write_scan(tmp_path, 'a')
    (tmp_path / 'super_points' / 'a.bin').unlink()
    dataset = ScanNetSegDataset(str(tmp_path))
    with pytest.raises(FileFormatError, match='superpoints="compute"'):
        dataset[0]
    assert ScanNetSegDataset(str(tmp_path), superpoints='compute')[0]['superpoints'].max() > 0
    (tmp_path / 'instance_mask' / 'a.bin').unlink()
    with pytest.raises(FileFormatError, match='no instance mask'):
        ScanNetSegDataset(str(tmp_path))


def test_superpoints_of_another_numbering_are_refused(tmp_path):
    scene = write_scan(tmp_path, 'a')
    count = int(superpoints_of(scene).max()) + 1
    masks = [[False] * count]
    entry = info_entry(tmp_path, 'a', sam3d_pseudo_sp_masks=masks)
    name = write_infos(tmp_path, [entry])
    load = [dict(type='LoadPointTable'), dict(type='LoadPointLabels')]
    published = dict(ann_file=name, fields='published', pipeline=load)
    results = ScanNetSegDataset(str(tmp_path), **published)[0]
    np.testing.assert_array_equal(results['sp_pts_mask'], superpoints_of(scene))
    path = tmp_path / 'super_points' / 'a.bin'
    ids = np.frombuffer(path.read_bytes(), '<i8')
    path.write_bytes((ids.max() - ids).tobytes())  # the same partition, numbered backwards
    for options in (published, dict(ann_file=name)):
        with pytest.raises(SceneError, match='numbered differently'):
            ScanNetSegDataset(str(tmp_path), **options)[0]
    # Without a digest only the number can be compared.
    entry = {**entry, 'super_pts_sha256': '', 'sam3d_pseudo_sp_masks': [[False] * (count + 1)]}
    write_infos(tmp_path, [entry])
    with pytest.raises(SceneError, match=rf'holds {count} superpoints'):
        ScanNetSegDataset(str(tmp_path), **published)[0]


def test_scenes_are_drawn_in_training_only(tmp_path):
    for number in range(3):
        write_scan(tmp_path, f's{number}', seed=number)
    rng = np.random.default_rng(0)
    seen = []
    for test_mode in (False, True):
        options = dict(pipeline=[lambda results: seen.append(dict(results)) or results])
        sample = ScanNetSegDataset(str(tmp_path), test_mode=test_mode, **options)[0]
        assert 'draw_scene' not in sample
    assert {seen[0]['draw_scene'](rng)['name'] for _ in range(20)} == {'s0', 's1', 's2'}
    assert 'draw_scene' not in seen[1]


def test_all_datasets_pack(tmp_path):
    write_scan(tmp_path, 'Area_1_a')
    for dataset in (
        ScanNetSegDataset(str(tmp_path), pipeline=TRAIN, normals='estimate'),
        ScanNet200SegDataset(str(tmp_path), pipeline=TRAIN),
        S3DISSegDataset(str(tmp_path), pipeline=TRAIN),
    ):
        inputs = dataset[0]['inputs']
        assert inputs['colors'].dtype == torch.float32
        assert bool(inputs['normals'].any()) == (dataset.normals == 'estimate')
