"""``unison3d infer FOLDER`` and ``unison3d infer LIST.txt``: many scans, one result folder each."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unison3d.apis.exports import check_exports
from unison3d.apis.pretrained import LABELS, WEIGHTS, find_weights, sha256
from unison3d.apis.scan_files import ScanFile, find_scans, read_scan_list
from unison3d.cli.job_options import make_crew
from unison3d.cli.progress import ProgressLines
from unison3d.cli.segment_scan import ScanQuestions
from unison3d.cli.segment_work import RECORDS, SCANS, SegmentWork, forget_result, wants_gpus
from unison3d.errors import ConfigError, InputError
from unison3d.fusion import is_capture
from unison3d.io import atomic_write, check_file, read_json, write_json
from unison3d.jobs import Crew, Outcome, Records, only_job, remove_leftovers, run_units
from unison3d.operations import chosen_engines

# Raise it when the files of a result, or the names of scans, change their meaning.
_FORM_VERSION = 2
#: Columns of the table of all scans.
COLUMNS = ('name', 'scan', 'status', 'seconds', 'attempts', 'points', 'objects')
COLUMNS += ('error', 'reason', 'warnings')


def list_scans(path: Path, out: Path) -> list[ScanFile]:
    """The scans of a folder, or of a ``.txt`` file."""
    return find_scans(path, leave_out=[out]) if path.is_dir() else read_scan_list(path)


def describe(weights: Path | None, questions: ScanQuestions) -> dict[str, Any]:
    """What the answers of a job depend on beside the scans, in terms of JSON.

    Raises:
        CheckpointError: see :func:`find_weights`.
        FileFormatError: there are no such weights.
    """
    file = check_file(find_weights(weights))
    hashes = [sha256(file)]
    labels = file.with_name(LABELS)
    if file.name == WEIGHTS and labels.is_file():
        # It says which names an open-vocabulary answer has by default.
        hashes.append(sha256(labels))
    asked = json.loads(json.dumps(asdict(questions)))
    engines = chosen_engines()
    return {'form': _FORM_VERSION, 'weights': hashes, 'engines': engines, 'questions': asked}


def check_claim(out: Path, mine: dict[str, Any], overwrite: bool) -> None:
    """See whether a folder is free for a job as :func:`describe` tells of it.

    Raises:
        ConfigError: it holds results of other questions, or anything else.
    """
    path = out / RECORDS / 'job.json'
    if out.exists() and not out.is_dir():
        raise ConfigError(f'--out {out} is a file, expected a folder. Choose another name.')
    if path.exists() and not overwrite:
        # A job that ended before its first scan holds nothing.
        found = read_json(path) if _records(out).names() else mine
        if found != mine:
            raise ConfigError(
                f'--out {out} holds results of other {_difference(found, mine)}. Choose another '
                'folder, or pass --overwrite to make all of them again.'
            )
    elif out.is_dir() and not overwrite and any(p.name != RECORDS for p in out.iterdir()):
        raise ConfigError(
            f'--out {out} is not empty. Pass --overwrite to replace results, or choose another '
            'folder.'
        )


def claim(out: Path, mine: dict[str, Any], overwrite: bool) -> None:
    """Reserve a folder for one set of questions to one model: results of another do not mix.

    Raises:
        ConfigError: see :func:`check_claim`.
    """
    check_claim(out, mine, overwrite)
    if overwrite:
        # Also of scans that this job does not have: they are answers to other questions.
        for name in _records(out).names():
            forget_result(_records(out), name, out / name)
    write_json(out / RECORDS / 'job.json', mine)


def _records(out: Path) -> Records:
    return Records(out / RECORDS / SCANS)


def _difference(found: Any, mine: dict[str, Any]) -> str:
    if not isinstance(found, dict) or found.get('form') != mine['form']:
        return 'versions of this program'
    if found.get('weights') != mine['weights']:
        return 'weights'
    if found.get('engines') != mine['engines']:
        return 'engines (--use-engine)'
    before = found.get('questions') or {}
    names = [name for name, value in mine['questions'].items() if before.get(name) != value]
    return f'options ({", ".join(names)})'


def run_many(args: argparse.Namespace, out: Path, questions: ScanQuestions) -> int:
    """Segment all scans, write the table, report.

    Returns:
        The exit status: that of unusable input if any scan failed.
    """
    check_exports(args.export, questions.tasks)
    gpus = wants_gpus(args.device)
    crew = make_crew(args, workers=_default_workers(gpus), gpus=gpus)
    path = Path(args.scan).expanduser()
    if not path.is_dir():
        check_file(path)
    scans = list_scans(path, out)
    _check_reading(questions, scans, path)
    mine = describe(args.weights, questions)
    # Before the lock, which is a file in that folder.
    check_claim(out, mine, args.overwrite)
    with only_job(out / RECORDS):
        claim(out, mine, args.overwrite)
        work = SegmentWork(out, args.weights, args.device, questions)
        summary, paths = segment_all(scans, work, crew, ProgressLines())
    if args.json:
        json.dump({'files': [str(path) for path in paths], **summary}, sys.stdout, indent=2)
        print()
    else:
        _print(summary, paths)
    return InputError.exit_code if summary['failed'] else 0


def segment_all(
    scans: Sequence[ScanFile],
    work: SegmentWork,
    crew: Crew,
    on_scan: Callable[[Outcome, int], None],
) -> tuple[dict[str, Any], list[Path]]:
    """Segment those scans that are not done, in a folder that was claimed.

    Returns:
        The table of all scans, and its files.
    """
    start, out = time.perf_counter(), work.out
    remove_leftovers((out, out / RECORDS, work.records.folder))
    for name in ('summary.json', 'summary.csv'):
        # It tells of the whole job, and from here until the end nothing does.
        (out / name).unlink(missing_ok=True)
    outcomes: dict[str, Outcome] = {}
    for outcome in run_units(work, scans, crew):
        outcomes[outcome.name] = outcome
        on_scan(outcome, len(scans))
    summary = summarise([outcomes[scan.name] for scan in scans], time.perf_counter() - start)
    return summary, write_summary(out, summary)


def _check_reading(questions: ScanQuestions, scans: Sequence[ScanFile], path: Path) -> None:
    """Refuse options that no scan has a use for."""
    tables = any(scan.path.suffix.lower() == '.bin' for scan in scans)
    if questions.num_features is not None and not tables:
        raise ConfigError(f'--num-features is for .bin scans and {path} has none. Leave it out.')
    if questions.capture and not any(is_capture(scan.path) for scan in scans):
        raise ConfigError(
            f'{", ".join(questions.capture)} are for captures of depth images and {path} has none. '
            'Leave them out.'
        )


def _default_workers(gpus: bool) -> int:
    import torch

    return max(torch.cuda.device_count(), 1) if gpus else 1


def summarise(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """The table of all scans, as in ``summary.json``."""
    rows = []
    for outcome in outcomes:
        row = dict.fromkeys(COLUMNS)
        row |= {'name': outcome.name, 'scan': str(outcome.unit.path), 'status': outcome.status}
        row |= {'seconds': round(outcome.seconds, 3), 'attempts': outcome.attempts}
        row |= {'error': outcome.error, 'reason': outcome.reason, 'warnings': []}
        rows.append(row | outcome.value)
    counts = {s: sum(o.status == s for o in outcomes) for s in ('made', 'kept', 'failed')}
    return {'schema_version': 1, **counts, 'seconds': round(seconds, 3), 'scans': rows}


def write_summary(out: Path, summary: dict[str, Any]) -> list[Path]:
    """``summary.json`` and the same as a table, ``summary.csv``."""
    paths = [out / 'summary.json', out / 'summary.csv']
    write_json(paths[0], summary)
    with atomic_write(paths[1], 'w') as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        table.writeheader()
        for row in summary['scans']:
            table.writerow(row | {'warnings': '; '.join(row['warnings'])})
    return paths


def _print(summary: dict[str, Any], paths: Sequence[Path]) -> None:
    print('{made} scans segmented, {kept} there already, {failed} failed'.format(**summary), end='')
    print(f' in {summary["seconds"]:.1f} s.')
    for row in summary['scans']:
        if row['status'] == 'failed':
            print(f'failed: {row["name"]} ({row["error"]}): {row["reason"]}')
        for text in row['warnings']:
            print(f'warning: {row["name"]}: {text}')
    print('Written:')
    for path in paths:
        print(f'  {path}')
