"""Matched pairs and their costs against recorded ones, for objects and for pseudo masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import fixture_files

from tests.golden.recorded_losses import Recording, instance_rows
from unison3d.models.matchers import SparseMatcher

FILES = fixture_files('uniseg3d', 'losses*.npz')


@pytest.fixture(params=FILES)
def recording(request) -> Recording:
    return Recording.load(request.param)


def test_matched_pairs_and_costs(recording):
    inst = recording.config['inst']
    costs, ov_costs = inst['matcher_costs'], inst['ov_matcher_costs']
    base_matcher = SparseMatcher(inst['topk'], costs['cls'], costs['bce'], costs['dice'])
    ov_matcher = SparseMatcher(inst['topk'], 0.0, ov_costs['bce'], ov_costs['dice'])
    compared = set()
    for case in recording.config['cases']:
        for scene in range(recording.num_scenes(case)):
            gt = f'{case}/in/gt/scene{scene}'
            masks = recording.tensor(f'{gt}/sp_masks')
            on_target = recording.tensor(f'{gt}/query_masks')
            labels = recording.tensor(f'{gt}/labels_3d')
            base, ov = instance_rows(recording.tensor(f'{gt}/is_novel'), recording.num_classes)
            for layer in recording.layers:
                pred = f'{case}/in/query/{layer}/scene{scene}'
                logits = recording.tensor(f'{pred}/masks')
                classes = recording.tensor(f'{pred}/cls_preds')
                arguments = (logits, masks[base], on_target[base], classes, labels[base])
                place = f'{layer}/scene{scene}'
                key = f'{case}/out/match/base/{place}'
                query_ids, keys = _compare(recording, key, base_matcher, arguments)
                compared |= keys
                left = torch.ones(len(logits), dtype=torch.bool)
                left[query_ids] = False
                arguments = (logits[left], masks[ov], on_target[ov][:, left])
                key = f'{case}/out/match/ov/{place}'
                compared |= _compare(recording, key, ov_matcher, arguments)[1]
    assert compared == recording.keys('out/match')


def _compare(
    recording: Recording, key: str, matcher: SparseMatcher, arguments
) -> tuple[torch.Tensor, set[str]]:
    """Compare pairs, and costs (recorded for the last layer).

    Returns:
        The matched queries and the names of the arrays compared.
    """
    arrays = recording.arrays
    query_ids, gt_ids = matcher(*arguments)
    np.testing.assert_array_equal(query_ids, arrays[f'{key}/query_idx'])
    np.testing.assert_array_equal(gt_ids, arrays[f'{key}/gt_idx'])
    compared = {f'{key}/query_idx', f'{key}/gt_idx'}
    if '/final/' in key or f'{key}/cost' in arrays.files:
        expected = arrays[f'{key}/cost']
        np.testing.assert_allclose(matcher.cost(*arguments), expected, rtol=1e-5, atol=1e-6)
        compared.add(f'{key}/cost')
    return query_ids, compared
