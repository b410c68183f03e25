"""kill -9 at random moments and at every step of a save: see :mod:`tests.faults.kills`.

``benchmarks/kills.py`` does the same five hundred times.
"""

from __future__ import annotations

import sys

import pytest

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(sys.platform != 'linux', reason='signals and /proc of Linux'),
]
if sys.platform == 'linux':
    from tests.faults.kill_units import SAVES, UNITS
    from tests.faults.kills import Kill, check_kills, kills_of_a_save, random_kills, run_whole
else:  # pragma: no cover
    UNITS = ()

# In all 82: 20 of trainings at random moments, and every step of a save.
RANDOM = {'epochs': 10, 'iterations': 10, 'prepare': 5, 'label': 5, 'infer': 3}
STEPS = {'epochs': 20, 'iterations': 8, 'prepare': 8, 'label': 8, 'infer': 5}


@pytest.fixture(scope='module', params=UNITS, ids=lambda unit: unit.name)
def work(request, tmp_path_factory):
    unit = request.param
    return unit, run_whole(unit, tmp_path_factory.mktemp(unit.name) / 'whole')


def test_kills_at_random_moments(work):
    unit, whole = work
    wanted = RANDOM[unit.name]
    count = check_kills(unit, whole, random_kills(wanted, seed=5))
    # One that came too late is made up for by an earlier one.
    for attempt in range(20):
        if count >= wanted:
            break
        count += check_kills(unit, whole, [Kill(share=0.3 * 0.8**attempt)])
    assert count >= wanted


def test_kills_at_each_step_of_a_save(work):
    unit, whole = work
    first, nth = SAVES[unit.name]
    kills = kills_of_a_save(whole, first, STEPS[unit.name], nth)
    assert check_kills(unit, whole, kills) == len(kills) == STEPS[unit.name]
