"""Masks of objects named by what images show of them."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import unison3d.vision
from tests.conftest import REPO_ROOT
from tests.test_apis.api_samples import HashEncoder, slabs
from tests.test_io.frame_samples import frame_files, turned, write
from unison3d.apis import Segmenter
from unison3d.apis.external_names import name_masks, read_masks
from unison3d.errors import FileFormatError
from unison3d.fusion.upright import turn_to_z
from unison3d.io.npy import read_npz_arrays, write_npz
from unison3d.lifting import View
from unison3d.structures import InstanceMasks
from unison3d.structures.camera import Camera
from unison3d.synth.scan_job import make_scan
from unison3d.vision import RenderedNamesModel


def test_good_masks_and_perfect_images_give_the_right_names():
    room, scan, _ = make_scan(5, image_width=96, keep_frames=True)
    names = [item.name for item in room.objects]
    objects, counts = np.unique(scan.objects, return_counts=True)
    chosen = [i for i, n in zip(objects, counts, strict=True) if i >= 0 and names[i] and n >= 200]
    vocabulary = sorted({name for name in names if name})
    masks = InstanceMasks(
        torch.from_numpy(np.stack([scan.objects == i for i in chosen])),
        torch.arange(len(scan)),
        torch.full((len(chosen),), -1),
        torch.ones(len(chosen)),
    )
    views = [
        View(frame.object, frame.depth, Camera(96, 72, scan.K, pose))
        for frame, pose in list(zip(scan.frames, scan.poses, strict=True))[::4]
    ]
    model = RenderedNamesModel(names, HashEncoder().encode_unit)
    cosines = name_masks(scan.vertices, masks, views, model, vocabulary)
    right = [vocabulary[k] == names[i] for k, i in zip(cosines.argmax(1), chosen, strict=True)]
    assert len(chosen) >= 4
    assert np.mean(right) >= 0.8


def test_the_example_of_the_docs_runs(segmenter, tmp_path, monkeypatch):
    """On a capture whose world lies on its side: the images show every mask."""

    class Model:
        def __init__(self, folder):
            assert folder == 'clip-vit-large-patch14/'

        def encode_phrases(self, phrases):
            return torch.eye(len(phrases))

        def encode_images(self, images):
            return torch.ones(len(images), 2) / 2**0.5

    def scores(names):
        superpoints = torch.from_numpy(segmenter.scene.superpoints)
        count = len(superpoints.unique())
        one_each = torch.eye(count, dtype=torch.bool)
        empty = torch.full((count,), -1), torch.ones(count)
        return SimpleNamespace(masks=InstanceMasks(one_each, superpoints, *empty))

    page = REPO_ROOT / 'docs' / 'open_vocabulary.md'
    blocks = re.findall(r'^```python\n(.*?)^```', page.read_text('utf-8'), re.MULTILINE | re.DOTALL)
    (example,) = (block for block in blocks if 'name_masks' in block)
    write(tmp_path / 'my_capture', turned(frame_files(), np.linalg.inv(turn_to_z([0, -1.0, 0]))))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Segmenter, 'from_pretrained', lambda: segmenter)
    monkeypatch.setattr(segmenter, 'scores', scores)  # untrained, it has no masks of its own
    monkeypatch.setattr(unison3d.vision, 'TransformersImageText', Model)
    done = {}
    # The capture has three images, and is fused coarsely here.
    coarse = "my_capture/', capture={'voxel_size': 0.05}"
    exec(example.replace('every(10)', 'every(1)').replace("my_capture/'", coarse), done)
    turn = done['scene'].frames.T_world_capture
    assert not np.allclose(turn, np.eye(4))
    assert segmenter.predict('semantic').to_json()['scene']['T_world_capture'] == turn.tolist()
    assert done['cosines'].shape == (len(done['masks']), 2)
    assert (done['cosines'] > 0.5).float().mean() > 0.95


def test_masks_come_back(segmenter, tmp_path):
    segmenter.set_scene(slabs())
    scores = segmenter.scores('bottle', direct=True)
    path = scores.save_npz(tmp_path / 'masks.npz')
    points, masks = read_masks(path)
    np.testing.assert_array_equal(points, segmenter.scene.points)
    torch.testing.assert_close(masks.masks, scores.masks.masks)
    torch.testing.assert_close(masks.scores, scores.masks.scores)
    arrays = read_npz_arrays(path)
    for name, value in (('superpoints', arrays['superpoints'] + 1000), ('instance_quality', 3.0)):
        write_npz(tmp_path / 'bad.npz', {**arrays, name: np.asarray(value)})
        with pytest.raises(FileFormatError, match=r'bad\.npz'):
            read_masks(tmp_path / 'bad.npz')
    del arrays['instance_masks']
    write_npz(tmp_path / 'bad.npz', arrays)
    with pytest.raises(FileFormatError, match='instance_masks'):
        read_masks(tmp_path / 'bad.npz')
