"""Info files: the list of scans of a split in the schema of mmdetection3d (version 2).

Ours are written twice with equal content: ``.pkl``, because every OpenMMLab program expects one,
and ``.json``, because a pickle from elsewhere need not be trusted. Both hold plain Python values
and depend on nothing but the content, so that the same scans give the same bytes.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.datasets.prepare.layout import ReferringSentence
from unison3d.errors import FileFormatError
from unison3d.io import atomic_write, read_json
from unison3d.io.restricted_pickle import read_pickle

#: Fixed, so that a newer Python writes the same bytes.
_PROTOCOL = 4
INFO_VERSION = '1.1'


def read_infos(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read an info file, our own or a published one.

    Understood are ``scannet_infos_*.pkl``, ``scannet_oneformer3d_infos_*.pkl`` and
    ``uniseg3d_infos_*.pkl`` (with sentences and pseudo masks). A pickle is read without running
    anything in it.

    Args:
        path: ``.pkl`` or ``.json``.

    Returns:
        dict with ``metainfo`` (dict) and ``data_list`` (list of dicts). In each of these
        ``lidar_points.lidar_path`` is a string, ``text_info`` (where there is one) maps object ids
        as strings to dicts, and ``sam3d_pseudo_sp_masks`` (where there is one) is bool, (Z, S).

    Raises:
        FileFormatError: missing, damaged, of another schema, or a pickle of other things.
    """
    path = Path(path)
    if path.suffix not in ('.pkl', '.json'):
        raise FileFormatError(f'{path}: ends with "{path.suffix}", expected .pkl or .json.')
    content = read_pickle(path) if path.suffix == '.pkl' else read_json(path)
    if isinstance(content, list):
        raise FileFormatError(
            f'{path}: holds a bare list, the schema of mmdetection3d before version 1.1. Convert '
            'it with its tools/dataset_converters/update_infos_to_v2.py, or prepare the data again.'
        )
    if not isinstance(content, dict) or not isinstance(content.get('data_list'), list):
        raise FileFormatError(f'{path}: expected a dictionary with the list "data_list".')
    if not isinstance(content.get('metainfo'), dict):
        raise FileFormatError(f'{path}: expected a dictionary "metainfo" beside "data_list".')
    entries = [
        _entry(entry, f'{path}, entry {number}')
        for number, entry in enumerate(content['data_list'])
    ]
    return {**content, 'data_list': entries}


def _entry(entry: Any, where: str) -> dict:
    lidar = entry.get('lidar_points') if isinstance(entry, dict) else None
    if not isinstance(lidar, dict) or not isinstance(lidar.get('lidar_path'), str):
        raise FileFormatError(f'{where}: expected lidar_points with the name "lidar_path".')
    entry = dict(entry)
    if 'text_info' in entry:
        entry['text_info'] = _text_info(entry['text_info'], where)
    if entry.get('sam3d_pseudo_sp_masks') is not None:
        masks = np.asarray(entry['sam3d_pseudo_sp_masks'])
        if masks.ndim != 2 or masks.dtype.kind not in 'bui':
            raise FileFormatError(
                f'{where}: sam3d_pseudo_sp_masks is {masks.dtype} of shape {masks.shape}, expected '
                'booleans of shape (masks, superpoints).'
            )
        entry['sam3d_pseudo_sp_masks'] = masks.astype(bool)
    return entry


def _text_info(content: Any, where: str) -> dict[str, dict]:
    # Scenes without sentences hold an empty list in published files.
    if content is None or (not isinstance(content, dict) and len(content) == 0):
        return {}
    if not isinstance(content, dict):
        raise FileFormatError(f'{where}: text_info is a {type(content).__name__}, expected a dict.')
    found = {}
    for key, value in content.items():
        texts = value.get('text') if isinstance(value, dict) else None
        if not str(key).isdecimal() or not isinstance(texts, (list, tuple, np.ndarray)):
            raise FileFormatError(
                f'{where}: text_info has the key {key!r}, expected an object id with a list "text".'
            )
        found[str(key)] = {**value, 'text': [str(text) for text in texts]}
    return found


def write_infos(
    path: str | os.PathLike[str], metainfo: dict, entries: Iterable[dict]
) -> list[Path]:
    """Write an info file and its twin.

    Args:
        path: of the pickle; the twin gets ``.json`` in its place.
        metainfo: plain values.
        entries: dicts of plain values, one per scan.

    Returns:
        Both paths.
    """
    path = Path(path)
    lines = [json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries]
    head = json.dumps(metainfo, ensure_ascii=False, allow_nan=False)
    # A line per scan: the twin can be searched and compared with the tools for text.
    text = f'{{"metainfo": {head}, "data_list": [\n' + ',\n'.join(lines) + '\n]}\n'
    # The pickle is made of the text: which strings are one object decides over its bytes, and
    # after parsing that depends on the text alone.
    data = pickle.dumps(json.loads(text), protocol=_PROTOCOL)
    twin = path.with_suffix('.json')
    with atomic_write(twin, 'w') as file:
        file.write(text)
    with atomic_write(path) as file:
        file.write(data)
    return [path, twin]


def add_sentences(
    entries: dict[str, dict], sentences: Iterable[ReferringSentence]
) -> tuple[int, int]:
    """Put sentences into the entries of their scans, as ``text_info``.

    As in the published infos only sentences are kept whose target is an object of a class with
    instances. Sentences of scans that are not among the entries are passed over.

    Args:
        entries: info entries by scan name, changed in place.
        sentences: in the order in which they are to be stored.

    Returns:
        How many were put in, and how many of these scans were left out.
    """
    labels = {
        name: {box['object_id']: box['bbox_label_3d'] for box in entry['instances']}
        for name, entry in entries.items()
    }
    kept = dropped = 0
    for sentence in sentences:
        if sentence.scan not in entries:
            continue
        label = labels[sentence.scan].get(sentence.object_id)
        if label is None:
            dropped += 1
            continue
        objects = entries[sentence.scan].setdefault('text_info', {})
        value = objects.setdefault(
            str(sentence.object_id), {'text': [], 'label_id': label, 'source': [], 'ann_id': []}
        )
        value['text'].append(sentence.text)
        value['source'].append(sentence.source)
        value['ann_id'].append(sentence.ann_id)
        kept += 1
    return kept, dropped
