"""The job that brings a dataset to the processed form, one scan at a time.

A scan is done when its record is written, which is after its files. A job that was killed goes on
with the scans that have no record, and the info files are put together from the records of all:
the result is the same as of a job that ran through.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from unison3d.datasets.prepare.infos import INFO_VERSION, add_sentences, write_infos
from unison3d.datasets.prepare.layout import DatasetLayout, ReferringSentence, ScanUnit
from unison3d.datasets.prepare.processed import FOLDERS, write_scan
from unison3d.datasets.prepare.referit3d import read_referit3d
from unison3d.datasets.prepare.scanrefer import read_scanrefer
from unison3d.errors import ConfigError, FileFormatError, Unison3DError
from unison3d.io import read_json, write_json
from unison3d.structures.label_space import LABEL_SPACES, LabelSpace

#: Raise it when the files of a scan change their meaning; records of another number are redone.
FORM_VERSION = 1
RECORDS = '.prepare'
# As unison3d.io.atomic names them.
_UNFINISHED = re.compile(r'\.(.+)\.\d+-[0-9a-f]+\.tmp\.\w+')
# What a damaged scan can bring about. Anything else is a mistake of ours and ends the job.
_SCAN_ERRORS = (Unison3DError, OSError, ValueError, LookupError, TypeError, ArithmeticError)
_SCAN_ERRORS += (MemoryError,)


@dataclass(frozen=True)
class ScanOutcome:
    """What became of a scan.

    Args:
        unit: the scan.
        status: made now, there already, or failed.
        reason: why it failed.
    """

    unit: ScanUnit
    status: Literal['made', 'kept', 'failed']
    reason: str = ''


@dataclass
class JobReport:
    """What became of a job.

    Args:
        outcomes: of every scan, in the order of the dataset.
        infos: info files that were written.
        notes: what else is worth knowing, a line each.
    """

    outcomes: list[ScanOutcome] = field(default_factory=list)
    infos: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[ScanOutcome]:
        """Scans that could not be prepared."""
        return [outcome for outcome in self.outcomes if outcome.status == 'failed']


def prepare_dataset(
    layout: DatasetLayout,
    root: str | Path,
    out: str | Path,
    *,
    splits: Sequence[str] | None = None,
    workers: int = 1,
    sentence_files: Sequence[str | Path] = (),
    tag: str | None = None,
    overwrite: bool = False,
    on_scan: Callable[[ScanOutcome, int], None] = lambda outcome, total: None,
) -> JobReport:
    """Prepare every scan of a dataset and write the info files of its splits.

    Args:
        layout: the dataset.
        root: folder of the dataset as downloaded.
        out: folder for the processed form; may be ``root``.
        splits: which; None takes all.
        workers: processes.
        sentence_files: ScanRefer (``.json``) and Nr3D/Sr3D (``.csv``) files to put into the infos.
        tag: first part of the names of the info files; the name of the dataset by default.
        overwrite: make scans again that are there already.
        on_scan: told of every scan as it is done, with the number of all.

    Returns:
        The report. Scans that fail are in it and do not stop the others.

    Raises:
        ConfigError: a number or a split that does not exist, or ``out`` holds another dataset or
            what another program has prepared.
        FileFormatError: ``root`` is no such dataset, or a sentence file is damaged.
    """
    root, out = Path(root).expanduser(), Path(out).expanduser()
    if workers < 1:
        raise ConfigError(f'prepare: {workers} workers, expected 1 or more.')
    if not root.is_dir():
        raise FileFormatError(f'{root}: is not a folder. Give the folder of the dataset as root.')
    # Read first: a damaged file should not show after hours.
    sentences = [s for path in sentence_files for s in read_sentences(path)]
    units = _chosen(layout, root, splits)
    _claim(out, layout, overwrite)
    tag = tag or layout.name
    infos = {f'{tag}_infos_{unit.split}' for unit in units}
    _remove_leftovers(out, {unit.name for unit in units} | infos)
    report = JobReport()
    by_name = {}
    for outcome in _run(layout, out, units, workers, overwrite):
        by_name[outcome.unit.name] = outcome
        on_scan(outcome, len(units))
    report.outcomes = [by_name[unit.name] for unit in units]
    _write_infos(layout, out, tag, report, sentences)
    return report


def read_sentences(path: str | Path) -> list[ReferringSentence]:
    """Sentences of a ScanRefer (``.json``) or Nr3D/Sr3D (``.csv``) file."""
    path = Path(path).expanduser()
    if path.suffix not in ('.json', '.csv'):
        raise FileFormatError(
            f'{path}: expected a .json file of ScanRefer or a .csv file of Nr3D or Sr3D.'
        )
    return read_scanrefer(path) if path.suffix == '.json' else read_referit3d(path)


def space_of(layout: DatasetLayout) -> LabelSpace | None:
    """The label space of a dataset, None where its classes are not a closed set known here."""
    return LABEL_SPACES.get(layout.label_space)


def _chosen(layout: DatasetLayout, root: Path, splits: Sequence[str] | None) -> list[ScanUnit]:
    units = layout.scans(root)
    names = [unit.name for unit in units]
    twice = sorted({name for name in names if names.count(name) > 1}) if _repeats(names) else []
    if twice:
        raise FileFormatError(
            f'{root}: the scan {twice[0]} is there twice. Keep one of its folders.'
        )
    known = sorted({unit.split for unit in units})
    unknown = sorted(set(splits or ()) - set(known))
    if unknown:
        raise ConfigError(
            f'{root} has no scan of the split {", ".join(unknown)}; there are {", ".join(known)}.'
        )
    return [unit for unit in units if splits is None or unit.split in splits]


def _repeats(names: list[str]) -> bool:
    return len(set(names)) < len(names)


def _claim(out: Path, layout: DatasetLayout, overwrite: bool) -> None:
    """One folder holds one dataset: file names repeat between ScanNet and ScanNet200."""
    path = out / RECORDS / 'dataset.json'
    mine = {'dataset': layout.name, 'form': FORM_VERSION}
    if path.exists():
        found = read_json(path)
        if not isinstance(found, dict) or found.get('dataset') != layout.name:
            raise ConfigError(
                f'{out}: already holds another dataset ({found}), not {layout.name}. Choose '
                'another folder.'
            )
        if found == mine:
            return
    elif not overwrite:
        foreign = next((f for name in ('*_infos_*', 'points/*.bin') for f in out.glob(name)), None)
        if foreign is not None:
            raise ConfigError(
                f'{out}: holds {foreign.name}, which another program has made. Use it as it is '
                '(check it with --verify), choose another folder, or replace it with --overwrite.'
            )
    write_json(path, mine)


def _remove_leftovers(out: Path, stems: set[str]) -> None:
    """Remove what a killed run left of unfinished files, but not the files of other scans.

    Another job may be at work on another split of the same folder.
    """
    stems = {stem[:80] for stem in stems}
    folders = (out, out / RECORDS / 'scans', *(out / name for name in FOLDERS))
    for path in (path for folder in folders if folder.is_dir() for path in folder.iterdir()):
        match = _UNFINISHED.fullmatch(path.name)
        if match and match[1] in stems:
            path.unlink(missing_ok=True)


def _run(
    layout: DatasetLayout, out: Path, units: list[ScanUnit], workers: int, overwrite: bool
) -> Iterator[ScanOutcome]:
    prepare = partial(prepare_scan, layout, out, overwrite)
    if workers == 1 or len(units) < 2:
        yield from map(prepare, units)
        return
    # spawn: forking a process that has run numba or torch threads can hang.
    context = multiprocessing.get_context('spawn')
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(
            ProcessPoolExecutor(
                min(workers, len(units)), mp_context=context, initializer=_start_worker
            )
        )
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        try:
            for future in as_completed([pool.submit(prepare, unit) for unit in units]):
                yield future.result()
        except BrokenProcessPool as error:
            raise Unison3DError(
                'A process ended without a word, most likely because memory ran out. The scans '
                'that are done are kept: run the same command again with fewer processes.'
            ) from error


def _start_worker() -> None:
    """Every process has a core to itself; more threads would only get in each other's way."""
    import numba
    import torch

    # Ctrl-C reaches the whole group. The parent ends the job; a scan in hand is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    numba.set_num_threads(1)


def prepare_scan(layout: DatasetLayout, out: Path, overwrite: bool, unit: ScanUnit) -> ScanOutcome:
    """Prepare one scan, unless it is there already."""
    path = _record_path(out, unit.name)
    if not overwrite and _is_done(out, path):
        return ScanOutcome(unit, 'kept')
    try:
        path.unlink(missing_ok=True)
        scan = layout.read(unit)
        entry = write_scan(out, unit.name, scan, space_of(layout))
        record = {'form': FORM_VERSION, 'entry': entry}
        record['sentences'] = {str(key): list(value) for key, value in scan.sentences.items()}
        write_json(path, record)
    except _SCAN_ERRORS as error:
        kind = '' if isinstance(error, Unison3DError) else f'{type(error).__name__}: '
        return ScanOutcome(unit, 'failed', f'{kind}{error}')
    return ScanOutcome(unit, 'made')


def _record_path(out: Path, name: str) -> Path:
    return out / RECORDS / 'scans' / f'{name}.json'


def _is_done(out: Path, path: Path) -> bool:
    """Whether there is a record, and files of the size it tells."""
    try:
        record = read_json(path)
        entry, name = record['entry'], f'{path.stem}.bin'
        sizes = dict.fromkeys(FOLDERS, 8 * entry['num_points'])
        sizes['points'] = 24 * entry['num_points']
        if 'pts_semantic_mask_path' not in entry:
            del sizes['semantic_mask'], sizes['instance_mask']
        if record['form'] != FORM_VERSION:
            return False
    except (FileFormatError, KeyError, TypeError):
        return False
    files = {folder: out / folder / name for folder in sizes}
    return all(files[k].is_file() and files[k].stat().st_size == sizes[k] for k in sizes)


def _write_infos(
    layout: DatasetLayout,
    out: Path,
    tag: str,
    report: JobReport,
    sentences: list[ReferringSentence],
) -> None:
    """Put the records together, by split in the order of the dataset."""
    entries: dict[str, dict[str, dict]] = {}
    for outcome in report.outcomes:
        if outcome.status != 'failed':
            unit = outcome.unit
            record = read_json(_record_path(out, unit.name))
            entries.setdefault(unit.split, {})[unit.name] = record['entry']
            own = [
                ReferringSentence(unit.name, int(key), text, layout.name)
                for key, texts in record['sentences'].items()
                for text in texts
            ]
            add_sentences({unit.name: record['entry']}, own)
    space = space_of(layout)
    things = () if space is None else space.thing_names
    largest = layout.largest_semantic_id
    if largest is None and space is not None:
        largest = max(space.raw_ids)
    metainfo = {
        'categories': {name: number for number, name in enumerate(things)},
        'dataset': layout.name,
        'info_version': INFO_VERSION,
        'label_space': layout.label_space,
        'largest_semantic_id': largest,
    }
    for split in sorted(entries):
        scans = entries[split]
        kept, dropped = add_sentences(scans, sentences)
        if sentences:
            report.notes.append(
                f'{split}: {kept} sentences of {len(scans)} scans; {dropped} left out, because '
                'their target is no object of a class with instances'
            )
        path = out / f'{tag}_infos_{split}.pkl'
        report.infos += write_infos(path, metainfo, scans.values())
