"""The benchmarks of sparse layers and backbones run and print their tables."""

from __future__ import annotations

import subprocess
import sys

from conftest import REPO_ROOT

SMALL = ('--voxels', '400', '--repeats', '1', '--threads', '1')


def run(script: str, *options: str) -> str:
    command = [sys.executable, str(REPO_ROOT / 'benchmarks' / script), *SMALL, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_layers():
    table = run('sparse_conv.py', '--engines', 'cpu', 'torch', '--dtypes', 'float32')
    rows = [line.split('|') for line in table.splitlines() if line.startswith('| subm k3 32-32')]
    assert [row[3].strip() for row in rows] == ['cpu', 'torch']
    assert all(float(row[4]) > 0 for row in rows)


def test_backbones_and_growth():
    table = run('backbones.py', '--networks', 'MinkUNet18A', '--sizes', '300', '900')
    assert '| MinkUNet18A |' in table
    assert 'to the power of' in table


def test_a_device_that_is_not_there_is_said_to_be():
    assert 'not measured' in run('sparse_conv.py', '--device', 'cuda:99')
