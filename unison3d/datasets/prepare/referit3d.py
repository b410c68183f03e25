"""Nr3D and Sr3D (ReferIt3D): sentences about objects of ScanNet, a table each."""

from __future__ import annotations

import csv
import os

from unison3d.datasets.prepare.layout import ReferringSentence
from unison3d.errors import FileFormatError
from unison3d.io import read_bytes

_NEEDED = ('scan_id', 'target_id', 'utterance')


def read_referit3d(path: str | os.PathLike[str]) -> list[ReferringSentence]:
    """Read ``nr3d.csv``, ``sr3d.csv`` or ``sr3d+.csv``.

    Args:
        path: a table with the columns ``scan_id``, ``target_id`` and ``utterance``. Sr3D is known
            by its column ``reference_type``; Nr3D numbers its rows in ``assignmentid``.

    Returns:
        The sentences, in the order of the file.

    Raises:
        FileFormatError: missing, another table, or a row that is none; names the line.
    """
    text = read_bytes(path).decode('utf-8-sig', 'replace')
    rows = csv.DictReader(text.splitlines(keepends=True))
    try:
        columns = rows.fieldnames or []
    except csv.Error as error:
        raise FileFormatError(f'{path}: line 1 is no row of a table ({error}).') from error
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise FileFormatError(
            f'{path}: line 1 has no column {", ".join(missing)}; expected the table of Nr3D or '
            'Sr3D with scan_id, target_id and utterance.'
        )
    source = 'sr3d' if 'reference_type' in columns else 'nr3d'
    sentences = []
    try:
        for row in rows:
            # A row ends where the reader stands: sentences may hold line feeds.
            if None in row:
                raise ValueError('more cells than columns')
            number = row.get('assignmentid') or str(len(sentences))
            if not row['scan_id'] or not row['utterance']:
                raise ValueError('scan_id or utterance is empty')
            sentences.append(
                ReferringSentence(
                    row['scan_id'], int(row['target_id']), row['utterance'], source, number
                )
            )
    except (TypeError, ValueError, csv.Error) as error:
        raise FileFormatError(
            f'{path}: line {rows.line_num} is no sentence of {source} ({error}).'
        ) from error
    return sentences
