from __future__ import annotations

import numpy as np
import pytest
import torch
from test_datasets.fakes import SENTENCES, fake_scene

from unison3d.datasets import SynthRoomsDataset, synth_rooms
from unison3d.engine.samplers import Draw
from unison3d.errors import ConfigError
from unison3d.models.text import TextEncoder
from unison3d.registry import DATASETS, TEXT_ENCODERS


@pytest.fixture
def made(monkeypatch) -> list[int]:
    """Replaces the generator; the list holds the seeds it was asked for."""
    seeds = []

    def make(seed, **options):
        seeds.append(seed)
        return fake_scene(seed, **options)

    monkeypatch.setattr(synth_rooms, '_make_scene', make)
    return seeds


@pytest.fixture
def encoder():
    calls = []

    class CountingEncoder(TextEncoder):
        name, dim = 'counting', 4

        def _encode(self, phrases):
            calls.append(len(phrases))
            vectors = torch.tensor([[len(p), p.count('a'), p.count('e'), 1.0] for p in phrases])
            return torch.nn.functional.normalize(vectors, dim=1)

    with_name = TEXT_ENCODERS.module_dict
    TEXT_ENCODERS.register_module(name='CountingEncoder', module=CountingEncoder)
    yield calls
    with_name.pop('CountingEncoder')


def _dataset(**options) -> SynthRoomsDataset:
    return DATASETS.build(dict(type='SynthRoomsDataset', num_scenes=3, seed=40, **options))


def _same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, second[key], key)
            assert value.dtype == second[key].dtype
        elif key != 'rng':
            assert value == second[key], key


def test_samples_follow_the_table(made):
    dataset = _dataset()
    assert len(dataset) == 3
    results = dataset[1]
    assert made == [41]
    scene = fake_scene(41)
    count = len(scene.points)
    np.testing.assert_allclose(results['points'], scene.points, atol=1e-4)
    np.testing.assert_allclose(results['colors'], scene.colors, atol=0.003)
    np.testing.assert_array_equal(results['semantic'], scene.semantic)
    np.testing.assert_array_equal(results['instances'], scene.instances)
    np.testing.assert_allclose(np.linalg.norm(results['normals'], axis=1), 1, atol=1e-5)
    assert results['superpoints'].shape == (count,)
    assert results['instance_names'] == scene.instance_names
    assert [s['text'] for s in results['sentences']] == [text for text, *_ in SENTENCES]
    assert results['name'] == 'room_0000041'
    for key, dtype in dict(
        points=np.float32,
        colors=np.float32,
        normals=np.float32,
        superpoints=np.int64,
        instances=np.int64,
        semantic=np.int64,
        instance_semantic=np.int64,
    ).items():
        assert results[key].dtype == dtype, key


def test_the_cache_gives_the_same_and_is_used(made, tmp_path):
    plain = _dataset()[2]
    dataset = _dataset(cache_dir=str(tmp_path))
    dataset.prepare()
    assert made == [42, 40, 41, 42]
    _same(dataset[2], plain)
    _same(_dataset(cache_dir=str(tmp_path))[2], plain)
    assert len(made) == 4
    assert len(list(tmp_path.glob('*.npz'))) == 3


def test_other_options_make_other_scenes(made, tmp_path):
    _dataset(cache_dir=str(tmp_path))[0]
    options = dict(points_per_object=50)
    results = _dataset(cache_dir=str(tmp_path), scene_options=options)[0]
    assert (results['instances'] == 0).sum() == 50
    assert made == [40, 40]


def test_a_pinned_cache_outlives_changes_of_the_generator(made, tmp_path, monkeypatch):
    for version in (None, 'first'):
        options = dict(cache_dir=str(tmp_path), cache_version=version)
        _dataset(**options)[0]
        monkeypatch.setattr(synth_rooms, '_generator_fingerprint', lambda: 'changed')
        _dataset(**options)[0]
    assert made == [40, 40, 40]


def test_a_damaged_cache_file_is_made_again(made, tmp_path):
    dataset = _dataset(cache_dir=str(tmp_path))
    first = dataset[0]
    file = next(tmp_path.glob('*.npz'))
    for damage in (b'', file.read_bytes()[:1000], b'not a zip file'):
        file.write_bytes(damage)
        _same(dataset[0], first)
    assert made == [40] * 4


def test_flipped_bytes_in_the_cache_are_made_again(made, tmp_path):
    dataset = _dataset(cache_dir=str(tmp_path))
    first = dataset[0]
    (file,) = tmp_path.glob('*.npz')
    content = file.read_bytes()
    for place in np.random.default_rng(0).choice(len(content), 40, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 0x5A
        file.write_bytes(damaged)
        _same(dataset[0], first)
        file.write_bytes(content)


def test_a_cache_file_without_points_is_made_again(made, tmp_path):
    dataset = _dataset(cache_dir=str(tmp_path))
    first = dataset[0]
    np.savez(next(tmp_path.glob('*.npz')), low=np.zeros(3))
    _same(dataset[0], first)


@pytest.mark.parametrize('damage', ['empty', 'cut', 'pickle', 'other shape', 'not finite'])
def test_damaged_sentence_vectors_are_made_again(made, encoder, tmp_path, damage):
    dataset = _dataset(cache_dir=str(tmp_path), text_encoder=dict(type='CountingEncoder'))
    first = dataset[0]
    (file,) = tmp_path.glob('*.npy')
    vectors = np.load(file)
    if damage in ('empty', 'cut'):
        file.write_bytes(file.read_bytes()[: 0 if damage == 'empty' else -3])
    elif damage == 'pickle':
        np.save(file, np.array([{}]), allow_pickle=True)
    else:
        np.save(file, vectors[:-1] if damage == 'other shape' else vectors * np.float16(np.nan))
    _same(dataset[0], first)
    assert len(encoder) == 2


def test_sentence_vectors_are_cached(made, encoder, tmp_path):
    config = dict(type='CountingEncoder')
    results = _dataset(cache_dir=str(tmp_path), text_encoder=config)[0]
    vectors = results['sentence_embeddings']
    assert vectors.shape == (len(SENTENCES), 4)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    again = _dataset(cache_dir=str(tmp_path), text_encoder=config)[0]
    np.testing.assert_array_equal(again['sentence_embeddings'], vectors)
    assert encoder == [len(SENTENCES)]
    assert 'sentence_embeddings' not in _dataset(cache_dir=str(tmp_path))[0]
    np.testing.assert_array_equal(_dataset(text_encoder=config)[0]['sentence_embeddings'], vectors)


def test_sentence_vectors_of_any_length_stay_so(made, encoder, tmp_path, monkeypatch):
    kind = TEXT_ENCODERS.get('CountingEncoder')
    monkeypatch.setattr(kind, 'unit_rows', False)
    monkeypatch.setattr(kind, '_encode', lambda self, phrases: torch.full((len(phrases), 4), 3.0))
    for _ in range(2):
        dataset = _dataset(cache_dir=str(tmp_path), text_encoder=dict(type='CountingEncoder'))
        vectors = dataset[0]['sentence_embeddings']
        assert vectors.dtype == np.float32
        np.testing.assert_array_equal(vectors, 3)


def test_test_samples_are_the_same_every_time(made):
    pipeline = [dict(type='RandomRotate'), dict(type='SampleClicks'), dict(type='PackScene')]
    dataset = _dataset(test_mode=True, pipeline=pipeline)
    first, second, other = dataset[0]['inputs'], dataset[0]['inputs'], dataset[1]['inputs']
    assert torch.equal(first['points'], second['points'])
    assert not torch.equal(first['points'][:100], other['points'][:100])


def test_workers_share_a_data_set(made, tmp_path):
    from torch.utils.data import DataLoader

    dataset = _dataset(cache_dir=str(tmp_path), pipeline=[dict(type='PackScene')])
    loader = DataLoader(dataset, batch_size=1, num_workers=2, collate_fn=list)
    names = [batch[0]['data_samples'].name for batch in loader]
    assert names == ['room_0000040', 'room_0000041', 'room_0000042']
    assert len(list(tmp_path.glob('room_*.npz'))) == 3


def test_scan_normals(made):
    results = _dataset(normals='scan')[0]
    np.testing.assert_array_equal(
        results['normals'], np.tile([0, 0, 1], (len(results['points']), 1))
    )


@pytest.mark.parametrize('options', [dict(num_scenes=-1), dict(num_scenes=1, normals='none')])
def test_bad_options(options):
    with pytest.raises(ConfigError, match='expected'):
        SynthRoomsDataset(**options)


def test_the_real_generator(tmp_path):
    pipeline = [
        dict(type='WithholdClasses'),
        dict(type='SuperpointTargets'),
        dict(type='SampleClicks'),
        dict(type='SampleSentences', max_texts=4),
        dict(type='PackScene'),
    ]
    dataset = SynthRoomsDataset(1, seed=7, cache_dir=str(tmp_path), pipeline=pipeline)
    packed = dataset[0]
    sample = packed['data_samples']
    num_superpoints = int(packed['inputs']['superpoints'].max()) + 1
    assert 100 < num_superpoints < 3000
    assert sample.sp_masks.shape[1] == num_superpoints
    assert sample.sp_masks.any(1).float().mean() > 0.6
    assert sample.prompts.num_objects > 0
    assert torch.equal(dataset[0]['inputs']['points'], packed['inputs']['points'])


def test_shifted_world_is_for_tests_only():
    options = {'profile': 'shifted'}
    with pytest.raises(ConfigError, match='reserved for testing'):
        SynthRoomsDataset(2, scene_options=options)
    SynthRoomsDataset(2, scene_options=options, test_mode=True)


def test_endless_rooms_are_new_at_every_draw():
    data = SynthRoomsDataset(3, seed=50, endless=True)
    first = [data.get_data_info(i)['scene_seed'] for i in range(3)]
    second = [data.get_data_info(i)['scene_seed'] for i in range(3)]
    assert first == [50, 51, 52] and second == [53, 54, 55]
    assert data.get_data_info(Draw(1, 700))['scene_seed'] == 750
    with pytest.raises(ConfigError, match='endless'):
        SynthRoomsDataset(3, endless=True, test_mode=True)


def test_some_rooms_are_scanned_with_a_camera():
    data = SynthRoomsDataset(200, seed=7, camera_share=0.3)
    options = [data.scene_key(data.get_data_info(i))[3] for i in range(200)]
    camera = [o.get('scanner') == 'camera' for o in options]
    assert 35 < sum(camera) < 85
    again = SynthRoomsDataset(50, seed=57, camera_share=0.3)
    assert camera[50:100] == [
        'scanner' in again.scene_key(again.get_data_info(i))[3] for i in range(50)
    ]
    with pytest.raises(ConfigError, match='camera_share'):
        SynthRoomsDataset(1, camera_share=1.5)
