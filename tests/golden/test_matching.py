"""The sparse matcher and the semantic loss against recorded pairs, costs and values."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import fixture_files

from unison3d.models.matchers import SparseMatcher

FILES = fixture_files('uniseg3d', 'losses*.npz')


def _cases(path):
    arrays = np.load(path)
    return arrays, json.loads(str(arrays['config_json']))


def _num_scenes(arrays, case: str) -> int:
    count = 0
    while f'{case}/in/gt/scene{count}/sp_masks' in arrays.files:
        count += 1
    return count


@pytest.mark.parametrize('path', FILES)
def test_matched_pairs_and_costs(path):
    arrays, config = _cases(path)
    costs = config['inst']['matcher_costs']
    base_matcher = SparseMatcher(config['inst']['topk'], costs['cls'], costs['bce'], costs['dice'])
    ov_costs = config['inst']['ov_matcher_costs']
    ov_matcher = SparseMatcher(config['inst']['topk'], 0.0, ov_costs['bce'], ov_costs['dice'])
    layers = ['final'] + [f'aux{i}' for i in range(config['num_aux_layers'])]
    checked = 0
    for case in config['cases']:
        for scene in range(_num_scenes(arrays, case)):
            gt = f'{case}/in/gt/scene{scene}'
            masks = torch.from_numpy(arrays[f'{gt}/sp_masks'])
            novel = torch.from_numpy(arrays[f'{gt}/is_novel'])
            num_semantic = config['num_semantic_classes'] + 1
            instance_rows = torch.arange(len(masks)) < len(masks) - num_semantic
            on_target = torch.from_numpy(arrays[f'{gt}/query_masks'])
            labels = torch.from_numpy(arrays[f'{gt}/labels_3d'])
            base, ov = instance_rows & ~novel, instance_rows & novel
            for layer in layers:
                pred = f'{case}/in/query/{layer}/scene{scene}'
                logits = torch.from_numpy(arrays[f'{pred}/masks'])
                classes = torch.from_numpy(arrays[f'{pred}/cls_preds'])
                out = f'{case}/out/match'
                arguments = (logits, masks[base], on_target[base], classes, labels[base])
                query_ids, gt_ids = base_matcher(*arguments)
                checked += _compare(arrays, f'{out}/base/{layer}/scene{scene}', query_ids, gt_ids)
                _compare_cost(
                    arrays,
                    f'{out}/base/{layer}/scene{scene}',
                    lambda a=arguments: base_matcher.cost(*a),
                )
                left = torch.ones(len(logits), dtype=torch.bool)
                left[query_ids] = False
                arguments = (logits[left], masks[ov], on_target[ov][:, left])
                query_ids, gt_ids = ov_matcher(*arguments)
                checked += _compare(arrays, f'{out}/ov/{layer}/scene{scene}', query_ids, gt_ids)
                _compare_cost(
                    arrays,
                    f'{out}/ov/{layer}/scene{scene}',
                    lambda a=arguments: ov_matcher.cost(*a),
                )
    assert checked > 0


def _compare(arrays, key: str, query_ids, gt_ids) -> int:
    if f'{key}/query_idx' not in arrays.files:
        return 0
    np.testing.assert_array_equal(query_ids, arrays[f'{key}/query_idx'])
    np.testing.assert_array_equal(gt_ids, arrays[f'{key}/gt_idx'])
    return 1


def _compare_cost(arrays, key: str, cost) -> None:
    if f'{key}/cost' in arrays.files and arrays[f'{key}/cost'].size:
        np.testing.assert_allclose(cost(), arrays[f'{key}/cost'], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('path', FILES)
def test_semantic_loss(path):
    arrays, config = _cases(path)
    num_classes = config['num_semantic_classes']
    for case in config['cases']:
        terms = []
        for scene in range(_num_scenes(arrays, case)):
            logits = torch.from_numpy(arrays[f'{case}/in/query/final/scene{scene}/sem_preds'])
            rows = arrays[f'{case}/in/gt/scene{scene}/query_masks'][-(num_classes + 1) :]
            targets = torch.from_numpy(rows.argmax(axis=0))
            terms.append(
                F.cross_entropy(logits[:, :num_classes], targets, ignore_index=num_classes)
            )
        expected = arrays[f'{case}/out/loss/seg_loss']
        actual = config['sem']['loss_weight'] * torch.stack(terms).mean()
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
