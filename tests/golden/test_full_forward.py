"""The whole model, from raw points to the answers of all tasks, against the reference."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import fixture_files

from unison3d.convert.uniseg3d import convert_state_dict
from unison3d.models import UnifiedSegmentor
from unison3d.structures import Prompts, SceneSample

FILES = fixture_files('uniseg3d', 'full_forward_*.npz')


def _build(arrays, config) -> UnifiedSegmentor:
    decoder, test = config['decoder'], config['test_cfg']
    postprocess = {
        'topk': test['topk_insts'],
        'mask_threshold': test['sp_score_thr'],
        'score_threshold': test['inst_score_thr'],
        'panoptic_score_threshold': test['pan_score_thr'],
        'min_points': test['npoint_thr'],
        'object_normalization': test['obj_normalization'],
        'nms': test['nms'],
        'nms_kernel': test['matrix_nms_kernel'],
        'instance_quality': config['inst_test_iou'],
        'panoptic_quality': config['pano_test_iou'],
    }
    model = UnifiedSegmentor(
        data_preprocessor={
            'type': 'ScenePreprocessor',
            'voxel_size': config['voxel_size'],
            'min_spatial_shape': config['min_spatial_shape'],
            'spatial_multiple': 1,
        },
        backbone={'type': 'SparseUNet', 'planes': config['num_planes']},
        decoder={
            'type': 'UnifiedDecoder',
            'd_model': decoder['d_model'],
            'num_heads': decoder['num_heads'],
            'num_layers': decoder['num_layers'],
            'hidden_dim': decoder['hidden_dim'],
            'embedding_dim': decoder['cls_embed_dim'],
        },
        tasks={
            'closed_set': {
                'type': 'ClosedSetTask',
                'class_embeddings': torch.from_numpy(arrays['in/cls_embed_file']),
                'postprocess': postprocess,
            },
            'click': {'type': 'ClickTask', 'postprocess': postprocess},
            'text': {
                'type': 'TextTask',
                'embedding_dim': config['text_feature_dim'],
                'postprocess': postprocess,
            },
        },
    )
    published = {
        name.removeprefix('param/'): torch.from_numpy(arrays[name])
        for name in arrays.files
        if name.startswith('param/')
    }
    state, unused = convert_state_dict(published)
    assert not unused
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert unexpected == ['links.contrastive.logit_scale']  # of a loss
    # Parts the published checkpoints do not have.
    extra = ('quality_head', 'negative_embedding', 'class_embeddings')
    assert all(any(part in name for part in extra) for name in missing)
    return model.eval()


@pytest.mark.parametrize('path', FILES)
def test_full_forward(path):
    arrays = np.load(path)
    config = json.loads(str(arrays['config_json']))
    model = _build(arrays, config)
    points = torch.from_numpy(arrays['in/points'])
    superpoints = torch.from_numpy(arrays['in/superpoints']).long()
    inputs = {
        'points': [points[:, :3]],
        'colors': [points[:, 3:] / 255],
        'superpoints': [superpoints],
    }
    batch = model.data_preprocessor({'inputs': inputs})['inputs']

    order = np.lexsort(arrays['mid/voxel_coordinates'].T[::-1])
    np.testing.assert_array_equal(batch.voxels.coordinates, arrays['mid/voxel_coordinates'][order])
    np.testing.assert_allclose(
        batch.voxels.features, arrays['mid/voxel_features'][order], atol=1e-6, rtol=0
    )
    np.testing.assert_array_equal(batch.voxels.spatial_shape, arrays['mid/spatial_shape'])
    np.testing.assert_array_equal(
        order[batch.point_to_voxel.numpy()], arrays['mid/inverse_mapping']
    )

    clicked = torch.from_numpy(arrays['pre/point_prompt_sp_ids']).long()
    num_clicks = len(clicked)
    sample = SceneSample()
    sample.prompts = Prompts(
        click_superpoints=clicked,
        click_positive=torch.ones(num_clicks, dtype=torch.bool),
        click_objects=torch.arange(num_clicks),
        click_targets=torch.from_numpy(arrays['pre/point_prompt_instance_ids']).long(),
        texts=[f'sentence {i}' for i in range(len(arrays['in/text_features']))],
        text_embeddings=torch.from_numpy(arrays['in/text_features']),
    )
    with torch.no_grad():
        features = model.encode(batch)[0]
        np.testing.assert_allclose(
            features.superpoint_features, arrays['mid/superpoint_features'], atol=2e-5, rtol=0
        )
        outputs = model.decode(features, sample, all_layers=True)
        _compare_decoder(model, outputs, arrays, config)
        model.predict_scene(features, sample)
    _compare_predictions(sample, arrays, num_clicks)


def _compare_decoder(model, outputs, arrays, config) -> None:
    closed_set = model.tasks['closed_set']
    num_layers = config['decoder']['num_layers']
    names = [f'aux{i}' for i in range(num_layers)] + ['final']
    for index, name in enumerate(names):
        layers = [output.layers[index] for output in outputs.values()]
        actual = {
            'masks': torch.cat([layer.mask_logits for layer in layers]),
            'contras_embeds': torch.cat([layer.embeddings for layer in layers]),
            'cls_preds': torch.cat([closed_set.instance_logits(layer) for layer in layers]),
        }
        tolerance = {'masks': 3e-4, 'contras_embeds': 3e-5, 'cls_preds': 1e-3, 'sem_preds': 1e-3}
        if name == 'final':
            actual['sem_preds'] = torch.cat([closed_set.semantic_logits(x) for x in layers])
        for kind, value in actual.items():
            expected = arrays[f'dec/{name}/{kind}'][:, : value.shape[1]]
            np.testing.assert_allclose(value, expected, atol=tolerance[kind], rtol=0)
    quality = closed_set.quality_head(outputs['closed_set'].final.embeddings)
    np.testing.assert_allclose(quality, arrays['dec/preds_iou'][:, 0], atol=1e-4, rtol=0)


def _compare_predictions(sample: SceneSample, arrays, num_clicks: int) -> None:
    np.testing.assert_array_equal(sample.pred_semantic, arrays['out/semantic'])
    np.testing.assert_array_equal(sample.pred_instances.masks, arrays['out/inst_masks'])
    np.testing.assert_array_equal(sample.pred_instances.labels, arrays['out/inst_labels'])
    np.testing.assert_allclose(
        sample.pred_instances.scores, arrays['out/inst_scores'], atol=5e-5, rtol=0
    )
    np.testing.assert_array_equal(sample.pred_panoptic_semantic, arrays['out/panoptic_semantic'])
    np.testing.assert_array_equal(sample.pred_panoptic_instance, arrays['out/panoptic_instance'])
    assert len(sample.pred_clicks) == num_clicks
    np.testing.assert_array_equal(sample.pred_clicks.masks, arrays['out/point_prompt_masks'])
    np.testing.assert_array_equal(sample.pred_texts.masks, arrays['out/text_prompt_masks'])
