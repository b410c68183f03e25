"""Label spaces: the names, colours and raw ids behind a semantic id.

>>> from unison3d.structures.label_space import SCANNET20
>>> SCANNET20.index('chair'), SCANNET20.classes[4], SCANNET20.ignore_index
(4, 'chair', 20)
>>> SCANNET20.from_raw([1, 39, 0])
array([ 0, 19, 20])
"""

from __future__ import annotations

import colorsys
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import VocabularyError
from unison3d.io import read_json

__all__ = [
    'ARKITSCENES',
    'LABEL_SPACES',
    'NUSCENES',
    'S3DIS',
    'SCANNET20',
    'SCANNET200',
    'SEMANTICKITTI',
    'STRUCTURED3D',
    'LabelSpace',
    'frequency_groups',
    'get_label_space',
    'spread_colors',
]

_ASSETS = Path(__file__).parents[1] / 'assets'


@dataclass(frozen=True, eq=False)
class LabelSpace:
    """A closed set of classes.

    Semantic ids are ``0 .. K-1`` in the order of ``classes``; ``ignore_index`` (= K) marks points
    without a class. Stuff comes first, so that the label of a thing is its semantic id minus the
    number of stuff classes.

    Args:
        name: short name, the key in :data:`LABEL_SPACES`.
        classes: K class names, lower case.
        stuff: semantic ids of the classes without instances (walls and floors).
        palette: uint8, (K, 3). Red, green, blue per class.
        raw_ids: K ids that the dataset's own files use for these classes.
        aliases: other spellings that :meth:`index` accepts.
    """

    name: str
    classes: tuple[str, ...]
    stuff: tuple[int, ...]
    palette: np.ndarray
    raw_ids: tuple[int, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        palette = np.array(self.palette, dtype=np.uint8)
        if palette.shape != (len(self.classes), 3) or len(self.raw_ids) != len(self.classes):
            raise VocabularyError(
                f'Label space {self.name}: {len(self.classes)} classes, a palette of shape '
                f'{palette.shape} and {len(self.raw_ids)} raw ids. '
                'Give one colour (red, green, blue) and one raw id per class.'
            )
        if tuple(self.stuff) != tuple(range(len(self.stuff))):
            raise VocabularyError(
                f'Label space {self.name}: stuff ids are {self.stuff}, expected '
                f'{tuple(range(len(self.stuff)))}. List the stuff classes first.'
            )
        palette.setflags(write=False)
        object.__setattr__(self, 'palette', palette)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def num_classes(self) -> int:
        """K, the number of classes; the ignore index is not counted."""
        return len(self.classes)

    @property
    def ignore_index(self) -> int:
        """The semantic id of points without a class."""
        return len(self.classes)

    @property
    def things(self) -> tuple[int, ...]:
        """Semantic ids of the classes that have instances."""
        return tuple(range(len(self.stuff), len(self.classes)))

    @property
    def thing_names(self) -> tuple[str, ...]:
        """Names of the classes that have instances."""
        return self.classes[len(self.stuff) :]

    def thing_label(self, semantic: ArrayLike) -> np.ndarray | int:
        """Instance label (0 .. things-1) of a semantic id; negative for stuff."""
        if np.ndim(semantic) == 0:
            return int(semantic) - len(self.stuff)  # type: ignore[arg-type]
        return np.asarray(semantic) - len(self.stuff)

    def name_of(self, semantic: int) -> str:
        """Class name of a semantic id; ``'unlabeled'`` for the ignore index."""
        return self.classes[semantic] if 0 <= semantic < len(self.classes) else 'unlabeled'

    def index(self, name: str) -> int:
        """Semantic id of a class name.

        Raises:
            VocabularyError: no class has this name; close matches are listed.
        """
        wanted = ' '.join(name.lower().replace('_', ' ').split())
        wanted = self.aliases.get(wanted, wanted)
        if wanted in self.classes:
            return self.classes.index(wanted)
        near = difflib.get_close_matches(wanted, self.classes, n=3, cutoff=0.5)
        known = f'Known: {", ".join(self.classes)}.'
        hint = f'Did you mean {" or ".join(near)}?' if near else known
        raise VocabularyError(f'Label space {self.name} has no class "{name}". {hint}')

    def guess(self, name: str) -> int:
        """Semantic id of a free annotation label such as ``'office chair'``.

        The name itself, its singular, or its last word must be a class; everything else gets the
        ignore index. For data that comes without a table of its labels.
        """
        words = name.lower().replace('_', ' ').split()
        tails = [' '.join(words), *words[-1:]]
        for tail in [*tails, *(t.removesuffix('s') for t in tails)]:
            tail = self.aliases.get(tail, tail)
            if tail in self.classes:
                return self.classes.index(tail)
        return self.ignore_index

    def from_raw(self, raw_ids: ArrayLike) -> np.ndarray:
        """Semantic ids of the dataset's own ids; unknown ids become the ignore index.

        Args:
            raw_ids: integers of any shape.

        Returns:
            int64 of the same shape, 0 .. K.
        """
        raw = np.asarray(raw_ids).astype(np.int64)
        # A sorted search rather than a look-up table: a stray huge id must not allocate memory.
        order = np.argsort(self.raw_ids)
        known = np.asarray(self.raw_ids, dtype=np.int64)[order]
        place = np.minimum(np.searchsorted(known, raw), len(known) - 1)
        return np.where(known[place] == raw, order[place], self.ignore_index)

    def colors(self, semantic: ArrayLike, ignore: Iterable[int] = (128, 128, 128)) -> np.ndarray:
        """uint8 colours, shape of ``semantic`` plus (3,), of semantic ids."""
        ids = np.asarray(semantic).astype(np.int64)
        table = np.concatenate([self.palette, np.array([list(ignore)], dtype=np.uint8)])
        inside = (ids >= 0) & (ids < len(self.classes))
        return table[np.where(inside, ids, len(self.classes))]


#: The 20 classes of the ScanNet benchmark; raw ids are NYU40 ids.
SCANNET20 = LabelSpace(
    name='scannet20',
    classes=(
        'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
        'picture', 'counter', 'desk', 'curtain', 'refrigerator', 'shower curtain', 'toilet', 'sink',
        'bathtub', 'otherfurniture',
    ),
    stuff=(0, 1),
    palette=np.array(
        [
            (174, 199, 232), (152, 223, 138), (31, 119, 180), (255, 187, 120), (188, 189, 34),
            (140, 86, 75), (255, 152, 150), (214, 39, 40), (197, 176, 213), (148, 103, 189),
            (196, 156, 148), (23, 190, 207), (247, 182, 210), (219, 219, 141), (255, 127, 14),
            (158, 218, 229), (44, 160, 44), (112, 128, 144), (227, 119, 194), (82, 84, 163),
        ],
        dtype=np.uint8,
    ),
    raw_ids=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39),
    aliases={
        # The benchmark's own tables carry this misspelling.
        'showercurtrain': 'shower curtain',
        'showercurtain': 'shower curtain',
        'other furniture': 'otherfurniture',
        'refridgerator': 'refrigerator',
        'fridge': 'refrigerator',
        'doorframe': 'door',
        'bookshelves': 'bookshelf',
        'couch': 'sofa',
        'bookcase': 'bookshelf',
    },
)  # fmt: skip


def _from_table(name: str) -> LabelSpace:
    """Read ``assets/label_spaces/<name>.json``."""
    table = read_json(_ASSETS / 'label_spaces' / f'{name}.json')
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
SCANNET200 = _from_table('scannet200')
#: 13 classes, all with instances.
S3DIS = _from_table('s3dis')
#: 17 classes of furniture, all with instances.
ARKITSCENES = _from_table('arkitscenes')
#: 28 of the 40 NYU classes, all with instances.
STRUCTURED3D = _from_table('structured3d')
#: 19 classes of LiDAR sweeps, 11 of them stuff.
SEMANTICKITTI = _from_table('semantickitti')
#: 16 classes of LiDAR sweeps, 6 of them stuff.
NUSCENES = _from_table('nuscenes')

LABEL_SPACES: dict[str, LabelSpace] = {
    space.name: space
    for space in (
        *(SCANNET20, SCANNET200, S3DIS, ARKITSCENES, STRUCTURED3D),
        *(SEMANTICKITTI, NUSCENES),
    )
}


def get_label_space(space: str | Mapping[str, Any] | LabelSpace) -> LabelSpace:
    """The label space of this name, one described in a config, or the one handed in.

    Args:
        space: key of :data:`LABEL_SPACES`, or a dictionary, which goes into the weights of a model
            as it is: ``name`` and ``classes``; and ``stuff`` (ids, none by default), ``palette``
            (rows of red, green, blue; by default well-spread ones), ``raw_ids`` (by default
            1 .. K, and 0 is no class) and ``aliases``.

    Raises:
        VocabularyError: the name is not known, or the description does not make a label space.
    """
    if isinstance(space, LabelSpace):
        return space
    if isinstance(space, Mapping):
        return _described(space)
    if space not in LABEL_SPACES:
        raise VocabularyError(
            f'There is no label space "{space}". Known: {", ".join(sorted(LABEL_SPACES))}. One of '
            'your own is a dictionary: label_space=dict(name=..., classes=[...], stuff=[...]).'
        )
    return LABEL_SPACES[space]


def _described(space: Mapping[str, Any]) -> LabelSpace:
    known = {'name', 'classes', 'stuff', 'palette', 'raw_ids', 'aliases'}
    try:
        unknown = sorted(space.keys() - known)
        if unknown:
            raise ValueError(f'{unknown[0]!r} is not one of {", ".join(sorted(known))}')
        name, classes = space['name'], tuple(space['classes'])
        if not all(isinstance(text, str) for text in (name, *classes)):
            raise ValueError('name and classes have to be text')
        count = len(classes)
        return LabelSpace(
            name=name,
            classes=classes,
            stuff=tuple(int(index) for index in space.get('stuff', ())),
            palette=np.array(space.get('palette', spread_colors(count)), np.uint8),
            raw_ids=tuple(int(raw) for raw in space.get('raw_ids', range(1, count + 1))),
            aliases={str(alias): str(name) for alias, name in space.get('aliases', {}).items()},
        )
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        reason = f'{error} is missing' if isinstance(error, KeyError) else str(error)
        raise VocabularyError(
            f'This describes no label space ({reason}): {str(dict(space))[:200]}. Expected '
            'dict(name="mine", classes=["wall", "chair"], stuff=[0]).'
        ) from error


def spread_colors(count: int) -> np.ndarray:
    """uint8, (count, 3): hues a golden section apart, so that neighbours differ."""
    hues = np.arange(count) * (5**0.5 - 1) / 2 % 1
    rows = [colorsys.hsv_to_rgb(hue, 0.65, 0.9) for hue in hues]
    return (255 * np.array(rows).reshape(-1, 3)).astype(np.uint8)


def frequency_groups(space: LabelSpace) -> dict[str, tuple[int, ...]]:
    """Classes by how often they occur, as long-tail scores are reported.

    Args:
        space: ScanNet200 is the one label space with such groups.

    Returns:
        Semantic ids of ``'head'``, ``'common'`` and ``'tail'``, ascending; every class is in one.

    Raises:
        VocabularyError: there are no groups for this label space.
    """
    path = _ASSETS / 'labels' / f'{space.name}_frequency_groups.json'
    if not path.exists():
        raise VocabularyError(
            f'Label space {space.name} has no head, common and tail classes; scannet200 has.'
        )
    table = read_json(path)
    return {
        key: tuple(sorted(space.index(name) for name in table[key]))
        for key in ('head', 'common', 'tail')
    }
