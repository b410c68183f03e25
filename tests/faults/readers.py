"""Every reader with a good file, and how files are damaged at random: for tests and long runs."""

from __future__ import annotations

import importlib.util
import io
import json
import pickle
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.faults.good_files import GOOD
from tests.faults.test_malformed_scans import GROUPS, INFO, SCAN, SEGMENTS, TABLE, scan_files
from tests.test_io.frame_samples import SAMPLES
from unison3d.datasets.prepare import read_infos
from unison3d.datasets.prepare.job import read_sentences
from unison3d.errors import Unison3DError
from unison3d.evaluation.benchmark_files import (
    read_benchmark_predictions,
    write_benchmark_predictions,
)
from unison3d.io import (
    CocoMask,
    read_coco_masks,
    read_json,
    read_npy_array,
    read_npz_arrays,
    read_scannet_folder,
    read_semantickitti_labels,
    write_coco_masks,
    write_semantickitti_labels,
)
from unison3d.io.images import read_color_image, read_depth_image
from unison3d.io.restricted_pickle import read_pickle
from unison3d.io.tensor_files import read_checkpoint, read_weights
from unison3d.models.text.bank import TextBank
from unison3d.structures import PointScene, read_frames
from unison3d.viewer.journal import Journal, SceneIdentity
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.labels import SceneLabels

#: Memory beyond what compression may do with the bytes of the file.
GROWTH, CONSTANT = 1100, 16 << 20
Files = dict[str, bytes]


@dataclass
class Reader:
    """A reader and a file it reads.

    Args:
        name: of the reader.
        file: place of the file that is damaged, below a folder.
        make: its content, whole.
        read: is given the path of the file.
        needs: a package without which it cannot be tried.
        others: files that belong to it and stay whole.
    """

    name: str
    file: str
    make: Callable[[], bytes]
    read: Callable[[Path], object]
    needs: str | None = None
    others: Callable[[], Files] = field(default=dict)

    def missing(self) -> bool:
        """Whether the package is not there."""
        return self.needs is not None and importlib.util.find_spec(self.needs) is None

    def __str__(self) -> str:
        return self.name


class TooMuchMemory(Exception):
    """A file made its reader allocate far more than it has bytes."""


def try_file(reader: Reader, data: bytes, folder: Path) -> bool:
    """Read a damaged file; anything but our own errors comes through.

    Returns:
        Whether it was read.
    """
    path = folder / reader.file
    for name, content in ({reader.file: data} | _others(reader)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name == reader.file or not (folder / name).exists():
            (folder / name).write_bytes(content)
    tracemalloc.start()
    try:
        reader.read(path)
    except Unison3DError as error:
        if len(str(error)) > 3000:
            raise ValueError(f'a message of {len(str(error)):,} letters') from error
        return False
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if peak > GROWTH * len(data) + CONSTANT:
            raise TooMuchMemory(f'{peak:,} bytes for a file of {len(data):,}')
    return True


def _others(reader: Reader) -> Files:
    return {name: data for name, data in reader.others().items() if name != reader.file}


_NUMBERS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
_WORDS = (b'-1', b'0', b'99999999999', b'1e400', b'nan', b'null', b'[', b'{}', b'""', b'\0', b'../')


def change(good: bytes, seed: int | Sequence[int]) -> bytes:
    """One to four changes; the same for a seed."""
    rng, data = np.random.default_rng(seed), bytearray(good)
    for _ in range(rng.integers(1, 5)):
        # Most of what readers believe stands at the beginning.
        top = len(data) if rng.random() < 0.5 else min(len(data), 256)
        place = int(rng.integers(0, top + 1))
        length = int(rng.integers(1, 1 + min(64, max(len(data), 1))))
        kind = rng.integers(0, 7)
        if kind == 0 and data:
            data[min(place, len(data) - 1)] = rng.integers(0, 256)
        elif kind == 1:
            width = int(rng.choice([1, 2, 4, 8]))
            number = _NUMBERS[rng.integers(len(_NUMBERS))] % 2 ** (8 * width)
            data[place : place + width] = number.to_bytes(width, rng.choice(['little', 'big']))
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[place : place + length] * int(rng.integers(1, 4))
        elif kind == 4:
            word = _WORDS[rng.integers(len(_WORDS))]
            data[place : place + int(rng.integers(0, len(word) + 1))] = word
        elif kind == 5:
            # A number in a text becomes another one.
            digits = [i for i in range(place, min(place + 200, len(data))) if 48 <= data[i] < 58]
            if digits:
                data[digits[0] : digits[0] + 1] = _WORDS[rng.integers(6)]
        elif rng.random() < 0.3:
            del data[place:]
    return bytes(data)


# ---------------------------------------------------------------------------- good files


@cache
def torch_file(legacy: bool) -> bytes:
    content = {
        'state_dict': {'a': torch.arange(12.0).reshape(3, 4).t(), 'b': torch.ones(2).half()},
        'meta': {'epoch': 3, 'text': 'a', 'list': [1, 2.5, None, (True,)]},
    }
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


@cache
def weights() -> bytes:
    from safetensors.torch import save

    return save({'a': torch.arange(12.0).reshape(3, 4), 'b': torch.ones(2)}, {'model': '{}'})


@cache
def written(kind: str) -> bytes:
    """What our own writers write."""
    import tempfile

    ids, mask = np.arange(40), np.arange(40) % 7 < 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == 'coco':
            masks, names = [CocoMask(mask, 5, 0.5, 'chair')], {5: 'chair'}
            path = folder / 'a.json'
            write_coco_masks(path, masks, num_points=40, categories=names)
        elif kind == 'labels':
            path = folder / 'a.label'
            write_semantickitti_labels(path, ids, ids)
        elif kind in ('predictions', 'mask'):
            path = folder / ('a.txt' if kind == 'predictions' else 'predicted_masks/a_000.txt')
            write_benchmark_predictions(folder / 'a.txt', [(mask, 5, 0.5)])
        else:
            path, labels = folder / 'a.jsonl', SceneLabels(40)
            with closing(Journal.open(path, labels, IDENTITY)):
                labels.apply(Draw(np.arange(20), name='chair'))
                labels.apply(Draw(np.arange(10, 30), name='table'))
        return path.read_bytes()


IDENTITY = SceneIdentity.of(PointScene(np.zeros((40, 3), np.float32), name='a'))


def infos() -> dict:
    entry = {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': 'a.bin'}, 'num_points': 5,
        'super_pts_path': 'a.bin', 'axis_align_matrix': np.eye(4),
        'instances': [{'bbox_3d': [0.0] * 6, 'bbox_label_3d': 1}],
    }  # fmt: skip
    return {'metainfo': {'categories': {'chair': 0}}, 'data_list': [entry]}


def sentences() -> bytes:
    row = {'scene_id': 'a', 'object_id': '1', 'ann_id': '0', 'description': 'the chair'}
    return json.dumps([row] * 2).encode()


def picture(mode: str, kind: str) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 250, (9, 12, 3)).astype(np.uint8)
    array = noise if mode == 'RGB' else noise[..., 0].astype(np.uint16) * 9
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def journal(path: Path) -> None:
    with closing(Journal.open(path, SceneLabels(40), IDENTITY)):
        pass


def every_image(path: Path, up: int) -> None:
    for frame in read_frames(path.parents[up - 1]):
        if frame.color is not None:
            frame.read_color()
        if frame.depth is not None:
            frame.read_depth()


def captures() -> list[Reader]:
    """The files with numbers of every layout of captures."""
    found = []
    for layout, files in SAMPLES.items():
        for name in files():
            if Path(name).suffix in ('.json', '.txt', '.bin', '.npy', '.sens', '.traj', '.pincam'):
                read = partial(every_image, up=len(Path(name).parts))
                place = f'{layout}/{name}'
                others = partial(_below, layout, files)
                make = partial(_one, files, name)
                found.append(Reader(f'{layout}:{name}', place, make, read, others=others))
    # Frames of one kind are read alike.
    first = {(r.name.split(':')[0], Path(r.file).suffix, Path(r.file).parent): r for r in found}
    return list(first.values())


def _below(folder: str, files: Callable[[], Files]) -> Files:
    return {f'{folder}/{name}': data for name, data in files().items()}


def _one(files: Callable[[], Files], name: str) -> bytes:
    return files()[name]


def scan_folder(name: str) -> Reader:
    return Reader(
        f'scannet:{name}', f'{SCAN}/{name}', lambda: scan_files()[name],
        lambda path: read_scannet_folder(path.parent), others=partial(_below, SCAN, scan_files),
    )  # fmt: skip


def npz_bank() -> bytes:
    vectors = torch.nn.functional.normalize(torch.randn(2, 8, generator=torch.manual_seed(0)))
    return TextBank(('a', 'b'), vectors, 'hash').to_bytes()


READERS = [
    *(Reader(f'scene:{g.name}', g.name, g.make, PointScene.from_file, g.needs) for g in GOOD),
    *map(scan_folder, (SEGMENTS, GROUPS, INFO, TABLE)),
    Reader('infos', 'infos.pkl', lambda: pickle.dumps(infos(), 4), read_infos),
    Reader('infos_json', 'infos.json', lambda: json.dumps(infos(), default=np.ndarray.tolist)
           .encode(), read_infos),
    Reader('pickle', 'a.pkl', lambda: pickle.dumps([infos(), torch.ones(3)], 2), read_pickle),
    Reader('checkpoint', 'a.pth', lambda: torch_file(False), read_checkpoint),
    Reader('checkpoint_objects', 'b.pth', lambda: torch_file(False),
           partial(read_checkpoint, skip_objects=True)),
    Reader('checkpoint_legacy', 'old.pth', lambda: torch_file(True), read_checkpoint),
    Reader('weights', 'a.safetensors', weights, read_weights),
    Reader('bank', 'bank.npz', npz_bank, TextBank.read),
    Reader('npy', 'array.npy', next(g.make for g in GOOD if g.name == 'table.npy'), read_npy_array),
    Reader('npz', 'arrays.npz', next(g.make for g in GOOD if g.name == 'packed.npz'),
           read_npz_arrays),
    Reader('json', 'b.json', lambda: json.dumps(infos(), default=np.ndarray.tolist).encode(),
           read_json),
    Reader('coco', 'coco.json', lambda: written('coco'), partial(read_coco_masks, num_points=40)),
    Reader('labels', 'a.label', lambda: written('labels'),
           partial(read_semantickitti_labels, num_points=40)),
    Reader('predictions', 'a.txt', lambda: written('predictions'), read_benchmark_predictions,
           others=lambda: {'predicted_masks/a_000.txt': written('mask')}),
    Reader('prediction_masks', 'predicted_masks/a_000.txt', lambda: written('mask'),
           lambda path: read_benchmark_predictions(path.parents[1] / 'a.txt'),
           others=lambda: {'a.txt': written('predictions')}),
    Reader('sentences', 'scanrefer.json', sentences, read_sentences),
    Reader('sentences_csv', 'nr3d.csv', lambda: b'scan_id,target_id,utterance\na,1,a chair\n',
           read_sentences),
    Reader('journal', 'a.jsonl', lambda: written('journal'), journal),
    Reader('png', 'color.png', lambda: picture('RGB', 'png'), read_color_image),
    Reader('jpeg', 'color.jpg', lambda: picture('RGB', 'jpeg'), read_color_image),
    Reader('depth', 'depth.png', lambda: picture('I;16', 'png'), read_depth_image),
    Reader('tiff', 'depth.tif', lambda: picture('I;16', 'tiff'), read_depth_image),
    *captures(),
]  # fmt: skip
