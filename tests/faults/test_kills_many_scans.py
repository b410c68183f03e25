"""kill -9 of ``unison3d infer FOLDER``, at random moments and at every step of one result."""

from __future__ import annotations

import sys

import pytest

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(sys.platform != 'linux', reason='signals and /proc of Linux'),
]
if sys.platform == 'linux':
    from tests.faults.kill_many_scans import MANY_SCANS
    from tests.faults.kills import check_kills, kills_of_a_save, random_kills, run_whole


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    return run_whole(MANY_SCANS, tmp_path_factory.mktemp('infer') / 'whole')


def test_kills_at_random_moments(whole):
    assert check_kills(MANY_SCANS, whole, random_kills(6, seed=2)) >= 3


def test_kills_at_each_step_of_a_result(whole):
    kills = kills_of_a_save(whole, 'fsync .semantic', 8, nth=2)
    assert check_kills(MANY_SCANS, whole, kills) == len(kills)
