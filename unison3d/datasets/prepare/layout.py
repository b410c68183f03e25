"""What one dataset has to say about its own files, so that one job can prepare them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class ScanUnit:
    """One scan of a dataset: the unit that is prepared, repeated and resumed.

    Args:
        name: of the scan; the stem of every file that is written for it.
        split: ``'train'``, ``'val'``, ``'test'``, or another word of the dataset.
        path: folder or file of the scan.
    """

    name: str
    split: str
    path: Path


@dataclass
class PreparedScan:
    """A labelled scan in the form that all datasets are brought to.

    Args:
        points: float32, (N, 3), metres, in the frame of the dataset's own mesh (not aligned).
        colors: uint8, (N, 3); zeros where the dataset has none.
        superpoints: int64, (N,), 0 .. S-1; None has them computed from ``faces``, else from the
            points.
        semantic_ids: int64, (N,), ids of the dataset's own table, 0 is none unless the label space
            has a class of this raw id (S3DIS); None without labels.
        instance_ids: int64, (N,), 1 .. M as written to disk (object id + 1), 0 is none; None
            without labels.
        instance_names: name of instance id i + 1 at place i.
        faces: int32, (F, 3), or None.
        axis_align_matrix: float64, (4, 4); the identity where the dataset has none.
        sentences: per object id (instance id - 1) the sentences that refer to it.
    """

    points: np.ndarray
    colors: np.ndarray
    superpoints: np.ndarray | None = None
    semantic_ids: np.ndarray | None = None
    instance_ids: np.ndarray | None = None
    instance_names: Sequence[str] = ()
    faces: np.ndarray | None = None
    axis_align_matrix: np.ndarray = field(default_factory=lambda: np.eye(4))
    sentences: dict[int, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReferringSentence:
    """A sentence that points at one object of a scan.

    Args:
        scan: name of the scan.
        object_id: id in the dataset's own files (instance id - 1).
        text: the sentence.
        source: which collection it is from, such as ``'scanrefer'``.
        ann_id: its number there, as a string.
    """

    scan: str
    object_id: int
    text: str
    source: str = ''
    ann_id: str = ''


class DatasetLayout(ABC):
    """The files of one dataset as it is downloaded.

    Attributes:
        name: on the command line.
        label_space: name of the label space of its semantic ids. Where no label space has this
            name, boxes are written with the label -1 (no class).
        largest_semantic_id: largest id that the dataset's own table has; None where that is the
            largest raw id of the label space.
    """

    name: str
    label_space: str
    largest_semantic_id: int | None = None

    @abstractmethod
    def scans(self, root: Path) -> list[ScanUnit]:
        """Every scan below ``root``, in a fixed order.

        Raises:
            FileFormatError: ``root`` does not look like this dataset; says what is expected where.
        """

    @abstractmethod
    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one scan.

        Raises:
            FileFormatError: a file is missing, damaged or does not fit the others.
        """
