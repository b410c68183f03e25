"""Time and memory of all six tasks on one scan, and where the time goes.

    python benchmarks/infer.py ../shared/data/scannet_scene0000_00/scene0000_00_vh_clean_2.ply
    python benchmarks/infer.py SCAN --published            # published size, 2 cm, random weights
    python benchmarks/infer.py --points 150000             # a procedural scan
    python benchmarks/infer.py SCAN --device cuda --json out/infer.json

The measurement is that of ``unison3d bench``; unison3d/bench/prediction.py says what each number
is. Here the model can be of published size, and the clock that of the processor.

The model of published size has random weights, its class and sentence vectors are random too (768
numbers), and it answers open vocabulary as the sixth task. So its masks are no objects, and it says
nothing about the text tower. ``--cpu-time`` counts seconds of the processor instead of the clock,
for a machine with other work to do; use one thread, or the seconds of all threads are added up.

What was learned: see docs/speed.md.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor

from unison3d import Segmenter
from unison3d.bench import measure_prediction, measure_start_up, procedural_scan
from unison3d.io.json_files import write_json
from unison3d.models.text.base import TextEncoder
from unison3d.registry import MODELS, TEXT_ENCODERS
from unison3d.structures import SCANNET20

PUBLISHED = Path(__file__).parent.parent / 'configs/_base_/models/uniseg3d.py'


@TEXT_ENCODERS.register_module()
class RandomTextEncoder(TextEncoder):
    """A random vector of length one per phrase, always the same."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    @property
    def name(self) -> str:
        return f'random-{self._dim}'

    @property
    def dim(self) -> int:
        return self._dim

    def _encode(self, phrases: Sequence[str]) -> Tensor:
        rows = []
        for phrase in phrases:
            seed = int.from_bytes(hashlib.sha256(phrase.encode()).digest()[:4], 'little')
            rows.append(torch.randn(self._dim, generator=torch.Generator().manual_seed(seed)))
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


def published_model() -> torch.nn.Module:
    """The model of published size with random weights and the sixth task."""
    config = copy.deepcopy(Config.fromfile(PUBLISHED).model.to_dict())
    dim = config['decoder']['embedding_dim']
    encoder = {'type': 'RandomTextEncoder', 'dim': dim}
    tasks = config['tasks']
    for name in ('num_prototypes', 'embedding_dim'):
        tasks['closed_set'].pop(name)
    tasks['closed_set']['text_encoder'] = encoder
    tasks['text']['text_encoder'] = encoder
    tasks['open_vocabulary'] = {
        'type': 'OpenVocabularyTask',
        'text_encoder': encoder,
        'vocabulary': list(SCANNET20.classes),
        'postprocess': tasks['closed_set']['postprocess'],
    }
    torch.manual_seed(0)
    return MODELS.build(config)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('scan', type=Path, nargs='?', help='a file that PointScene.from_file reads')
    parser.add_argument('--points', type=int, help='points of a procedural scan instead')
    parser.add_argument('--weights', default=None, help='checkpoint; default: the shipped weights')
    parser.add_argument('--published', action='store_true', help='published size, random weights')
    parser.add_argument('--max-queries', type=int, help='max_queries_test of the closed set')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--cpu-time', action='store_true', help='seconds of the processor')
    parser.add_argument('--json', type=Path, help='also write the numbers to this file')
    options = parser.parse_args()
    if (options.scan is None) == (options.points is None):
        parser.error('give a scan or --points')
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    start_up = None
    if options.published:
        segmenter = Segmenter(published_model().to(options.device))
    else:
        segmenter = Segmenter.from_pretrained(options.weights, options.device)
        start_up = measure_start_up(options.weights, options.device)
    segmenter.model.tasks['closed_set'].make_queries.max_queries_test = options.max_queries
    with tempfile.TemporaryDirectory() as folder:
        path = options.scan or procedural_scan(Path(folder), options.points)
        report = measure_prediction(segmenter, path, repeats=options.repeats, clock=clock)
    if start_up is not None:
        print(f'start-up: {start_up:.2f} s')
    print(report.markdown())
    if options.json is not None:
        write_json(options.json, {'start_up_s': start_up, **report.as_json()})


if __name__ == '__main__':
    main()
