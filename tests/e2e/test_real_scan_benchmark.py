"""The benchmark on real scans finds a scan by its files and measures the baselines on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
from conftest import REPO_ROOT


def _write_scan(folder) -> None:
    """A floor of unknown name (instance 1), a chair (2) and a table (3) far apart."""
    rng = np.random.default_rng(0)
    floor = np.column_stack([rng.uniform(0, 3, (4000, 2)), np.zeros(4000)])
    chair = rng.uniform([0.5, 0.5, 0.3], [1.0, 1.0, 0.8], (1500, 3))
    table = rng.uniform([2.0, 2.0, 0.3], [2.8, 2.8, 0.7], (2500, 3))
    folder.mkdir()
    np.savez(
        folder / 'points.npz',
        xyz=np.concatenate([floor, chair, table]).astype(np.float32),
        instance=np.repeat([1, 2, 3], [4000, 1500, 2500]).astype(np.uint16),
    )
    objects = [
        {'instance': 1, 'label': None},
        {'instance': 2, 'label': 'office chair'},
        {'instance': 3, 'label': 'table'},
    ]
    (folder / 'objects.json').write_text(json.dumps(objects))
    sentences = [
        {'target_id': 1, 'caption': 'the chair'},
        {'object_id': 2, 'description': 'the table'},
        {'object_id': 77, 'description': 'something that is not here'},
    ]
    (folder / 'referring.json').write_text(json.dumps(sentences))


def test_baselines(tmp_path):
    _write_scan(tmp_path / 'scannet_scene1234_00')
    (tmp_path / 'something else').mkdir()
    command = [sys.executable, 'benchmarks/real_scans.py', '--data', tmp_path, '--baseline-only']
    env = {**os.environ, 'PYTHONPATH': str(REPO_ROOT), 'OMP_NUM_THREADS': '1'}
    run = subprocess.run(command, capture_output=True, text=True, cwd=REPO_ROOT, env=env)
    assert run.returncode == 0, run.stderr
    cells = [[cell.strip() for cell in line.split('|')[1:-1]] for line in run.stdout.splitlines()]
    rows = {tuple(row[:2]): row[2:] for row in cells if len(row) > 2}
    # The floor has no name, so it is no object; the other two are found by their gaps.
    assert rows['scene1234_00', 'connected superpoints'][:2] == ['100.0', '100.0']
    assert rows['scene1234_00', 'random true object'] == ['2', '50.0', '50.0', '50.0']
    assert rows['mean', 'largest connected'][0] == '2'
