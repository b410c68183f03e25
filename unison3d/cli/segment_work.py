"""Segment a scan as a unit of a job."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from unison3d.apis import Segmenter
from unison3d.apis.exports import remove_exports
from unison3d.apis.report import panoptic_segments
from unison3d.apis.result_files import RESULT_FILES
from unison3d.apis.scan_files import ScanFile
from unison3d.cli.prompt_options import remove_heat_maps
from unison3d.cli.segment_scan import ScanQuestions, segment_scan
from unison3d.errors import SceneWarning
from unison3d.fusion import is_capture
from unison3d.jobs import Records, Work, remove_leftovers
from unison3d.operations import chosen_engines, set_engines

#: Folder inside of the output that says what the job is and which scans are done.
RECORDS = '.infer'
#: Folder inside of that one with a record for each scan.
SCANS = 'scans'


class SegmentWork(Work):
    """Segment a scan into a folder of its name.

    Args:
        out: folder of all results.
        weights: file, folder or name of weights; None is the model that ships.
        device: as for :class:`Segmenter`; ``'auto'`` and ``'cuda'`` give each worker a GPU in turn.
        questions: what to ask about every scan.
    """

    def __init__(
        self, out: Path, weights: Path | None, device: str, questions: ScanQuestions
    ) -> None:
        # A worker of Ray has a working directory of its own.
        self.out = out.absolute()
        # What is no file here is the name of weights that ship.
        is_here = weights is not None and weights.exists()
        self.weights = weights.absolute() if is_here else weights
        self.device = device
        self.questions = questions
        # What --use-engine chose, for workers, which are new processes.
        self.engines = chosen_engines()
        self.records = Records(self.out / RECORDS / SCANS)
        self._segmenter: Segmenter | None = None

    def start(self, slot: int) -> None:
        set_engines(self.engines)
        device = self.device
        if wants_gpus(device):
            import torch

            device = f'cuda:{slot % max(torch.cuda.device_count(), 1)}'
        self._segmenter = Segmenter.from_pretrained(self.weights, device=device)
        if self.questions.vocabulary is not None:
            # Here as well, since a bad one spoils every scan.
            self._segmenter.set_vocabulary(self.questions.vocabulary)

    def name(self, unit: ScanFile) -> str:
        return unit.name

    def find(self, unit: ScanFile) -> dict[str, Any] | None:
        """Done is a scan with a record of the same file, and with files of the size it tells."""
        record = self.records.read(unit.name)
        try:
            files = record['files'].items()
            whole = record['source'] == _identity(unit.path) and all(
                (self.out / unit.name / name).stat().st_size == size for name, size in files
            )
            return dict(record['facts']) if whole else None
        except (KeyError, TypeError, ValueError, AttributeError, OSError):
            return None

    def make(self, unit: ScanFile) -> dict[str, Any]:
        folder = self.out / unit.name
        # If this scan can no longer be segmented, nothing may look like its answer.
        forget_result(self.records, unit.name, folder)
        remove_leftovers((folder,))
        # Before the scan is read: one that changes meanwhile is made again by the next run.
        source = _identity(unit.path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always', SceneWarning)
            questions = self._questions_for(unit.path)
            done = segment_scan(self._segmenter, unit.path, folder, questions, overwrite=True)
        facts = {
            'seconds': round(done.seconds, 3),
            'points': len(done.result.scene),
            'objects': _count_objects(done.result),
            'warnings': [str(w.message) for w in caught if issubclass(w.category, SceneWarning)],
        }
        sizes = {
            file.relative_to(folder).as_posix(): file.stat().st_size
            for path in done.paths
            for file in (sorted(path.rglob('*')) if path.is_dir() else [path])
            if file.is_file()
        }
        self.records.write(unit.name, {'source': source, 'files': sizes, 'facts': facts})
        return facts

    def _questions_for(self, scan: Path) -> ScanQuestions:
        """Without the options of captures where there is none: a folder may hold both."""
        return self.questions if is_capture(scan) else replace(self.questions, capture={})


def forget_result(records: Records, name: str, folder: Path) -> None:
    """Remove an answer from its folder, where other files stay.

    Its record goes last: without some of its files it says no longer that the scan is done, but
    still that there is something to remove.
    """
    # result.json is the first of these: without it a folder claims nothing.
    for file in RESULT_FILES:
        (folder / file).unlink(missing_ok=True)
    remove_exports(folder)
    remove_heat_maps(folder)
    records.forget(name)


def wants_gpus(device: str) -> bool:
    """Whether every worker is to have a GPU of its own."""
    import torch

    return device == 'cuda' or (device == 'auto' and torch.cuda.is_available())


def _identity(path: Path) -> list[Any]:
    """What tells whether a scan has changed; of a folder only where it is."""
    if path.is_dir():
        return [str(path.resolve())]
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]


def _count_objects(result: Any) -> int | None:
    """Things that the panoptic answer found; None where it was not asked for."""
    if 'panoptic' not in result.tasks:
        return None
    return sum(segment['is_thing'] for segment in panoptic_segments(result))
