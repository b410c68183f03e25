"""What all data sets of single scenes share: loading, caching, sentence vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger

from unison3d.datasets.scene_record import (
    RECORD_VERSION,
    from_record,
    read_record,
    to_record,
    write_record,
)
from unison3d.errors import ConfigError, FileFormatError
from unison3d.io import atomic_write, read_npy_array
from unison3d.registry import TEXT_ENCODERS, TRANSFORMS
from unison3d.structures.label_space import SCANNET20


class SceneDataset(BaseDataset):
    """Base of data sets whose items are labelled scenes.

    A sample that enters the pipeline is a dict:

    ====================  =======================================================================
    points                float32, (N, 3), metres, z up
    colors                float32, (N, 3) in [0, 1], or None
    normals               float32, (N, 3), unit, or None
    superpoints           int64, (N,), 0..S-1
    semantic              int64, (N,), 0..19; 20 is unlabelled
    instances             int64, (N,), 0..M-1; -1 is none
    instance_semantic     int64, (M,), 0..20
    instance_names        M names, open vocabulary
    sentences             list of dicts: text, targets (list of instances), kind
    sentence_embeddings   float32, (T, D), as the text encoder gives them
    name                  of the scene
    num_classes           K where the label space is another one; then semantic is 0..K
    rng                   in test mode: a generator that depends on seed and index alone
    draw_scene            in training, for transforms: a function of a generator that gives another
                          scene of the data set as it enters the pipeline
    ====================  =======================================================================

    Subclasses list scenes in :meth:`load_data_list` and make one in :meth:`build_scene`.

    Args:
        pipeline: transforms or their configs.
        cache_dir: folder for finished scenes, one file each, filled by whoever needs a scene
            first; several workers and epochs share it. None makes scenes again every time.
        text_encoder: config of a text encoder, or None for no sentence vectors.
        seed: of the random numbers of a test pipeline.
        mix_scenes: options of :class:`~unison3d.datasets.transforms.MixScenes`, which then comes
            before the pipeline. Training only. None mixes nothing.
        **kwargs: of ``mmengine.dataset.BaseDataset``: ``test_mode``, ``indices``, ...
    """

    METAINFO = {'classes': SCANNET20.classes, 'label_space': SCANNET20.name}

    def __init__(
        self,
        *,
        pipeline: Sequence[Any] = (),
        cache_dir: str | None = None,
        text_encoder: dict | None = None,
        seed: int = 0,
        mix_scenes: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if mix_scenes is not None:
            if kwargs.get('test_mode', False):
                raise ConfigError(
                    f'{type(self).__name__}: mix_scenes is {mix_scenes} with test_mode=True. '
                    'Scenes are mixed for training only; leave mix_scenes out.'
                )
            pipeline = [{'type': 'MixScenes', **mix_scenes}, *pipeline]
        self.cache_dir = None if cache_dir is None else Path(cache_dir).expanduser()
        self.seed = seed
        self._text_config = text_encoder
        self._text_encoder = None
        # Built here and not by the base class, which knows the root registry only.
        pipeline = [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline]
        super().__init__(pipeline=pipeline, **kwargs)

    def build_scene(self, info: dict) -> dict:
        """Make the sample of an entry of the list, without sentence vectors."""
        raise NotImplementedError(f'{type(self).__name__} has to define build_scene')

    def scene_key(self, info: dict) -> list:
        """Everything that decides how a scene turns out, as plain values for the cache key."""
        raise NotImplementedError(f'{type(self).__name__} has to define scene_key')

    def prepare_data(self, idx: int) -> Any:
        """Load scene ``idx`` and run the pipeline."""
        results = self.load_scene(self.get_data_info(idx))
        # A resumable sampler numbers its draws, which gives a resumed run the same augmentation.
        draw = 0 if self.test_mode else getattr(idx, 'draw', None)
        if draw is not None:
            results['rng'] = np.random.default_rng([self.seed, int(idx), draw])
        if not self.test_mode:
            results['draw_scene'] = self.draw_scene
        sample = self.pipeline(results)
        if isinstance(sample, dict):
            sample.pop('draw_scene', None)  # it would take the whole data set along
        return sample

    def draw_scene(self, rng: np.random.Generator) -> dict:
        """A scene drawn uniformly, as it enters the pipeline, for transforms that mix scenes."""
        return self.load_scene(self.get_data_info(int(rng.integers(len(self)))))

    def load_scene(self, info: dict) -> dict:
        """The sample of an entry of the list, from the cache where it is there.

        The rounding of the cache applies without a cache as well, so both give the same.
        """
        path = self._cache_path(info)
        record = None
        if path is not None and path.exists():
            try:
                record = read_record(path)
            except FileFormatError as error:
                MMLogger.get_current_instance().warning(f'{error} Making it again.')
        if record is None:
            record = to_record(self.build_scene(info))
            if path is not None:
                write_record(path, record)
        results = from_record(record)
        if self._text_config is not None:
            results['sentence_embeddings'] = self._embed(results['sentences'], path)
        return results

    def prepare(self, indices: Sequence[int] | None = None) -> None:
        """Fill the cache for some entries, all by default. Safe to run in several processes."""
        for index in range(len(self)) if indices is None else indices:
            self.load_scene(self.get_data_info(index))

    def _cache_path(self, info: dict) -> Path | None:
        if self.cache_dir is None:
            return None
        return self.cache_dir / f'{info["name"]}-{_digest(self.scene_key(info))}.npz'

    def _embed(self, sentences: list[dict], record_path: Path | None) -> np.ndarray:
        texts = [sentence['text'] for sentence in sentences]
        if self._text_encoder is None:
            self._text_encoder = TEXT_ENCODERS.build(self._text_config)
        settle = _unit if self._text_encoder.unit_rows else np.float32
        path = None
        if record_path is not None:
            key = _digest([self._text_config, texts])
            path = record_path.with_name(f'{record_path.stem}.text-{key}.npy')
            if path.exists():
                try:
                    return settle(_read_vectors(path, len(texts)))
                except FileFormatError as error:
                    MMLogger.get_current_instance().warning(f'{error} Making it again.')
        vectors = self._text_encoder.encode(texts).numpy().astype(np.float16)
        if path is not None:
            with atomic_write(path) as file:
                np.save(file, vectors)
        return settle(vectors)


def _read_vectors(path: Path, count: int) -> np.ndarray:
    vectors = read_npy_array(path)
    fits = vectors.ndim == 2 and len(vectors) == count and vectors.dtype == np.float16
    if not fits or not np.isfinite(vectors).all():
        raise FileFormatError(
            f'{path}: holds {vectors.dtype} of shape {vectors.shape}, expected a row of finite '
            f'float16 for each of {count} sentences.'
        )
    return vectors


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def _digest(values: list) -> str:
    text = json.dumps([RECORD_VERSION, values], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
