"""Names in files do not lead out of their folder, and text in files is never a program."""

from __future__ import annotations

import contextlib
import json
import pickle
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.faults.good_files import gltf_text
from tests.faults.readers import READERS
from tests.test_io.frame_samples import colmap_binary, colmap_text, nerfstudio, tum, write
from unison3d.apis.model_file import load_model
from unison3d.cli.main import main
from unison3d.datasets.processed_infos import scan_entries
from unison3d.errors import Unison3DError
from unison3d.io import checked_reading, read_gltf
from unison3d.io.images import image_size, read_color_image, read_depth_image
from unison3d.io.obj_texture import read_textured_obj
from unison3d.io.tensor_files import read_checkpoint, read_weights
from unison3d.structures import read_frames

pytestmark = pytest.mark.fault
#: Of another user. ``OUT`` in a name is the folder that it lies in.
NAMES = ('../secret.png', 'a/../../secret.png', 'OUT/secret.png', '..\\secret.png',
         '../secret.png\0', 'file://OUT/secret.png', 'C:/secret.png', '/etc/passwd',
         '/dev/zero', '')  # fmt: skip


def frames(files: Callable[[], dict[str, bytes]], name: str, old: bytes) -> Callable:
    """A capture in whose file one name is another."""

    def read(folder: Path, named: str) -> object:
        content = files()
        assert old in content[name]
        write(folder, content | {name: content[name].replace(old, named.encode())})
        found = read_frames(folder)
        return [f.read_color() for f in found if f.color], [
            f.read_depth() for f in found if f.depth
        ]

    return read


def nerf(key: str) -> Callable[[Path, str], object]:
    def read(folder: Path, named: str) -> object:
        content = json.loads(nerfstudio()['transforms.json'])
        (content if key == 'ply_file_path' else content['frames'][0])[key] = named
        write(folder, nerfstudio() | {'transforms.json': json.dumps(content).encode()})
        return [(f.read_color(), f.depth and f.read_depth()) for f in read_frames(folder)]

    return read


def gltf(what: str) -> Callable[[Path, str], object]:
    def read(folder: Path, named: str) -> object:
        content = json.loads(gltf_text())
        content.setdefault('images', [{}])
        content[what][0] = content[what][0] | {'uri': named}
        if what == 'images':
            content['textures'] = [{'source': 0}]
            content['materials'] = [{'pbrMetallicRoughness': {'baseColorTexture': {'index': 0}}}]
        (folder / 'a.gltf').write_text(json.dumps(content))
        return read_gltf(folder / 'a.gltf')

    return read


def textured(line: str) -> Callable[[Path, str], object]:
    def read(folder: Path, named: str) -> object:
        body = 'v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n'
        library = named if line == 'mtllib' else 'a.mtl'
        (folder / 'a.obj').write_text(f'mtllib {library}\n{body}')
        (folder / 'a.mtl').write_text(f'newmtl m\nmap_Kd {named}\n')
        return read_textured_obj(folder / 'a.obj')

    return read


def infos(key: str) -> Callable[[Path, str], object]:
    def read(folder: Path, named: str) -> object:
        entry = {'lidar_points': {'lidar_path': 'a.bin', 'num_pts_feats': 6}}
        (entry['lidar_points'] if key == 'lidar_path' else entry)[key] = named
        if key == 'pts_semantic_mask_path':
            entry['pts_instance_mask_path'] = named
        (folder / 'infos.pkl').write_bytes(pickle.dumps({'metainfo': {}, 'data_list': [entry]}))
        kinds = ('pts', 'pts_semantic_mask', 'pts_instance_mask', 'sp_pts_mask')
        prefix = {kind: str(folder / kind) for kind in kinds}
        (found,) = scan_entries(folder, str(folder / 'infos.pkl'), None, prefix)
        paths = (v for k, v in found.items() if k.endswith('_path') and v is not None)
        assert all(Path(path).resolve().is_relative_to(folder) for path in paths)
        return found

    return read


DOORS: dict[str, Callable[[Path, str], object]] = {
    'frames of nerfstudio': nerf('file_path'),
    'depth of nerfstudio': nerf('depth_file_path'),
    'points of nerfstudio': nerf('ply_file_path'),
    'images of COLMAP': frames(colmap_text, 'sparse/0/images.txt', b'0.png'),
    'images of COLMAP, binary': frames(colmap_binary, 'sparse/0/images.bin', b'0.png'),
    'depth of TUM': frames(tum, 'depth.txt', b'depth/100.000.png'),
    'images of TUM': frames(tum, 'rgb.txt', b'rgb/100.010.png'),
    'buffers of glTF': gltf('buffers'),
    'textures of glTF': gltf('images'),
    'libraries of OBJ': textured('mtllib'),
    'textures of OBJ': textured('map_Kd'),
    'points of infos': infos('lidar_path'),
    'labels of infos': infos('pts_semantic_mask_path'),
    'superpoints of infos': infos('super_pts_path'),
}


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('door', DOORS)
def test_names_do_not_lead_out(door, name, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    Image.fromarray(np.zeros((36, 48, 3), np.uint8)).save(tmp_path / 'secret.png')
    opened: list[Path] = []
    try:
        with checked_reading(opened.append):
            DOORS[door](folder, name.replace('OUT', str(tmp_path)))
    except Unison3DError as error:
        assert str(folder) in str(error)
    assert all(path.resolve().is_relative_to(folder) for path in opened), opened


# ---------------------------------------------------------------------------- programs in text

PROGRAM = "import os; open('was_here', 'w')"
MODELS = {
    'a config as text': {'type': 'UnifiedSegmentor', 'cfg': PROGRAM},
    'a hook': {'type': 'UnifiedSegmentor', 'custom_hooks': [{'type': 'os.system'}]},
    'imports': {'type': 'UnifiedSegmentor', 'custom_imports': {'imports': ['evil']}},
    'a class by its place': {'type': 'os.system', 'command': 'touch was_here'},
    'a part by its place': {'type': 'UnifiedSegmentor', 'backbone': {'type': 'subprocess.Popen'}},
    'another scope': {'type': 'UnifiedSegmentor', '_scope_': 'evil'},
    'a file to read': {'type': 'UnifiedSegmentor', 'init_cfg': {'checkpoint': '/etc/passwd'}},
    'a base': {'_base_': 'evil.py', 'type': 'UnifiedSegmentor'},
    'a deletion': {'_delete_': True, 'type': 'UnifiedSegmentor'},
    'a lazy object': {'type': '<unison3d.models.UnifiedSegmentor>'},
    'deep': None,
}


@pytest.mark.parametrize('why', MODELS)
def test_descriptions_of_models_run_nothing(why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'evil.py').write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    text = '[' * 100_000 if MODELS[why] is None else json.dumps(MODELS[why])
    save_file({'a': torch.ones(2)}, tmp_path / 'a.safetensors', {'model': text, 'cfg': PROGRAM})
    with pytest.raises(Unison3DError, match='a.safetensors'):
        load_model(tmp_path / 'a.safetensors')
    assert not (tmp_path / 'was_here').exists()


def test_configs_in_checkpoints_are_text(tmp_path, monkeypatch, capsys):
    """As MMEngine writes them; a reader that ran them would leave a file."""
    monkeypatch.chdir(tmp_path)
    meta = {'cfg': PROGRAM, 'hook_msgs': {'a': PROGRAM}, 'experiment_name': '../../x', 'seed': 1}
    content = {'state_dict': {'a': torch.ones(2)}, 'meta': meta, 'message_hub': {'log': PROGRAM}}
    torch.save(content, tmp_path / 'a.pth')
    assert read_checkpoint(tmp_path / 'a.pth')['meta']['cfg'] == PROGRAM
    assert read_weights(tmp_path / 'a.pth')[1]['cfg'] == PROGRAM
    with pytest.raises(Unison3DError):
        load_model(tmp_path / 'a.pth')
    for system in ('uniseg3d', 'oneformer3d', 'mask3d'):
        assert main(['convert', system, 'a.pth', 'out.safetensors']) == 5
    assert 'Traceback' not in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.pth']


# ---------------------------------------------------------------------------- bombs


@pytest.mark.parametrize('reader', [r for r in READERS if '.json' in r.file or 'gltf' in r.file],
                         ids=str)  # fmt: skip
def test_deep_json(reader, tmp_path):
    for data in (b'[' * 100_000, b'{"a":' * 100_000, b'[' * 5000 + b']' * 5000, b'9' * 100_000):
        for name, content in (reader.others() | {reader.file: data}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        try:
            reader.read(tmp_path / reader.file)
        except Unison3DError as error:
            assert len(str(error)) < 1500
        else:
            assert reader.name == 'json'  # which takes any JSON


@pytest.mark.parametrize(('kind', 'mode'), [('png', '1'), ('webp', 'L'), ('gif', 'P')])
def test_few_bytes_of_many_pixels(kind, mode, tmp_path):
    """Real images of one colour, as small as their formats make them."""
    path = tmp_path / f'a.{kind}'
    Image.new(mode, (5800, 5800)).save(path, lossless=True, method=0)
    for read in (read_color_image, read_depth_image, image_size):
        with pytest.raises(Unison3DError, match=f'a.{kind}.* at most 33,554,432 are read'):
            read(path)


@pytest.mark.parametrize('mode', ['1', 'L', 'I;16', 'RGB'])
def test_a_png_that_claims_more_than_it_can_hold(mode, tmp_path):
    path = tmp_path / 'a.png'
    Image.new(mode, (64, 64)).save(path)
    data = path.read_bytes()
    header = b'IHDR' + (4096).to_bytes(4, 'big') * 2 + data[24:29]
    path.write_bytes(data[:12] + header + zlib.crc32(header).to_bytes(4, 'big') + data[33:])
    with pytest.raises(Unison3DError, match='more than compression can do'):
        image_size(path)


@pytest.mark.parametrize('read', [read_color_image, read_depth_image])
def test_a_part_of_an_image_that_claims_gigabytes(read, tmp_path):
    """Python makes room for what is asked of an open file before it looks what there is."""
    path = tmp_path / 'a.png'
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(noise if read is read_color_image else noise[..., 0]).save(path)
    data = path.read_bytes()
    at = data.index(b'IDAT') + 60
    # The part ends early, and the next one claims to have two gigabytes.
    cut = data[: at - 64] + (56).to_bytes(4, 'big') + data[at - 60 : at] + bytes(4)
    path.write_bytes(cut + (2**31 - 9).to_bytes(4, 'big') + b'IDAT' + data[at:])
    tracemalloc.start()
    try:
        with contextlib.suppress(Unison3DError):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
