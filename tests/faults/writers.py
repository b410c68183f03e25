"""Every function that writes files, each with something to write."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from tiny import tiny_model

from tests.test_apis.api_samples import HashEncoder, room
from tests.test_viewer.test_exporting import make_labels, make_scene
from unison3d import synth
from unison3d.apis import Segmenter, pretrained
from unison3d.cli import convert
from unison3d.cli.prompt_options import save_heat_maps
from unison3d.datasets import scene_record, write_rooms
from unison3d.datasets.prepare import PreparedScan, infos, processed
from unison3d.engine import checkpoint
from unison3d.evaluation import benchmark_files, report
from unison3d.io import CocoMask, coco, glb, json_files, npy, ply, semantickitti
from unison3d.io.pieces import ArrayPieces, write_npz_pieces, write_ply_pieces
from unison3d.models.text import CachedTextEncoder
from unison3d.synth import label_table, scan_job
from unison3d.viewer import render, share
from unison3d.viewer.exporting import FORMATS, export_labels
from unison3d.viewer.journal import Journal, SceneIdentity
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.labels import SceneLabels
from unison3d.viewer.view_camera import Eye

SCENE = make_scene()
IDS = np.arange(100)
MASK = IDS % 7 < 3
NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
TENSORS = {'a': torch.arange(600.0), 'b': torch.ones(3, 5)}


@dataclass
class Writer:
    """Something that writes below a folder.

    Args:
        covers: ``room.module:function`` of what is tried by it.
        write: writes into the folder; the same bytes each time.
        slow: a few positions have to do.
        replaces: writes where there was something already.
    """

    covers: str
    write: Callable[[Path], object]
    slow: bool = False
    replaces: bool = True

    def __str__(self) -> str:
        return self.covers


@cache
def result():
    model = tiny_model()
    model.tasks['text']._text_encoder = HashEncoder()
    segmenter = Segmenter(model)
    scene = segmenter.set_scene(room(300))
    return segmenter.predict(clicks=[scene.points[3]])


@cache
def scores():
    from unison3d.apis.phrase_scores import PhraseScores
    from unison3d.structures import InstanceMasks

    scene = room(60).replace(superpoints=np.arange(60) // 6)
    masks = InstanceMasks(torch.eye(2, 10) > 0, torch.arange(60) // 6, torch.zeros(2).long(),
                          torch.ones(2))  # fmt: skip
    cells = np.random.default_rng(0).random((10, 2), dtype=np.float32)
    return PhraseScores(scene, ('a', 'b'), cells, masks, np.ones((2, 2), np.float32))


@cache
def numbers():
    return report.EvaluationReport(
        source={'config': 'a.py'}, numbers={f'm{i}': i / 7 for i in range(40)}, notes=['a'],
        tables=[], scenes=[],
    )  # fmt: skip


def translation():
    return types.SimpleNamespace(tensors=TENSORS, report=types.SimpleNamespace(layout='bare'))


def prepared(folder: Path) -> None:
    scan = PreparedScan(
        SCENE.points, np.zeros((100, 3), np.uint8), semantic_ids=IDS % 3, instance_ids=IDS % 4,
        superpoints=IDS // 5,
    )  # fmt: skip
    processed.write_scan(folder, 'a', scan, None)


def cached_phrases(folder: Path) -> None:
    CachedTextEncoder(HashEncoder(), folder).encode(['sofa', 'lamp'])


def labels_by_journal(folder: Path) -> None:
    labels = SceneLabels(100)
    with closing(Journal.open(folder / 'a.jsonl', labels, SceneIdentity.of(SCENE))):
        labels.apply(Draw(IDS[:30], name='chair'))


def export(kind: str, folder: Path) -> None:
    export_labels(SCENE, make_labels(), folder / f'a{FORMATS[kind]}', kind)


MADE_SCAN = cache(scan_job.make_scan)


def scans(folder: Path) -> None:
    # What is written takes seconds to make, and is the same each time.
    made = MADE_SCAN(12, image_width=64)
    with patch.object(scan_job, 'make_scan', lambda *args, **options: copy.deepcopy(made)):
        list(scan_job.write_scans(folder, 1, seed=12, image_width=64, overwrite=True))


MADE_ROOM = cache(synth.make_scene)


def demo_rooms(folder: Path) -> None:
    with patch('unison3d.synth.make_scene', MADE_ROOM):
        list(write_rooms(folder, 1, seed=3, overwrite=True))


def to_file(covers: str, write: Callable, name: str, *args: object, **options: object) -> Writer:
    """One that takes the path of its file first."""
    return Writer(covers, lambda folder: write(folder / name, *args, **options))


def turned(covers: str, write: Callable, name: str, *args: object, **options: object) -> Writer:
    """A method of something that is made when it is needed: ``write()`` gives it."""
    return Writer(covers, lambda folder: write()(folder / name, *args, **options))


MODEL = cache(tiny_model)


def pieces() -> list[dict[str, np.ndarray]]:
    return [{'points': SCENE.points[:40]}, {'points': SCENE.points[40:]}]


def npz_pieces(path: Path) -> None:
    array = ArrayPieces(NOISE.dtype, NOISE.shape, [NOISE[:10], NOISE[10:]])
    write_npz_pieces(path, {'a': array})


def model_folder(folder: Path) -> None:
    pretrained.write_folder(folder / 'model', MODEL(), {'model': '{}'}, 'a card')


MASKS = [CocoMask(MASK, 5, 0.5, 'chair')] * 5
INFOS = [{'a': 1}, [{'b': list(range(300))}]]
EYE = Eye(np.array([3.0, 0, 2]), np.zeros(3))
WRITERS = [
    to_file('io.json_files:write_json', json_files.write_json, 'a.json', list('abc') * 99),
    to_file('io.npy:write_npz', npy.write_npz, 'a.npz', {'a': NOISE}),
    to_file('io.npy:write_npz_scene', npy.write_npz_scene, 'a.npz', SCENE.points),
    to_file('io.ply:write_ply', ply.write_ply, 'a.ply', SCENE.points, faces=SCENE.faces),
    Writer('io.pieces:write_ply_pieces', lambda f: write_ply_pieces(f / 'a.ply', 100, pieces())),
    to_file('io.pieces:write_npz_pieces', npz_pieces, 'a.npz'),
    to_file('io.glb:write_glb', glb.write_glb, 'a.glb', [glb.GlbPart('a', SCENE.points)]),
    to_file('io.coco:write_coco_masks', coco.write_coco_masks, 'a.json', MASKS, num_points=100,
            categories={5: 'chair'}),
    to_file('io.semantickitti:write_semantickitti_labels',
            semantickitti.write_semantickitti_labels, 'a.label', IDS, IDS),
    to_file('structures.point_scene:save', SCENE.save, 'a.ply'),
    Writer('evaluation.report:write_report', lambda f: report.write_report(f, numbers())),
    to_file('evaluation.benchmark_files:write_benchmark_ids',
            benchmark_files.write_benchmark_ids, 'a.txt', IDS),
    to_file('evaluation.benchmark_files:write_benchmark_predictions',
            benchmark_files.write_benchmark_predictions, 'a.txt', [(MASK, 5, 0.5)]),
    to_file('engine.checkpoint:save_weights', checkpoint.save_weights, 'a.safetensors', TENSORS),
    to_file('engine.checkpoint:write_checkpoint', checkpoint.write_checkpoint, 'a.pth', TENSORS),
    to_file('cli.convert:write_ours', convert.write_ours, 'a.safetensors', translation(), {}),
    Writer('cli.prompt_options:save_heat_maps', lambda f: save_heat_maps(scores(), f)),
    turned('apis.phrase_scores:save_npz', lambda: scores().save_npz, 'a.npz'),
    turned('apis.phrase_scores:save_heat_map', lambda: scores().save_heat_map, 'a.ply', 'a'),
    turned('apis.scene_result:save', lambda: result().save, '', overwrite=True,
           export=['glb', 'coco', 'scannet']),
    Writer('apis.pretrained:write_folder', model_folder, slow=True, replaces=False),
    Writer('datasets.rooms:write_rooms', demo_rooms, slow=True),
    to_file('datasets.scene_record:write_record', scene_record.write_record, 'a.npz', {'a': NOISE}),
    Writer('datasets.prepare.processed:write_scan', prepared),
    to_file('datasets.prepare.infos:write_infos', infos.write_infos, 'a.pkl', *INFOS),
    to_file('synth.label_table:write_label_table', label_table.write_label_table, 'a.tsv'),
    Writer('synth.scan_job:write_scans', scans, slow=True),
    Writer('models.text.cached:encode', cached_phrases),
    to_file('viewer.render:save_png', render.save_png, 'a.png', NOISE),
    to_file('viewer.share:write_animation', share.write_animation, 'a.gif', [NOISE] * 3),
    to_file('viewer.share:write_page', share.write_page, 'a.html', SCENE.points,
            np.zeros((100, 3), np.uint8), eye=EYE),
    *(Writer('viewer.exporting:export_labels', partial(export, kind)) for kind in FORMATS),
]  # fmt: skip
#: What is reached through one of the above, or writes no files.
ELSEWHERE = {
    'apis.exports:write_exports': 'apis.scene_result:save',
    'apis.result_files:save': 'apis.scene_result:save',
    # A work file that a run goes on from after a stop: complete or not there.
    'apis.tiles.store:write_superpoints': 'io.atomic:atomic_path',
    'apis.segmenter:save_pretrained': 'apis.pretrained:write_folder',
    'cli.infer_many:write_summary': 'io.json_files:write_json',
    'cli.convert:write_theirs': 'engine.checkpoint:write_checkpoint',
    'engine.runner:save_checkpoint': 'engine.checkpoint:write_checkpoint',
    'synth.scannet_layout:write_scan': 'synth.scan_job:write_scans',
    'viewer.panel_save:export': 'viewer.exporting:export_labels',
    'synth.sentences:write_sentences': 'gives a list of sentences',
}
