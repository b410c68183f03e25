"""The first picture waits for nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from unison3d.structures import PointScene

# What the command does up to the panels, with a page that is none.
OPEN = """
import importlib
import pkgutil
import sys
from unittest.mock import MagicMock
from unison3d.cli.main import build_parser
build_parser()
from unison3d.viewer.app import Library, SharedModel, Tab, Workspace
workspace = Workspace(Library([sys.argv[1]]), SharedModel())
client = MagicMock()
client.camera.fov = client.camera.aspect = 1.0
tab = Tab(client, workspace, 1)
tab.open(workspace.last_key)
assert client.scene.add_point_cloud.call_args.args[1].shape == (2000, 3)
workspace.close()
import unison3d.viewer
names = [module.name for module in pkgutil.iter_modules(unison3d.viewer.__path__)]
panels = [name for name in names if name.startswith('panel_')]
assert 'panel_ask' in panels
for name in panels:
    importlib.import_module(f'unison3d.viewer.{name}')
slow = {'torch', 'numba', 'transformers', 'scipy.ndimage', 'unison3d.models', 'unison3d.apis'}
print(sorted(slow & sys.modules.keys()))
"""


def test_torch_and_numba_come_after_the_first_picture_and_the_panels(tmp_path):
    points = np.random.default_rng(0).random((2000, 3)).astype(np.float32)
    PointScene(points, colors=points).save(tmp_path / 'room.ply')
    command = [sys.executable, '-c', OPEN, str(tmp_path / 'room.ply')]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == '[]\n', done.stdout + done.stderr
