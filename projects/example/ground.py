"""Where is the ground? A data set, transform, backbone, task and metric outside of the package."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from unison3d.datasets import SceneDataset
from unison3d.datasets.transforms.sample_edit import sample_rng
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy
from unison3d.models.decoders import QueryBlock
from unison3d.models.tasks import Task, TaskRows
from unison3d.registry import DATASETS, METRICS, MODELS, TRANSFORMS

GROUND, LEAF = 1, 19  # 'floor' and 'otherfurniture' among the classes of ScanNet


@DATASETS.register_module()
class HillsDataset(SceneDataset):  # wavy ground and leaves above it; superpoints are cells of 50 cm
    def load_data_list(self):
        return [{'name': f'hill_{seed}', 'scene': seed} for seed in range(self.seed, self.seed + 8)]

    def scene_key(self, info):
        return ['hills', info['scene']]

    def build_scene(self, info):
        rng = np.random.default_rng(info['scene'])
        points = rng.uniform([0, 0, 0.5], [4, 4, 2], (3000, 3)).astype(np.float32)
        semantic = np.repeat([GROUND, LEAF], [2000, 1000])
        points[:2000, 2] = 0.2 * np.sin(2 * points[:2000, 0] + rng.uniform(0, 6))
        cells = np.column_stack([np.floor(2 * points), semantic])
        superpoints = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)
        labels = dict(semantic=semantic, instances=np.full(3000, -1), instance_names=[])
        labels.update(instance_semantic=np.zeros(0, int), sentences=[])
        return dict(**info, points=points, normals=0 * points, superpoints=superpoints, **labels)


@TRANSFORMS.register_module()
class TiltScene:  # a scanner held askew
    def __init__(self, degrees=10.0):
        self.angle = np.deg2rad(degrees)

    def __call__(self, results):
        angle = sample_rng(results).uniform(-self.angle, self.angle)
        turn = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
        return {**results, 'points': results['points'] @ np.array(turn, np.float32).T}


@MODELS.register_module()
class PointwiseBackbone(nn.Sequential):  # looks at every voxel by itself
    def __init__(self, in_channels, out_channels=32):
        super().__init__(nn.Linear(in_channels, 64), nn.ReLU(), nn.Linear(64, out_channels))
        self.out_channels = out_channels

    def forward(self, voxels):
        return voxels.replace(super().forward(voxels.features))


@MODELS.register_module()
class GroundTask(Task):  # one query, put at the lowest superpoint; its mask is the ground
    row_group = 'ground'

    def __init__(self, in_channels, d_model):
        super().__init__(in_channels)
        self.question = nn.Parameter(torch.zeros(in_channels))

    def queries(self, features, sample):
        lowest = features.positions[:, 2].argmin()[None]
        rows = features.superpoint_features[lowest] + self.question
        return TaskRows(QueryBlock(rows, positions=features.positions[lowest]), lowest)

    def loss(self, outputs, features, samples):
        losses = []
        for output, sample in zip(outputs, samples):
            truth = (sample.sp_semantic == GROUND).float()
            losses += [bce(layer.mask_logits[0], truth) for layer in output.layers]
        return {'loss_ground': torch.stack(losses).mean()}

    def predict(self, output, features, sample):
        sample.pred_ground = (output.final.mask_logits[0] > 0)[features.superpoints]


@METRICS.register_module()
class GroundMetric(SceneMetric):  # ground/IoU, the mean over the scenes
    default_prefix, required = 'ground', ('gt_semantic', 'pred_ground')

    def score(self, sample):
        truth, found = as_numpy(sample['gt_semantic']) == GROUND, as_numpy(sample['pred_ground'])
        return (truth & found).sum() / max((truth | found).sum(), 1)

    def reduce(self, results):
        return {'IoU': float(np.mean(results))}
