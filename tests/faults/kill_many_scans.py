"""``unison3d infer FOLDER`` as work that gets killed, see :mod:`tests.faults.kills`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tiny import tiny_config, tiny_model

from tests.faults.kills import Unit
from unison3d.apis.scan_files import find_scans
from unison3d.cli.infer_many import claim, segment_all
from unison3d.cli.segment_scan import ScanQuestions
from unison3d.cli.segment_work import SegmentWork
from unison3d.engine import save_weights
from unison3d.jobs import Crew

SCANS = 5
QUESTIONS = ScanQuestions(tasks=['semantic'])


def write_scans(folder: Path) -> None:
    """Scans and a model."""
    (folder / 'scans').mkdir()
    for number in range(SCANS):
        points = np.random.default_rng(number).random((300, 3))
        np.save(folder / 'scans' / f'scan{number}.npy', points)
    description = {'model': json.dumps(tiny_config())}
    save_weights(folder / 'tiny.safetensors', tiny_model().state_dict(), description)


def infer(folder: Path) -> None:
    """What the command does, in this process."""
    weights = folder.parent / 'tiny.safetensors'
    scans = find_scans(folder.parent / 'scans')
    claim(folder, weights, QUESTIONS, overwrite=False)
    work = SegmentWork(folder, weights, 'cpu', QUESTIONS)
    summary, _ = segment_all(scans, work, Crew(), lambda outcome, total: None)
    assert summary['failed'] == 0


def compare_results(folder: Path, whole: Path) -> None:
    """The same files and no others, the same bytes of all that holds no times."""
    ours, theirs = (_files(place) for place in (folder, whole))
    assert ours == theirs, sorted(set(ours) ^ set(theirs))
    for name in ours:
        if name.endswith(('.ply', '.npz')):
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    summary = json.loads((folder / 'summary.json').read_text('utf-8'))
    assert summary['made'] + summary['kept'] == SCANS, summary


def _files(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob('*'))


MANY_SCANS = Unit('infer', infer, compare_results, write_scans)
