"""Procedural rooms as a data set."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unison3d.datasets.scene_dataset import SceneDataset
from unison3d.errors import ConfigError
from unison3d.registry import DATASETS
from unison3d.superpoints import compute_superpoints, estimate_normals


def _make_scene(seed: int, **options: Any):
    # Imported late: the generator is not needed when every scene comes from the cache.
    from unison3d.synth.sample import make_scene

    return make_scene(seed, **options)


@lru_cache(maxsize=1)
def _generator_fingerprint() -> str:
    digest = hashlib.sha256()
    for package in ('synth', 'superpoints'):
        for path in sorted((Path(__file__).parents[1] / package).glob('*.py')):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@DATASETS.register_module()
class SynthRoomsDataset(SceneDataset):
    """Rooms made by :func:`unison3d.synth.sample.make_scene`, scene ``i`` from seed ``seed + i``.

    Superpoints and normals are computed as for a bare scan, so that training sees what inference
    will see.

    Args:
        num_scenes: number of rooms.
        seed: of the first room. Keep the ranges of training and test apart.
        scene_options: options of ``make_scene``.
        normals: ``'estimate'`` from the points, ``'scan'`` keeps those of the simulated scan.
        cache_version: pins the cache. By default a change to the source of the generator or of the
            superpoints makes new scenes, so that an old world is never trained on by accident.
        endless: never show a room twice: what is asked for the n-th time comes from seed
            ``seed + n``, where the sampler numbers its draws, and else from a new range of seeds
            whenever an entry is asked for again (keep the workers alive between epochs then).
            Training only, and without a cache.
        camera_share: share of the rooms, chosen by their seeds, that are scanned with a simulated
            depth camera and fused to a mesh; the others are scanned the fast way.
        **kwargs: of :class:`SceneDataset`.

    Raises:
        ConfigError: a value out of range, or the world 'shifted', which is reserved for tests,
            without ``test_mode``.
    """

    # Which rooms the camera scans must not follow from anything else their seeds decide.
    CAMERA_STREAM = 0xCA3

    def __init__(
        self,
        num_scenes: int,
        *,
        seed: int = 0,
        scene_options: dict | None = None,
        normals: Literal['estimate', 'scan'] = 'estimate',
        cache_version: str | None = None,
        endless: bool = False,
        camera_share: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if num_scenes < 0:
            raise ConfigError(f'SynthRoomsDataset: num_scenes is {num_scenes}, expected 0 or more.')
        if normals not in ('estimate', 'scan'):
            raise ConfigError(
                f'SynthRoomsDataset: normals is {normals!r}, expected "estimate" or "scan".'
            )
        test_mode = bool(kwargs.get('test_mode', False))
        if (scene_options or {}).get('profile') == 'shifted' and not test_mode:
            raise ConfigError(
                'SynthRoomsDataset: profile "shifted" is reserved for testing. Train on "rooms" or '
                '"rooms-v1", or set test_mode=True.'
            )
        if endless and (test_mode or kwargs.get('cache_dir') is not None):
            raise ConfigError(
                'SynthRoomsDataset: endless rooms are for training without a cache; leave out '
                'test_mode and cache_dir.'
            )
        if not 0 <= camera_share <= 1:
            raise ConfigError(
                f'SynthRoomsDataset: camera_share is {camera_share}, expected 0 to 1.'
            )
        self.endless = endless
        self.camera_share = camera_share
        self._asked: Counter[int] = Counter()
        self.num_scenes = num_scenes
        self.scene_options = dict(scene_options or {})
        self.normals = normals
        self.cache_version = cache_version
        super().__init__(seed=seed, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One entry per room."""
        seeds = range(self.seed, self.seed + self.num_scenes)
        return [{'name': f'room_{seed:07d}', 'scene_seed': seed} for seed in seeds]

    def get_data_info(self, idx: int) -> dict:
        """The entry of a room; with ``endless``, of a new room every time."""
        info = super().get_data_info(idx)
        if not self.endless:
            return info
        draw = getattr(idx, 'draw', None)
        if draw is None:
            draw = int(idx) % len(self) + self._asked[int(idx)] * len(self)
            self._asked[int(idx)] += 1
        seed = self.seed + draw
        return {**info, 'name': f'room_{seed:07d}', 'scene_seed': seed}

    def draw_scene(self, rng: np.random.Generator) -> dict:
        """One of the first ``num_scenes`` rooms, also with ``endless``.

        What an endless stream has shown so far is not in a checkpoint; the generator is.
        """
        return self.load_scene(super().get_data_info(int(rng.integers(len(self)))))

    def _options(self, scene_seed: int) -> dict:
        options = dict(self.scene_options)
        draw = np.random.default_rng([scene_seed, self.CAMERA_STREAM]).random()
        if draw < self.camera_share:
            options['scanner'] = 'camera'
        return options

    def scene_key(self, info: dict) -> list:
        """Seed, options and the state of the generator."""
        version = self.cache_version or _generator_fingerprint()
        options = self._options(info['scene_seed'])
        return ['synth-rooms', version, info['scene_seed'], options, self.normals]

    def build_scene(self, info: dict) -> dict:
        """Generate and scan a room."""
        scene = _make_scene(info['scene_seed'], **self._options(info['scene_seed']))
        points = np.asarray(scene.points, np.float32)
        normals = scene.normals
        if self.normals == 'estimate' or normals is None:
            normals = estimate_normals(points)[0]
        return {
            'name': info['name'],
            'points': points,
            'colors': scene.colors,
            'normals': normals,
            'superpoints': compute_superpoints(points, scene.colors, scene.faces),
            'semantic': scene.semantic,
            'instances': scene.instances,
            'instance_semantic': np.asarray(scene.instance_semantic, np.int64),
            'instance_names': list(scene.instance_names),
            'sentences': [
                {'text': s.text, 'targets': list(s.targets), 'kind': s.kind}
                for s in scene.sentences
            ],
        }
