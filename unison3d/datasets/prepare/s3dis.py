"""S3DIS, the aligned version 1.2, as it is downloaded.

``Area_<k>/<room>/Annotations/<class>_<n>.txt`` below the root, or below the folder
``Stanford3dDataset_v1.2_Aligned_Version`` in it: one object a file, one point a line (x, y, z in
metres, red, green, blue). The points of a room are those of its objects, one file after the other
in the order of their names. Coordinates stay as they are.

Unlike in other datasets id 0 is a class: the semantic ids are those of OpenMMLab, 0 (ceiling) to 12
(clutter), so that rooms prepared there and here are read alike. Points without a class have 13.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path

import numpy as np

from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.errors import FileFormatError, SceneWarning
from unison3d.io import read_bytes
from unison3d.structures.label_space import S3DIS

FOLDER = 'Stanford3dDataset_v1.2_Aligned_Version'
#: Test set of the literature; the other areas are for training.
VAL_AREA = 'Area_5'
#: Semantic id of objects of other classes, such as stairs.
NO_CLASS = S3DIS.ignore_index

_NUMERIC = b'0123456789+-.eE \t\r\n'
_FILE_NAME = re.compile(r'([A-Za-z ]+)_\d+')


class S3DISLayout(DatasetLayout):
    """S3DIS; object ids count the annotation files of a room in the order of their names."""

    name = 's3dis'
    label_space = 's3dis'
    largest_semantic_id = NO_CLASS

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every room, by area and name; a scan is called ``Area_1_office_3``."""
        top = root / FOLDER if (root / FOLDER).is_dir() else root
        # A room that lost its annotations has to fail, not to vanish.
        rooms = sorted(path for path in top.glob('Area_[1-6]/[!.]*') if path.is_dir())
        if not any((room / 'Annotations').is_dir() for room in rooms):
            raise FileFormatError(
                f'{root}: holds no room of S3DIS. Expected Area_1/<room>/Annotations/ and so on '
                f'below it or below {FOLDER}; unpack the aligned version 1.2.'
            )
        return [
            ScanUnit(
                f'{room.parent.name}_{room.name}',
                'val' if room.parent.name == VAL_AREA else 'train',
                room,
            )
            for room in rooms
        ]

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Put a room together from its objects."""
        folder = unit.path / 'Annotations'
        paths = sorted(p for p in folder.glob('*.txt') if not p.name.startswith('.'))
        if not paths:
            raise FileFormatError(f'{folder}: holds no <class>_<n>.txt. Unpack the room again.')
        tables = [read_points(path) for path in paths]
        classes = [_class_of(path) for path in paths]
        counts = [len(table) for table in tables]
        table = np.concatenate(tables)
        return PreparedScan(
            points=table[:, :3].astype(np.float32),
            colors=table[:, 3:].astype(np.uint8),
            semantic_ids=np.repeat(np.array([i for _, i in classes], np.int64), counts),
            instance_ids=np.repeat(np.arange(1, len(paths) + 1), counts).astype(np.int64),
            instance_names=[word for word, _ in classes],
        )


def read_points(path: Path) -> np.ndarray:
    """One annotation file.

    The release has lines with a byte that belongs to no number: Area_5/hallway_6, ceiling_1.txt,
    line 180389 (``185?187``), and Area_5/office_19, ceiling_1.txt (``103.0?0000``). Such a byte is
    repaired, with a :class:`SceneWarning`, if everything that can have stood in its place gives the
    same six numbers; see :func:`repair_line`.

    Returns:
        float64, (N, 6), N >= 1: x, y, z in metres, then whole colours in 0 .. 255.

    Raises:
        FileFormatError: missing, empty, or a line that is not six such numbers; it is named.
    """
    data = read_bytes(path)
    if data.translate(None, _NUMERIC):
        data = _repair(data, path)
    if not data.strip():
        raise FileFormatError(f'{path}: holds no point. Unpack the room again.')
    try:
        table = np.loadtxt(io.StringIO(data.decode('ascii')), comments=None, ndmin=2)
    except ValueError as error:
        raise _bad_line(path, data) from error
    if table.shape[1] != 6 or not _plausible(table).all():
        raise _bad_line(path, data)
    return table


def repair_line(line: bytes) -> bytes | None:
    """A line with one byte that belongs to no number, without it.

    The byte may stand for a blank, for a character of a number, or for nothing. Tried are all of
    these; if exactly one set of six numbers comes out (colours whole, 0 to 255), that is the line.
    ``185?187 182`` can only be two colours, ``103.0?0000`` only the colour 103, but ``1?3.5`` is
    left alone: it can be 13.5 or 123.5.

    Returns:
        The line, or None where that is not clear.
    """
    strays = [place for place, byte in enumerate(line) if byte not in _NUMERIC]
    if len(strays) != 1:
        return None
    before, after = line[: strays[0]], line[strays[0] + 1 :]
    found: dict[tuple[float, ...], bytes] = {}
    for stand_in in (b' ', b'', *(bytes([byte]) for byte in b'0123456789+-.eE')):
        text = before + stand_in + after
        row = _row(text)
        if row is not None:
            found.setdefault(tuple(row.tolist()), text)
    return next(iter(found.values())) if len(found) == 1 else None


def _repair(data: bytes, path: Path) -> bytes:
    lines = data.split(b'\n')
    for number, line in enumerate(lines):
        if not line.translate(None, _NUMERIC):
            continue
        repaired = repair_line(line)
        if repaired is None:
            raise _bad_line(path, data)
        warnings.warn(
            f'{path}: line {number + 1} holds a byte that belongs to no number: {line[:80]!r}. '
            f'It is read as {repaired[:80]!r}.',
            SceneWarning,
            stacklevel=2,
        )
        lines[number] = repaired
    return b'\n'.join(lines)


def _row(line: bytes) -> np.ndarray | None:
    """Six plausible numbers, or None."""
    try:
        row = np.array([float(word) for word in line.split()])
    except ValueError:
        return None
    return row if row.shape == (6,) and _plausible(row[None])[0] else None


def _plausible(table: np.ndarray) -> np.ndarray:
    """Whether rows are finite and their colours whole numbers of 8 bits; bool, (N,)."""
    colors = table[:, 3:]
    fits = (colors >= 0) & (colors <= 255) & (colors == np.rint(colors))
    small = np.abs(table[:, :3]) < np.finfo(np.float32).max
    return np.isfinite(table).all(1) & small.all(1) & fits.all(1)


def _bad_line(path: Path, data: bytes) -> FileFormatError:
    """The error of the first line that is no point and cannot be repaired."""
    expected = 'expected x, y, z and red, green, blue (whole numbers, 0 to 255) in a line.'
    for number, line in enumerate(data.split(b'\n'), start=1):
        if line.strip() and _row(line) is None and repair_line(line) is None:
            return FileFormatError(
                f'{path}: line {number} is {line[:80]!r}, {expected} Correct the line, or unpack '
                'the room again.'
            )
    return FileFormatError(f'{path}: {expected} Unpack the room again.')


def _class_of(path: Path) -> tuple[str, int]:
    """Class word of an annotation file, and its semantic id."""
    match = _FILE_NAME.fullmatch(path.stem)
    if match is None:
        raise FileFormatError(
            f'{path}: the name is not <class>_<number>.txt, such as chair_3.txt. Rename the file '
            'or take it out of the folder.'
        )
    word = match[1].lower()
    known = word in S3DIS.classes
    return word, S3DIS.raw_ids[S3DIS.classes.index(word)] if known else NO_CLASS
