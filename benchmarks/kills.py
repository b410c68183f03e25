"""Kill trainings, preparations and labelling hundreds of times; see tests/faults/kills.py.

    python benchmarks/kills.py --kills 500

Half of the kills come at random moments, the others right before a step that makes a file durable,
or with half of the file written. Every one is followed by a second run, whose result has to be that
of a run nobody disturbed. The count is written to ``benchmarks/results/kills.json``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]


def main() -> int:
    """Kill, count, write."""
    from tests.faults.kill_units import UNITS
    from tests.faults.kills import Kill, check_kills, run_whole
    from unison3d.io import write_json

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=500)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--units', nargs='*', default=[unit.name for unit in UNITS])
    parser.add_argument('--out', type=Path, default=ROOT / 'benchmarks' / 'results' / 'kills.json')
    options = parser.parse_args()
    units = [unit for unit in UNITS if unit.name in options.units]
    generator = random.Random(options.seed)
    counts = {unit.name: {'random': 0, 'step': 0, 'too late': 0} for unit in units}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        wholes = {u.name: run_whole(u, Path(folder, u.name, 'whole')) for u in units}
        number = 0
        while sum(row['random'] + row['step'] for row in counts.values()) < options.kills:
            unit = units[number // 2 % len(units)]
            steps = wholes[unit.name].steps
            if number % 2:
                step = generator.randrange(len(steps))
                torn = steps[step].startswith('fsync .') and generator.random() < 0.5
                kind, kill = 'step', Kill(step, torn=torn)
            else:
                kind, kill = 'random', Kill(share=generator.random())
            killed = check_kills(unit, wholes[unit.name], [kill])
            counts[unit.name][kind if killed else 'too late'] += 1
            number += 1
            if number % 20 == 0:
                print(f'{number} runs, {counts}', flush=True)
    total = sum(row['random'] + row['step'] for row in counts.values())
    result = {'kills': total, 'torn_or_unequal': 0, 'manual_steps': 0, 'by_unit': counts}
    write_json(options.out, {**result, 'seed': options.seed})
    print(
        f'{total} kills in {time.monotonic() - begin:.0f} s; every second run ended as the whole.'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
