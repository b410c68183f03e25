"""Files that stand in for those of a reader: small, made here, under the names the pages use."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from captures import write_room
from conftest import REPO_ROOT
from test_datasets import test_layout_arkitscenes as arkitscenes_scans

from tests.faults.raw_layouts import LAYOUTS
from tests.test_convert.test_translate import small
from tests.test_io import frame_samples
from tests.test_io.frame_samples import write
from unison3d.datasets.prepare import get_layout, prepare_dataset
from unison3d.structures import PointScene
from unison3d.synth import make_scene

SHIPPED = REPO_ROOT / 'unison3d/assets/weights/unified-s_synth-rooms.safetensors'
#: Where the pages click, in metres; an object has to be there.
CLICKED = [(1.2, 0.4, 0.5), (1.4, 0.4, 0.9), (1.9, 0.4, 0.5), (-0.7, 2.1, 0.4), (1.2, 0.4, 0.1)]
#: Of the clone, found in the working folder as they are.
LINKED = ('benchmarks', 'configs', 'projects', 'requirements', 'tools', 'unison3d')


class StandIns:
    """Makes each file once per session, and puts what a page names into its working folder."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._made: dict[str, Path] = {}

    def _once(self, name: str, make) -> Path:
        if name not in self._made:
            path = self._store / name
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
            self._made[name] = path
        return self._made[name]

    def fill(self, folder: Path, text: str) -> None:
        """Put everything that some commands name into a folder.

        Args:
            folder: the working folder of a page.
            text: all commands of the page.
        """
        folder.mkdir(parents=True)
        for name in LINKED:
            (folder / name).symlink_to(REPO_ROOT / name)
        # Rooms are made once for all pages.
        (folder / 'data').mkdir()
        for name in ('synth_rooms', 'synth_rooms_smoke'):
            (self._store / name).mkdir(exist_ok=True)
            (folder / 'data' / name).symlink_to(self._store / name)
        for name, make in FILES.items():
            named = rf'(?<![\w./-]){re.escape(name)}(?![\w-])'
            if re.search(named, text) and not re.search(rf'synth .*--out {named}', text):
                made = self._once(f'files/{name}', make)
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if made.is_dir():
                    shutil.copytree(made, target, dirs_exist_ok=True)
                else:
                    shutil.copyfile(made, target)


def scan(path: Path) -> None:
    """A procedural office with a box wherever a page clicks, 12,000 points."""
    room = make_scene(77, kind='office', max_points=9000, num_sentences=0)
    points, colors = [room.points - room.points.min(axis=0) - [3, 3, 0]], [room.colors]
    rng = np.random.default_rng(0)
    for place in CLICKED:
        box = rng.uniform(-0.15, 0.15, (600, 3))
        faces = np.arange(600), rng.integers(3, size=600)
        box[faces] = 0.15 * np.sign(box[faces])
        points.append(box + place)
        colors.append(np.tile(rng.random(3), (600, 1)))
    points, colors = np.concatenate(points), np.concatenate(colors)
    PointScene.from_arrays(points.astype(np.float32), colors.astype(np.float32)).save(path)


def capture(folder: Path) -> None:
    """A walk through a procedural room with depth images."""
    write_room(folder, num=12, width=80)


def arkitscenes(folder: Path) -> None:
    """Two scans with boxes, and depth images of one of them."""
    LAYOUTS['arkitscenes'].write(folder)
    scan = folder / 'Validation' / '41048190'
    boxes = arkitscenes_scans.BOXES[:2]
    arkitscenes_scans.write_scan(folder, scan.name, scan.parent.name, boxes)
    write(scan, frame_samples.arkitscenes(f'{scan.name}_frames'))


def scans(folder: Path) -> None:
    """Two scans in a folder."""
    for name in ('hall', 'kitchen'):
        folder.mkdir(exist_ok=True)
        scan(folder / f'{name}.ply')


def published(system: str, config: str):
    """A file as a published system writes it: random numbers under its names and shapes."""

    def make(path: Path) -> None:
        from unison3d.convert import get_system, translate_back
        from unison3d.io.config_files import read_config_file
        from unison3d.registry import MODELS

        model = MODELS.build(read_config_file(REPO_ROOT / config).model)
        tensors = translate_back(get_system(system), model.state_dict()).tensors
        torch.save({'state_dict': tensors, 'meta': {}}, path)

    return make


def openscene(path: Path) -> None:
    """A small published file of OpenScene."""
    torch.save({'state_dict': small('openscene')}, path)


def raw(name: str):
    """Two scans of a data set in the layout of its download."""
    return lambda folder: (folder.mkdir(parents=True), LAYOUTS[name].write(folder))


def list_of_scans(path: Path) -> None:
    """A line per scan."""
    path.write_text('my_scans/hall.ply\nmy_scans/kitchen.ply\n')


def sentences(layout: str, name: str):
    """A file of sentences about the scans of ScanNet."""

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            LAYOUTS[layout].write(Path(folder))
            shutil.copyfile(Path(folder, name), path)

    return make


def infos(path: Path) -> None:
    """An info file with sentences."""
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder, 'in'), Path(folder, 'out')
        LAYOUTS['scanrefer'].write(root)
        prepare_dataset(get_layout('scannet'), root, out, sentence_files=[root / 'refer.json'])
        shutil.copyfile(out / 'scannet_infos_train.pkl', path)


def shipped(path: Path) -> None:
    """The weights that ship."""
    shutil.copyfile(SHIPPED, path)


FILES = {
    'my_scan.ply': scan,
    'scan.ply': scan,
    'building.ply': scan,
    'my_scans': scans,
    'rgbd_folder': capture,
    'my_capture': capture,
    'today.txt': list_of_scans,
    'scannet_raw': raw('scannet'),
    **{
        f'data/{name}': raw(name)
        for name in ('scannet', 's3dis', 'scannetpp', 'replica', 'matterport3d', '3rscan')
    },
    'data/arkitscenes': arkitscenes,
    'data/their_scannet/uniseg3d_infos_train.pkl': infos,
    'ScanRefer_filtered_train.json': sentences('scanrefer', 'refer.json'),
    'ScanRefer_filtered_val.json': sentences('scanrefer', 'refer.json'),
    'nr3d.csv': sentences('referit3d', 'nr3d.csv'),
    'data/custom': raw('custom'),
    'weights.safetensors': shipped,
    'work_dirs/unified-s_synth-rooms/unified-s_synth-rooms.safetensors': shipped,
    'oneformer3d_1xb4_scannet.pth': published(
        'oneformer3d', 'configs/oneformer3d/oneformer3d_1xb4_scannet.py'
    ),
    'model_best.pth.tar': openscene,
    'best.pth': published('uniseg3d', 'configs/unified/uniseg3d_scannet.py'),
}
