"""Hand-made rooms as a data set, and a training of the tiny model on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from test_datasets.fakes import fake_results

from tests.test_engine.toy import make_runner
from tests.tiny import EMBEDDING_DIM, tiny_model
from unison3d.datasets.scene_dataset import SceneDataset
from unison3d.engine import SafeRunner
from unison3d.registry import DATASETS

PIPELINE = (
    {'type': 'SuperpointTargets'},
    {'type': 'SampleClicks', 'mode': 'train', 'max_objects': 4},
    {'type': 'SampleSentences', 'max_texts': 4},
    {'type': 'PackScene'},
)


@DATASETS.register_module()
class FakeScenes(SceneDataset):
    """Four rooms of 6900 points, each with four objects and seven sentences.

    Args:
        bare: without objects and sentences, so that nothing can be clicked or asked for.
    """

    def __init__(self, bare: bool = False, **options: Any) -> None:
        self.bare = bare
        super().__init__(**{'pipeline': PIPELINE, **options})

    def load_data_list(self) -> list[dict]:
        return [{'name': f'room_{seed}', 'seed': seed} for seed in range(4)]

    def build_scene(self, info: dict) -> dict:
        results = fake_results(info['seed'], embeddings=False)
        if self.bare:
            results['instances'][:] = -1
            results.update(instance_semantic=np.zeros(0, np.int64), instance_names=[], sentences=[])
        return results

    def load_scene(self, info: dict) -> dict:
        results = super().load_scene(info)
        rng = np.random.default_rng(info['seed'])
        vectors = rng.normal(size=(len(results['sentences']), EMBEDDING_DIM)).astype(np.float32)
        results['sentence_embeddings'] = vectors / EMBEDDING_DIM**0.5
        return results


def scene_runner(
    work_dir, max_iters: int = 2, dataset: dict | None = None, **changes
) -> SafeRunner:
    """A training of the tiny model with all tasks."""
    loader = {
        'batch_size': 2,
        'num_workers': 0,
        'dataset': {'type': 'FakeScenes', **(dataset or {})},
        'sampler': {'type': 'ResumableSampler'},
    }
    torch.manual_seed(0)
    settings = {
        'model': tiny_model(),
        'train_dataloader': loader,
        'param_scheduler': None,
        'val_dataloader': None,
        'val_cfg': None,
        'val_evaluator': None,
        **changes,
    }
    return make_runner(work_dir, {'by_epoch': False, 'max_iters': max_iters}, **settings)
