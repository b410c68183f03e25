"""Scenes in the layouts of MMDetection3D, made here from procedural rooms."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec('mmdet3d') is not None:
    # Before any test imports parts of MMDetection3D, which need what the bridge puts in place.
    import unison3d.bridges.mmdet3d  # noqa: F401


@pytest.fixture(scope='session')
def rooms():
    """Two small procedural rooms as samples of ours."""
    from unison3d.datasets import SynthRoomsDataset

    options = dict(
        profile='rooms-v1',
        kind='office',
        clutter=0.2,
        spacing=0.05,
        max_points=6000,
        num_sentences=0,
    )
    dataset = SynthRoomsDataset(2, seed=3, scene_options=options)
    return [dataset.load_scene(info) for info in dataset.load_data_list()]


@pytest.fixture(scope='session')
def scannet_folder(rooms, tmp_path_factory):
    """ScanNet as MMDetection3D prepares it: binary files and info files."""
    from test_bridges.mmdet3d_files import write_scannet

    folder = tmp_path_factory.mktemp('scannet')
    write_scannet(folder, rooms)
    return folder
