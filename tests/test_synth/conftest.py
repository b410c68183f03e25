"""Rooms shared by the tests of this folder."""

from __future__ import annotations

import pytest

from unison3d.synth import make_scene


@pytest.fixture(scope='session')
def scenes():
    return [make_scene(seed) for seed in range(30)]
