"""The job that brings a dataset to the processed form, one scan at a time.

A scan is done when its record is written, which is after its files. A job that was killed goes on
with the scans that have no record, and the info files are put together from the records of all:
the result is the same as of a job that ran through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unison3d.datasets.prepare.infos import INFO_VERSION, add_sentences, write_infos
from unison3d.datasets.prepare.layout import DatasetLayout, ReferringSentence, ScanUnit
from unison3d.datasets.prepare.processed import FOLDERS, write_scan
from unison3d.datasets.prepare.referit3d import read_referit3d
from unison3d.datasets.prepare.scanrefer import read_scanrefer
from unison3d.errors import ConfigError, FileFormatError
from unison3d.io import read_json, write_json
from unison3d.jobs import Crew, Outcome, Records, Work, only_job, remove_leftovers, run_units
from unison3d.native.choice import AUTO
from unison3d.operations import chosen_engines, set_engines
from unison3d.structures.label_space import LABEL_SPACES, LabelSpace

#: Raise it when the files of a scan change their meaning; records of another number are redone.
FORM_VERSION = 1
RECORDS = '.prepare'


@dataclass
class JobReport:
    """What became of a job.

    Args:
        outcomes: of every scan, in the order of the dataset.
        infos: info files that were written.
        notes: what else is worth knowing, a line each.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    infos: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[Outcome]:
        """Scans that could not be prepared."""
        return [outcome for outcome in self.outcomes if outcome.status == 'failed']


def prepare_dataset(
    layout: DatasetLayout,
    root: str | Path,
    out: str | Path,
    *,
    splits: Sequence[str] | None = None,
    crew: Crew = Crew(),  # noqa: B008
    sentence_files: Sequence[str | Path] = (),
    tag: str | None = None,
    overwrite: bool = False,
    on_scan: Callable[[Outcome, int], None] = lambda outcome, total: None,
) -> JobReport:
    """Prepare every scan of a dataset and write the info files of its splits.

    Args:
        layout: the dataset.
        root: folder of the dataset as downloaded.
        out: folder for the processed form; may be ``root``.
        splits: which; None takes all.
        crew: who does it; by default this process.
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
    if crew.engine == 'ray':
        # A worker of a cluster has a working directory of its own.
        root, out = root.absolute(), out.absolute()
    if not root.is_dir():
        raise FileFormatError(f'{root}: is not a folder. Give the folder of the dataset as root.')
    # Read first: a damaged file should not show after hours.
    sentences = [s for path in sentence_files for s in read_sentences(path)]
    units = _chosen(layout, root, splits)
    # Before the lock, which is a file in that folder.
    _check_claim(out, layout, overwrite)
    work = PrepareWork(layout, out)
    with only_job(out / RECORDS):
        _claim(out, layout, overwrite)
        return _prepare(work, units, crew, sentences, tag or layout.name, overwrite, on_scan)


def _prepare(
    work: PrepareWork,
    units: Sequence[ScanUnit],
    crew: Crew,
    sentences: list[ReferringSentence],
    tag: str,
    overwrite: bool,
    on_scan: Callable[[Outcome, int], None],
) -> JobReport:
    infos = {f'{tag}_infos_{unit.split}' for unit in units}
    out = work.out
    folders = (out, work.records.folder, *(out / name for name in FOLDERS))
    remove_leftovers(folders, {unit.name for unit in units} | infos)
    if overwrite:
        for unit in units:
            work.records.forget(unit.name)
    report = JobReport()
    by_name = {}
    for outcome in run_units(work, units, crew):
        by_name[outcome.name] = outcome
        on_scan(outcome, len(units))
    report.outcomes = [by_name[unit.name] for unit in units]
    _write_infos(work, tag, report, sentences)
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


def _check_claim(out: Path, layout: DatasetLayout, overwrite: bool) -> None:
    """One folder holds one dataset: file names repeat between ScanNet and ScanNet200.

    Its superpoints are of one engine.
    """
    path = out / RECORDS / 'dataset.json'
    if path.exists():
        found = read_json(path)
        if not isinstance(found, dict) or found.get('dataset') != layout.name:
            raise ConfigError(
                f'{out}: already holds another dataset ({found}), not {layout.name}. Choose '
                'another folder.'
            )
        before, engine = _engine(found), chosen_engines()['superpoints']
        if before != engine and not overwrite:
            raise ConfigError(
                f'{out}: holds superpoints of the engine {before!r}, not of {engine!r}. Choose it '
                f'(--use-engine superpoints={before}), choose another folder, or pass --overwrite '
                'to make all scans again.'
            )
    elif not overwrite:
        foreign = next((f for name in ('*_infos_*', 'points/*.bin') for f in out.glob(name)), None)
        if foreign is not None:
            raise ConfigError(
                f'{out}: holds {foreign.name}, which another program has made. Use it as it is '
                '(check it with --verify), choose another folder, or replace it with --overwrite.'
            )


def _claim(out: Path, layout: DatasetLayout, overwrite: bool) -> None:
    _check_claim(out, layout, overwrite)
    path = out / RECORDS / 'dataset.json'
    engine = chosen_engines()['superpoints']
    mine = {'dataset': layout.name, 'form': FORM_VERSION, 'superpoints': engine}
    found = read_json(path) if path.exists() else mine
    if _engine(found) != engine:
        # Also of splits that this job does not have.
        records = Records(out / RECORDS / 'scans')
        for name in records.names():
            records.forget(name)
    if found != mine or not path.exists():
        write_json(path, mine)


def _engine(found: dict[str, Any]) -> str:
    # Folders of before there was a choice do not tell.
    return found.get('superpoints', AUTO)


class PrepareWork(Work):
    """Bring a scan of a dataset to the processed form.

    Args:
        layout: the dataset.
        out: folder for the processed form.
    """

    def __init__(self, layout: DatasetLayout, out: Path) -> None:
        self.layout = layout
        self.out = out
        # Of this process, for workers, which are new ones.
        self.engines = chosen_engines()
        self.records = Records(out / RECORDS / 'scans')

    def start(self, slot: int) -> None:
        set_engines(self.engines)

    def name(self, unit: ScanUnit) -> str:
        return unit.name

    def find(self, unit: ScanUnit) -> dict[str, Any] | None:
        """Done is a scan with a record, and with files of the size that it tells."""
        record = self.records.read(unit.name)
        try:
            entry, name = record['entry'], f'{unit.name}.bin'
            sizes = dict.fromkeys(FOLDERS, 8 * entry['num_points'])
            sizes['points'] = 24 * entry['num_points']
            if 'pts_semantic_mask_path' not in entry:
                del sizes['semantic_mask'], sizes['instance_mask']
            if record['form'] != FORM_VERSION:
                return None
        except (KeyError, TypeError):
            return None
        files = {folder: self.out / folder / name for folder in sizes}
        whole = all(files[k].is_file() and files[k].stat().st_size == sizes[k] for k in sizes)
        return {} if whole else None

    def make(self, unit: ScanUnit) -> dict[str, Any]:
        self.records.forget(unit.name)
        scan = self.layout.read(unit)
        entry = write_scan(self.out, unit.name, scan, space_of(self.layout))
        sentences = {str(key): list(value) for key, value in scan.sentences.items()}
        record = {'form': FORM_VERSION, 'entry': entry, 'sentences': sentences}
        self.records.write(unit.name, record)
        return {}


def _write_infos(
    work: PrepareWork,
    tag: str,
    report: JobReport,
    sentences: list[ReferringSentence],
) -> None:
    """Put the records together, by split in the order of the dataset."""
    layout = work.layout
    entries: dict[str, dict[str, dict]] = {}
    for outcome in report.outcomes:
        if outcome.status != 'failed':
            unit = outcome.unit
            record = read_json(work.records.path(unit.name))
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
        path = work.out / f'{tag}_infos_{split}.pkl'
        report.infos += write_infos(path, metainfo, scans.values())
