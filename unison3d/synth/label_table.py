"""Numbers of the catalogue's names in the label table of ScanNet."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from unison3d.io.atomic import atomic_write
from unison3d.io.scannet import read_label_table

from .catalog import ALL_FURNITURE, CLASSES, UNLABELLED, spoken_name
from .placement import Placed
from .words import BROAD

_CATEGORIES = Path(__file__).parents[1] / 'assets' / 'labels' / 'scannetv2_categories.tsv'
#: NYU40 ids of ``CLASSES``.
NYU40_IDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
_OTHER_PROP = 40
# Names of NYU40 as the table of ScanNet spells them.
_NYU40 = (
    'wall floor cabinet bed chair sofa table door window bookshelf picture counter blinds desk '
    'shelves curtain dresser pillow mirror floor_mat clothes ceiling books refridgerator '
    'television paper towel shower_curtain box whiteboard person night_stand toilet sink lamp '
    'bathtub bag otherstructure otherfurniture otherprop'
).split()


def raw_name(thing: Placed) -> str:
    """The label an annotator would give an object or a piece of the shell."""
    if thing.name:
        return thing.name
    return CLASSES[thing.semantic] if thing.semantic != UNLABELLED else thing.kind


@lru_cache(maxsize=1)
def label_ids() -> dict[str, tuple[int, int]]:
    """Every name with its id in ScanNet200's numbering and its NYU40 id.

    A name that ScanNet does not have counts as its broader noun; the class that the catalogue
    gives a name goes before that of the table.
    """
    ids = read_label_table(_CATEGORIES, 'id')
    nyu40 = read_label_table(_CATEGORIES)
    semantic = {spoken_name(kind.name): kind.semantic for kind in ALL_FURNITURE.values()}
    semantic |= {name: CLASSES.index(name) for name in ('wall', 'floor')}
    out = {}
    for name in sorted({*semantic, *CLASSES, 'ceiling', 'object'}):
        broad = name
        if name not in ids:
            nouns = [noun for noun, names in BROAD.items() if name in names]
            broad = nouns[0] if nouns else 'object'
        own = semantic.get(name, UNLABELLED)
        number = NYU40_IDS[own] if own != UNLABELLED else nyu40.get(broad, _OTHER_PROP)
        out[name] = (ids.get(broad, ids['object']), number)
    return out


def write_label_table(path: Path) -> Path:
    """Write the names as ``scannetv2-labels.combined.tsv`` has them, with the columns in use."""
    lines = ['id\traw_category\tcategory\tnyu40id\tnyu40class']
    for name, (number, nyu40) in label_ids().items():
        nyu40_name = _NYU40[nyu40 - 1].replace('_', ' ')
        lines.append(f'{number}\t{name}\t{name}\t{nyu40}\t{nyu40_name}')
    with atomic_write(path, 'w') as file:
        file.write('\n'.join(lines) + '\n')
    return path
