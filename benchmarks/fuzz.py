"""Feed every reader with damaged files for as long as wanted.

    python benchmarks/fuzz.py --seconds 60                # every reader, a minute each
    python benchmarks/fuzz.py --reader scene:ascii.ply --seconds 3600 --engine atheris

A good file is changed again and again: bytes flipped, cut out, doubled, numbers at the borders of
their types, parts of other files. A reader may answer or raise one of our errors; anything else,
and memory that grows far beyond the file, is a finding: it is kept in --out, with the traceback.

``--engine random`` (default) needs nothing and gives the same files for a seed. ``--engine
atheris`` chooses changes by the lines of Python that they reach; it needs ``pip install atheris``,
which there is for Linux.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import logging
import sys
import time
import traceback
import warnings
from pathlib import Path
from types import FunctionType

from numba.core.dispatcher import Dispatcher

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]

from tests.faults.readers import READERS, Reader, change, try_file  # noqa: E402


def run_random(reader: Reader, seconds: float, seed: int, out: Path) -> tuple[int, int]:
    """Executions and different findings."""
    end, count, found = time.monotonic() + seconds, 0, set()
    while time.monotonic() < end:
        data = change(reader.make(), [seed, count])
        try:
            try_file(reader, data, out / 'work')
        except BaseException as error:  # noqa: BLE001
            if isinstance(error, KeyboardInterrupt):
                raise
            place = keep(reader, data, error, out)
            if place not in found:
                print(f'{reader.name}: {place}: {type(error).__name__}: {str(error)[:200]}')
            found.add(place)
        count += 1
    return count, len(found)


def keep(reader: Reader, data: bytes, error: BaseException, out: Path) -> str:
    """Write the file and the traceback; gives the line of ours that the error came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if '/unison3d/' in f.filename]
    place = f'{frames[-1].filename.split("/unison3d/")[-1]}:{frames[-1].lineno}' if frames else '?'
    stem = out / f'{reader.name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}'
    if not stem.with_suffix('.txt').exists():
        stem.with_suffix(Path(reader.file).suffix).write_bytes(data)
        stem.with_suffix('.txt').write_text(''.join(traceback.format_exception(error)))
    return place


def run_atheris(reader: Reader, seconds: float, seed: int, out: Path) -> None:
    """Hand over to libFuzzer, which ends the process."""
    try:
        import atheris
    except ImportError:
        sys.exit('--engine atheris needs the package: pip install atheris (Linux, Python 3.11 to '
                 '3.13). Or take --engine random.')  # fmt: skip
    corpus = out / 'corpus' / reader.name
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / 'good').write_bytes(reader.make())

    def one(data: bytes) -> None:
        try:
            try_file(reader, data, out / 'work')
        except Exception as error:  # noqa: BLE001
            keep(reader, data, error, out)
            raise

    # Once without a change, so that what is imported late is there.
    try_file(reader, reader.make(), out / 'work')
    for function in python_functions('unison3d'):
        atheris.instrument_func(function)
    options = [f'-max_total_time={int(seconds)}', f'-seed={seed + 1}', '-max_len=65536']
    atheris.Setup([sys.argv[0], *options, f'-artifact_prefix={out}/', str(corpus)], one)
    atheris.Fuzz()


def python_functions(package: str) -> list[FunctionType]:
    """What is imported of a package, without what Numba compiles: it knows plain Python only."""
    objects = gc.get_objects()
    compiled = {id(item.py_func) for item in objects if isinstance(item, Dispatcher)}
    return [
        item
        for item in objects
        if isinstance(item, FunctionType)
        and str(item.__module__).split('.')[0] == package
        and id(item) not in compiled
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [reader.name for reader in READERS]
    parser.add_argument('--reader', nargs='+', choices=names, metavar='READER',
                        help=f'default: all of {", ".join(names)}')  # fmt: skip
    parser.add_argument('--seconds', type=float, default=60, help='for each reader. Default: 60')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--engine', choices=('random', 'atheris'), default='random')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/fuzz'))
    args = parser.parse_args()
    (args.out / 'work').mkdir(parents=True, exist_ok=True)
    warnings.simplefilter('ignore')
    logging.disable(logging.INFO)
    readers = [r for r in READERS if args.reader is None or r.name in args.reader]
    if args.engine == 'atheris':
        if len(readers) != 1:
            parser.error('--engine atheris takes one --reader, because it ends the process')
        run_atheris(readers[0], args.seconds, args.seed, args.out)
    print(f'{"reader":16s} {"executions":>10s} {"findings":>8s}')
    total = 0
    for reader in readers:
        if reader.missing():
            print(f'{reader.name:16s} {"-":>10s}          needs {reader.needs}')
            continue
        count, findings = run_random(reader, args.seconds, args.seed, args.out)
        print(f'{reader.name:16s} {count:10d} {findings:8d}', flush=True)
        total += findings
    return 1 if total else 0


if __name__ == '__main__':
    sys.exit(main())
