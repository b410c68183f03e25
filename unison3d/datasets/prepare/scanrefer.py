"""ScanRefer: sentences about objects of ScanNet, a JSON list."""

from __future__ import annotations

import os
from typing import Any

from unison3d.datasets.prepare.layout import ReferringSentence
from unison3d.errors import FileFormatError
from unison3d.io import read_json


def read_scanrefer(path: str | os.PathLike[str]) -> list[ReferringSentence]:
    """Read ``ScanRefer_filtered_<split>.json``.

    Args:
        path: a list of objects with ``scene_id``, ``object_id``, ``ann_id`` and ``description``.

    Returns:
        The sentences, in the order of the file.

    Raises:
        FileFormatError: missing, or an entry lacks something; names the entry.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise FileFormatError(f'{path}: expected a list of sentences, as ScanRefer has it.')
    sentences = []
    for number, entry in enumerate(content):
        try:
            sentences.append(
                ReferringSentence(
                    scan=_text(entry['scene_id']),
                    object_id=_number(entry['object_id']),
                    text=_text(entry['description']),
                    source='scanrefer',
                    ann_id=str(_number(entry['ann_id'])),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f'{path}: entry {number} is no sentence of ScanRefer ({error!r}); expected '
                'scene_id, object_id, ann_id and description.'
            ) from error
    return sentences


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f'{str(value)[:40]} where a text belongs')
    return value


def _number(value: Any) -> int:
    """A whole number from 0; the release writes them as texts."""
    is_text = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10
    if not is_text and (type(value) is not int or value < 0):
        raise ValueError(f'{str(value)[:40]} where a number from 0 belongs')
    return int(value)
