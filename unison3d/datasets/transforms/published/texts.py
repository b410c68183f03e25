"""Sentences as prompts."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unison3d.datasets.transforms.published.profile import Profile, check_profile
from unison3d.datasets.transforms.sample_edit import sample_rng
from unison3d.datasets.transforms.superpoint_targets import majority_masks
from unison3d.errors import ConfigError, SceneError
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AddTextPrompts:
    """Choose sentences of ``text_info`` and the superpoints that they mean.

    Adds ``text_prompts`` (T sentences), ``label_text`` (T,) thing classes, ``text_object_id``
    (T,), ``gt_text_prompt`` (T, S) and, where ``text_info`` has tokens, ``text_token`` (T, 77).

    Args:
        mode: ``'train'`` takes the objects in random order and one random sentence of each;
            ``'test'`` takes every sentence in stored order.
        profile: ``'published'`` gives float32 arrays in training and fails on a sentence whose
            object is no instance; by default arrays are int64 and bool, and such sentences are
            left out. Keys are read as integers in both; the published code evaluates them.
    """

    def __init__(
        self, mode: Literal['train', 'test'] = 'train', profile: Profile = 'corrected'
    ) -> None:
        if mode not in ('train', 'test'):
            raise ConfigError(f'AddTextPrompts: mode is {mode!r}, expected "train" or "test".')
        self.mode = mode
        self.as_published = check_profile(self, profile)

    def __call__(self, results: dict) -> dict:
        text_info = results.get('text_info') or {}
        if results.get('gt_sp_masks') is None:  # no labels, so nobody knows what is meant
            text_info = {}
        choose = self._train if self.mode == 'train' else self._test
        chosen = list(choose(results, text_info))
        results['text_prompts'] = [value['text'][row] for _, value, row, _ in chosen]
        ids = [key for key, *_ in chosen]
        labels = [_label(results, key, value) for key, value, _, _ in chosen]
        masks = [mask for *_, mask in chosen]
        kinds = (np.int64, bool)
        if self.as_published and self.mode == 'train':
            kinds = (np.float32, np.float32)
        results['label_text'] = np.array(labels, kinds[0])
        results['text_object_id'] = np.array(ids, kinds[0])
        stacked = np.stack(masks) if masks else np.zeros((0, _num_superpoints(results)), bool)
        results['gt_text_prompt'] = stacked.astype(kinds[1])
        if all('text_token' in value for _, value, _, _ in chosen):
            tokens = [np.asarray(value['text_token'][row]) for _, value, row, _ in chosen]
            results['text_token'] = np.stack(tokens) if tokens else np.zeros((0, 77), np.int64)
        return results

    def _train(self, results: dict, text_info: dict):
        rng = sample_rng(results)
        keys = [key for key in text_info if len(text_info[key]['text'])]
        for place in rng.permutation(len(keys)):
            value = text_info[keys[place]]
            row = int(rng.choice(len(value['text'])))
            mask = self._instance_row(results, int(keys[place]))
            if mask is not None:
                yield int(keys[place]), value, row, mask

    def _test(self, results: dict, text_info: dict):
        superpoints = results['sp_pts_mask']
        for key, value in text_info.items():
            if value.get('pts_id') is not None:
                inside = np.zeros(len(superpoints), np.int64)
                inside[_checked_points(results, key, value['pts_id'])] = 1
                mask = majority_masks(inside, superpoints, 2)[1]
            else:
                mask = self._instance_row(results, int(key))
            if mask is not None:
                for row in range(len(value['text'])):
                    yield int(key), value, row, mask

    def _instance_row(self, results: dict, object_id: int) -> np.ndarray | None:
        rows = np.flatnonzero(results['pts_instance_objextId'] == object_id)
        if len(rows):
            return results['gt_sp_masks'][rows[0]].astype(bool)
        if self.as_published:
            raise SceneError(
                f'{results.get("name", "scene")}: a sentence means object {object_id}, which is '
                'no instance. Use profile="corrected" to leave such sentences out.'
            )
        return None


def _num_superpoints(results: dict) -> int:
    return int(results['sp_pts_mask'].max(initial=-1)) + 1


def _checked_points(results: dict, key: str, points: np.ndarray) -> np.ndarray:
    points, count = np.asarray(points, np.int64), len(results['sp_pts_mask'])
    if len(points) and (points.min() < 0 or points.max() >= count):
        raise SceneError(
            f'{results.get("name", "scene")}: pts_id of object {key} reaches from {points.min()} '
            f'to {points.max()}, but the scene has {count} points. The info file belongs to '
            'another version of the scan.'
        )
    return points


def _label(results: dict, key: int, value: dict) -> int:
    if value.get('label_id') is None:
        raise SceneError(
            f'{results.get("name", "scene")}: text_info of object {key} has no label_id (thing '
            'class from 0). Prepare the info file again.'
        )
    return int(value['label_id'])
