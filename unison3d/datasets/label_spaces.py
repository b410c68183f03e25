"""Label spaces that are tables on disk: ScanNet200 and S3DIS."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from unison3d.io import read_json
from unison3d.structures.label_space import LABEL_SPACES, LabelSpace

_FOLDER = Path(__file__).parents[1] / 'assets' / 'label_spaces'


@lru_cache(maxsize=16)
def load_label_space(name: str) -> LabelSpace:
    """Read the table ``assets/label_spaces/<name>.json``."""
    table = read_json(_FOLDER / f'{name}.json')
    rows = table['classes']
    return LabelSpace(
        name=table['name'],
        classes=tuple(row[1] for row in rows),
        stuff=tuple(range(table['num_stuff'])),
        palette=np.array([row[2] for row in rows], np.uint8),
        raw_ids=tuple(int(row[0]) for row in rows),
        aliases=table['aliases'],
    )


#: 200 classes; wall, floor, then the 198 classes with instances in the order of the benchmark. Raw
#: ids are those of the ``id`` column, in which chair (2) comes before floor (3).
SCANNET200 = LABEL_SPACES.setdefault('scannet200', load_label_space('scannet200'))
#: 13 classes, all with instances.
S3DIS = LABEL_SPACES.setdefault('s3dis', load_label_space('s3dis'))
#: Classes of S3DIS that count as stuff in panoptic scores: all but table to board.
S3DIS_PANOPTIC_STUFF = (0, 1, 2, 3, 4, 5, 6, 12)
