"""Broken captures: a typed error that names the file, and no memory beyond what the file has."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from tests.test_io.frame_samples import (
    HEIGHT,
    SAMPLES,
    WIDTH,
    Files,
    arkitscenes,
    colmap_binary,
    colmap_text,
    frame_files,
    llff,
    matrix,
    nerfstudio,
    png,
    poses,
    replica,
    scannet,
    sens_bytes,
    shelf,
    tum,
    write,
)
from unison3d.errors import InputError
from unison3d.structures import read_frames

SENS = sens_bytes()
_HEADER = 4 + 8 + len(b'StructureSensor')


def read_everything(path: Path) -> int:
    """Cameras and all images; the number of usable frames."""
    frames = read_frames(path)
    for frame in frames:
        if frame.color is not None:
            frame.read_color()
        if frame.depth is not None:
            frame.read_depth()
    return len(frames)


@pytest.mark.parametrize('layout', SAMPLES)
def test_the_good_ones_are_good(layout, tmp_path):
    assert read_everything(write(tmp_path, SAMPLES[layout]())) == 3


@pytest.mark.parametrize('part', range(64))
def test_truncated_sens(part, tmp_path):
    path = tmp_path / 'cut.sens'
    path.write_bytes(SENS[: len(SENS) * part // 64])
    with pytest.raises(InputError, match=r'cut\.sens'):
        read_everything(path)


def patched(offset: int, form: str, *values: float) -> bytes:
    data = bytearray(SENS)
    struct.pack_into(form, data, offset, *values)
    return bytes(data)


_CODES = _HEADER + 4 * 64
_FIRST = _CODES + 8 + 16 + 4 + 8
_SIZES = _FIRST + 64 + 16


def with_depth(data: bytes) -> bytes:
    """The recording with another depth image in its first frame."""
    color_size, depth_size = struct.unpack_from('<2Q', SENS, _SIZES)
    start = _SIZES + 16 + color_size
    out = bytearray(SENS[:start] + data + SENS[start + depth_size :])
    struct.pack_into('<Q', out, _SIZES + 8, len(data))
    return bytes(out)


BAD_SENS = {
    'version': patched(0, '<I', 3),
    'long name': patched(4, '<Q', 1 << 40),
    'K is nan': patched(_HEADER, '<f', np.nan),
    'no focal length': patched(_HEADER, '<f', 0),
    'extrinsics': patched(_HEADER + 64 + 12, '<f', 0.5),
    'raw colour': patched(_CODES, '<i', 0),
    'unknown depth': patched(_CODES + 4, '<i', 2),
    'no width': patched(_CODES + 8, '<I', 0),
    'huge width': patched(_CODES + 16, '<I', 1 << 31),
    'other size': patched(_CODES + 8, '<I', 50),
    'shift is zero': patched(_CODES + 24, '<f', 0),
    'shift is nan': patched(_CODES + 24, '<f', np.nan),
    'frame count': patched(_CODES + 28, '<Q', 1 << 50),
    'one frame more': patched(_CODES + 28, '<Q', 4),
    'colour size': patched(_SIZES, '<Q', 1 << 60),
    'depth size': patched(_SIZES + 8, '<Q', 1 << 62),
    'mirrored pose': patched(_FIRST, '<16f', *np.diag([1.0, 1, -1, 1]).ravel()),
    'scaled pose': patched(_FIRST, '<16f', *np.diag([2.0, 2, 2, 1]).ravel()),
    'depth is no zlib': with_depth(b'not zlib at all'),
    'depth too short': with_depth(zlib.compress(bytes(100))),
    'depth bomb': with_depth(zlib.compress(bytes(1 << 26))),
    'depth cut': with_depth(zlib.compress(bytes(2 * WIDTH * HEIGHT))[:-8]),
}


@pytest.mark.parametrize('name', BAD_SENS)
def test_damaged_sens(name, tmp_path):
    path = tmp_path / 'bad.sens'
    path.write_bytes(BAD_SENS[name])
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r'bad\.sens'):
            read_everything(path)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def changed(files: Callable[[], Files], **changes: bytes | None) -> Files:
    """Files by name; ``None`` removes one. Slashes and dots are part of the keys."""
    result = files()
    for name, data in changes.items():
        assert data is not None or name in result, name
        if data is None:
            del result[name]
        else:
            result[name] = data
    return result


def transforms(**changes: object) -> bytes:
    content = json.loads(nerfstudio()['transforms.json'])
    content.update(changes)
    return json.dumps({k: v for k, v in content.items() if v is not None}).encode()


def one_frame(**changes: object) -> bytes:
    content = json.loads(nerfstudio()['transforms.json'])
    content['frames'][1].update(changes)
    return json.dumps(content).encode()


def array(values: object) -> bytes:
    file = BytesIO()
    np.save(file, np.asarray(values))
    return file.getvalue()


def replica_camera(**changes: object) -> bytes:
    content = json.loads(replica()['cam_params.json'])
    content['camera'].update(changes)
    return json.dumps(content).encode()


def cut(files: Callable[[], Files], name: str, part: float) -> dict[str, bytes]:
    data = files()[name]
    return {name: data[: int(len(data) * part)]}


P0, D0, C0 = (f'frame-000000.{end}' for end in ('pose.txt', 'depth.png', 'color.png'))
_ARKIT = '40_frames/lowres_wide'
_TRAJ, _PINCAM = f'{_ARKIT}.traj', f'{_ARKIT}_intrinsics/40_8.001.pincam'
_KEYS = '{"camera": {"w": 48, "h": 36}}'
_BIN = colmap_binary()
_CAMS, _IMGS, _PTS = (f'sparse/0/{name}' for name in ('cameras', 'images', 'points3D'))
_BOUNDS = np.load(BytesIO(llff()['poses_bounds.npy']))


def bin_patch(name: str, offset: int, form: str, value: float) -> dict[str, bytes]:
    data = bytearray(_BIN[f'{name}.bin'])
    struct.pack_into(form, data, offset, value)
    return {f'{name}.bin': bytes(data)}


BAD_SETS: dict[str, tuple[Callable[[], Files], dict[str, bytes | None]]] = {
    # <name>.pose.txt
    'no intrinsics': (frame_files, {'camera-intrinsics.txt': None}),
    'intrinsics of words': (frame_files, {'camera-intrinsics.txt': b'fx fy cx'}),
    'intrinsics too short': (frame_files, {'camera-intrinsics.txt': b'1 2 3'}),
    'intrinsics are nan': (frame_files, {'camera-intrinsics.txt': b'nan ' * 9}),
    'intrinsics transposed': (frame_files, {'camera-intrinsics.txt': b'40 0 0 0 40 0 23 17 1'}),
    'intrinsics empty': (frame_files, {'camera-intrinsics.txt': b''}),
    'intrinsics binary': (frame_files, {'camera-intrinsics.txt': bytes(range(256))}),
    'pose too short': (frame_files, {P0: b'1 0 0 0'}),
    'pose too long': (frame_files, {P0: matrix(np.eye(5))}),
    'pose empty': (frame_files, {P0: b''}),
    'pose of words': (frame_files, {P0: b'tracking lost'}),
    'pose mirrored': (frame_files, {P0: matrix(np.diag([-1.0, 1, 1, 1]))}),
    'pose scaled': (frame_files, {P0: matrix(1000 * poses()[0])}),
    'pose sheared': (frame_files, {P0: matrix(np.eye(4) + np.eye(4, k=1) * 0.1)}),
    'pose transposed': (frame_files, {P0: matrix(poses()[0].T)}),
    'pose projective': (frame_files, {P0: matrix(np.eye(4) + np.eye(4, k=-1) * [0, 0, 1, 0])}),
    'pose huge': (frame_files, {P0: matrix(poses()[0] * 1e200)}),
    'depth empty': (frame_files, {D0: b''}),
    'depth cut': (frame_files, cut(frame_files, D0, 0.5)),
    'depth is a text': (frame_files, {D0: b'hello'}),
    'depth in colour': (frame_files, {D0: frame_files()[C0]}),
    'depth of another size': (frame_files, {D0: png(np.ones((30, 40), np.uint16))}),
    'colour empty': (frame_files, {C0: b''}),
    'colour cut': (frame_files, cut(frame_files, C0, 0.6)),
    'colour is depth': (frame_files, {C0: frame_files()[D0]}),
    'colour of another size': (frame_files, {C0: png(np.ones((72, 96, 3), np.uint8))}),
    'png that claims to be huge': (
        frame_files,
        {'frame-000001.color.png': png(np.zeros((2, 2), np.uint8))[:16] + b'\x7f\0\0\0' * 2},
    ),
    # cam.info.txt
    'shelf without lens': (shelf, {'cam.info.txt': shelf()['cam.info.txt'].replace(b'Color', b'')}),
    'shelf without poses': (shelf, {'cam.info.txt': shelf()['cam.info.txt'][:150]}),
    'shelf cut': (shelf, {'cam.info.txt': shelf()['cam.info.txt'][:-60]}),
    'shelf of words': (shelf, {'cam.info.txt': b'# a\nhello\n'}),
    # ScanNet
    'scannet without lenses': (
        scannet,
        {f'intrinsic/intrinsic_{kind}.txt': None for kind in ('color', 'depth')},
    ),
    'scannet without depth lens': (scannet, {'intrinsic/intrinsic_depth.txt': None}),
    'scannet lens empty': (scannet, {'intrinsic/intrinsic_color.txt': b''}),
    'scannet lens swapped': (
        scannet,
        {'intrinsic/intrinsic_depth.txt': b'400 0 200 0 400 150 0 0 1'},
    ),
    'scannet no pose': (scannet, {f'pose/{i}.txt': None for i in range(3)} | {'pose/a': b''}),
    'scannet pose cut': (scannet, {'pose/1.txt': b'1 0 0 0 0 1'}),
    'scannet depth as colour': (scannet, {'depth/1.png': scannet()['color/1.png']}),
    'scannet all lost': (
        scannet,
        {f'pose/{i}.txt': matrix(np.full((4, 4), -np.inf)) for i in range(3)},
    ),
    # TUM
    'tum without lens': (tum, {'camera-intrinsics.txt': None}),
    'tum time is a word': (tum, {'depth.txt': b'now depth/1.png\n'}),
    'tum line too short': (tum, {'groundtruth.txt': b'100.0 1 2 3\n'}),
    'tum quaternion of words': (tum, {'groundtruth.txt': b'100.0 a b c d e f g\n'}),
    'tum no pose in time': (tum, {'groundtruth.txt': b'500.0 0 0 0 0 0 0 1\n'}),
    'tum zero quaternion': (tum, {'groundtruth.txt': b'100.0 0 0 0 0 0 0 0\n'}),
    'tum lists empty': (tum, {'depth.txt': b'# nothing\n'}),
    'tum time is nan': (tum, {'groundtruth.txt': b'nan 0 0 0 0 0 0 1\n'}),
    # Replica
    'replica without parameters': (replica, {'cam_params.json': None}),
    'replica no json': (replica, {'cam_params.json': b'{"camera": '}),
    'replica keys missing': (replica, {'cam_params.json': _KEYS.encode()}),
    'replica a list': (replica, {'cam_params.json': b'[1, 2]'}),
    'replica scale is zero': (replica, {'cam_params.json': replica_camera(scale=0)}),
    'replica scale is tiny': (replica, {'cam_params.json': replica_camera(scale=1e-320)}),
    'replica size is negative': (replica, {'cam_params.json': replica_camera(w=-48)}),
    'replica size is a word': (replica, {'cam_params.json': replica_camera(h='tall')}),
    'replica other size': (replica, {'cam_params.json': replica_camera(w=100)}),
    'replica trajectory cut': (replica, cut(replica, 'traj.txt', 0.7)),
    'replica trajectory of words': (replica, {'traj.txt': b'a b c'}),
    'replica trajectory empty': (replica, {'traj.txt': b''}),
    'replica gzip is none': (replica, {'traj.txt': None, 'traj.txt.gz': b'plain text'}),
    'replica gzip cut': (replica, {'traj.txt': None, 'traj.txt.gz': b'\x1f\x8b\x08\0'}),
    # ARKitScenes
    'arkit without trajectory': (arkitscenes, {_TRAJ: None}),
    'arkit trajectory empty': (arkitscenes, {_TRAJ: b''}),
    'arkit trajectory cut': (arkitscenes, cut(arkitscenes, _TRAJ, 0.7)),
    'arkit trajectory of words': (arkitscenes, {_TRAJ: b't a b c x y z\n'}),
    'arkit trajectory binary': (arkitscenes, {_TRAJ: bytes(range(256))}),
    'arkit line too long': (arkitscenes, {_TRAJ: b'7.0 0 0 0 0 0 0 1\n'}),
    'arkit time is nan': (arkitscenes, {_TRAJ: b'nan 0 0 0 0 0 0\n'}),
    'arkit all lost': (arkitscenes, {_TRAJ: b'7 nan 0 0 0 0 0\n8 0 0 0 0 0 inf\n'}),
    'arkit no pose in time': (arkitscenes, {_TRAJ: b'500.0 0 0 0 0 0 0\n'}),
    'arkit huge turn': (arkitscenes, {_TRAJ: b'7.0 1e300 1e300 0 0 0 0\n'}),
    'arkit huge step': (arkitscenes, {_TRAJ: b'7.0 0 0 0 1e400 0 0\n'}),
    'arkit lens empty': (arkitscenes, {_PINCAM: b''}),
    'arkit lens too short': (arkitscenes, {_PINCAM: b'48 36 40 40 23.5'}),
    'arkit lens of words': (arkitscenes, {_PINCAM: b'48 36 f f c c'}),
    'arkit lens is nan': (arkitscenes, {_PINCAM: b'48 36 40 nan 23.5 17.5'}),
    'arkit lens without focal length': (arkitscenes, {_PINCAM: b'48 36 0 40 23.5 17.5'}),
    'arkit lens of half pixels': (arkitscenes, {_PINCAM: b'48.5 36 40 40 23.5 17.5'}),
    'arkit lens of a huge image': (arkitscenes, {_PINCAM: b'1e9 36 40 40 23.5 17.5'}),
    'arkit lens of another size': (arkitscenes, {_PINCAM: b'96 72 80 80 47.5 35.5'}),
    'arkit no lens': (
        arkitscenes,
        {f'{_ARKIT}_intrinsics/40_{i}.001.pincam': None for i in (7, 8, 9)},
    ),
    'arkit no image': (
        arkitscenes,
        {name: None for name in arkitscenes() if name.endswith('.png')},
    ),
    'arkit depth cut': (arkitscenes, cut(arkitscenes, '40_frames/lowres_depth/40_7.001.png', 0.5)),
    'arkit depth in colour': (
        arkitscenes,
        {'40_frames/lowres_depth/40_7.001.png': png(np.zeros((HEIGHT, WIDTH, 3), np.uint8))},
    ),
    # nerfstudio
    'json cut': (nerfstudio, cut(nerfstudio, 'transforms.json', 0.8)),
    'json a number': (nerfstudio, {'transforms.json': b'3'}),
    'json nested': (nerfstudio, {'transforms.json': b'[' * 100_000}),
    'json no frames': (nerfstudio, {'transforms.json': transforms(frames=None)}),
    'json frames empty': (nerfstudio, {'transforms.json': transforms(frames=[])}),
    'json frames of words': (nerfstudio, {'transforms.json': transforms(frames=['a'])}),
    'json no width': (nerfstudio, {'transforms.json': transforms(w=None)}),
    'json width a word': (nerfstudio, {'transforms.json': transforms(w='wide')}),
    'json width zero': (nerfstudio, {'transforms.json': transforms(w=0)}),
    'json width nan': (nerfstudio, {'transforms.json': transforms(w=float('nan'))}),
    'json width endless': (nerfstudio, {'transforms.json': transforms(w=10**400)}),
    'json focal negative': (nerfstudio, {'transforms.json': transforms(fl_x=-40)}),
    'json no focal': (nerfstudio, {'transforms.json': transforms(fl_x=None)}),
    'json angle too large': (
        nerfstudio,
        {'transforms.json': transforms(fl_x=None, camera_angle_x=4.0)},
    ),
    'json fisheye': (nerfstudio, {'transforms.json': transforms(camera_model='OPENCV_FISHEYE')}),
    'json rational lens': (nerfstudio, {'transforms.json': transforms(k4=0.1)}),
    'json lens is nan': (nerfstudio, {'transforms.json': transforms(k1=float('nan'))}),
    'json depth unit': (nerfstudio, {'transforms.json': transforms(depth_unit_scale_factor=0)}),
    'json no pose': (nerfstudio, {'transforms.json': one_frame(transform_matrix=None)}),
    'json pose ragged': (nerfstudio, {'transforms.json': one_frame(transform_matrix=[[1], []])}),
    'json pose short': (nerfstudio, {'transforms.json': one_frame(transform_matrix=[[1, 2, 3]])}),
    'json pose of words': (nerfstudio, {'transforms.json': one_frame(transform_matrix='eye')}),
    'json pose scaled': (
        nerfstudio,
        {'transforms.json': one_frame(transform_matrix=(2 * np.eye(4)).tolist())},
    ),
    'json leaves the folder': (nerfstudio, {'transforms.json': one_frame(file_path='../../x.png')}),
    'json absolute': (nerfstudio, {'transforms.json': one_frame(file_path='/etc/hostname')}),
    'json depth is a number': (nerfstudio, {'transforms.json': one_frame(depth_file_path=5)}),
    'json points missing': (nerfstudio, {'transforms.json': transforms(ply_file_path='no.ply')}),
    'json image of another size': (nerfstudio, {'images/1.png': png(np.ones((8, 8), np.uint8))}),
    # LLFF
    'llff of another shape': (llff, {'poses_bounds.npy': array(_BOUNDS[:, :15])}),
    'llff one pose less': (llff, {'poses_bounds.npy': array(_BOUNDS[:2])}),
    'llff one image less': (llff, {'images/1.png': None}),
    'llff cut': (llff, cut(llff, 'poses_bounds.npy', 0.6)),
    'llff of words': (llff, {'poses_bounds.npy': array([['a'] * 17] * 3)}),
    'llff scaled': (llff, {'poses_bounds.npy': array(_BOUNDS * 2)}),
    'llff no focal length': (llff, {'poses_bounds.npy': array(_BOUNDS * 0)}),
    'llff damaged image': (llff, {'images/0.png': b'no'}),
    # COLMAP, text
    'colmap line too short': (colmap_text, {f'{_CAMS}.txt': b'7 PINHOLE 48\n'}),
    'colmap one parameter less': (colmap_text, {f'{_CAMS}.txt': b'7 PINHOLE 48 36 40 40 24\n'}),
    'colmap words': (colmap_text, {f'{_CAMS}.txt': b'7 PINHOLE 48 36 a b c d\n'}),
    'colmap no width': (colmap_text, {f'{_CAMS}.txt': b'7 PINHOLE 0 36 40 40 24 18\n'}),
    'colmap unknown model': (colmap_text, {f'{_CAMS}.txt': b'7 FOV 48 36 40 40 24 18 1\n'}),
    'colmap no camera': (colmap_text, {f'{_CAMS}.txt': b'# none\n'}),
    'colmap lens is nan': (colmap_text, {f'{_CAMS}.txt': b'7 PINHOLE 48 36 nan 40 24 18\n'}),
    'colmap image words': (colmap_text, {f'{_IMGS}.txt': b'1 a b c d e f g 7 x.png\n\n'}),
    'colmap image short': (colmap_text, {f'{_IMGS}.txt': b'1 1 0 0 0 0 0\n\n'}),
    'colmap no image': (colmap_text, {f'{_IMGS}.txt': b'# none\n'}),
    'colmap zero quaternion': (
        colmap_text,
        {f'{_IMGS}.txt': b'1 0 0 0 0 0 0 0 7 view 0.png\n\n'},
    ),
    'colmap point words': (colmap_text, {f'{_PTS}.txt': b'1 a b c 1 2 3 0\n'}),
    'colmap point short': (colmap_text, {f'{_PTS}.txt': b'1 2 3\n'}),
    'colmap point nan': (colmap_text, {f'{_PTS}.txt': b'1 nan 0 0 1 2 3 0\n'}),
    'colmap colour': (colmap_text, {f'{_PTS}.txt': b'1 0 0 0 1 2 300 0\n'}),
    # COLMAP, binary
    'colmap camera count': (colmap_binary, bin_patch(_CAMS, 0, '<Q', 1 << 61)),
    'colmap model number': (colmap_binary, bin_patch(_CAMS, 12, '<i', 9)),
    'colmap camera width': (colmap_binary, bin_patch(_CAMS, 16, '<Q', 0)),
    'colmap wide camera': (colmap_binary, bin_patch(_CAMS, 16, '<Q', 1 << 60)),
    'colmap camera focal': (colmap_binary, bin_patch(_CAMS, 32, '<d', -1.0)),
    'colmap image count': (colmap_binary, bin_patch(_IMGS, 0, '<Q', 1 << 61)),
    'colmap quaternion': (colmap_binary, bin_patch(_IMGS, 0, '<Q', 4)),
    'colmap image camera': (colmap_binary, bin_patch(_IMGS, 68, '<I', 3)),
    'colmap point count': (colmap_binary, bin_patch(_PTS, 0, '<Q', 1 << 61)),
    'colmap track length': (colmap_binary, bin_patch(_PTS, 51, '<Q', 1 << 61)),
    **{
        f'colmap {name.split("/")[-1]} cut at {part}': (
            colmap_binary,
            {f'{name}.bin': _BIN[f'{name}.bin'][: len(_BIN[f'{name}.bin']) * part // 5]},
        )
        for name in (_CAMS, _IMGS, _PTS)
        for part in range(5)
    },
}


@pytest.mark.parametrize('name', BAD_SETS)
def test_broken_sets(name, tmp_path):
    files, changes = BAD_SETS[name]
    capture = write(tmp_path / 'capture', changed(files, **changes))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match='capture') as caught:
            read_everything(capture)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    # Says more than where.
    assert len(str(caught.value)) > len(str(capture)) + 20


def test_there_are_enough():
    assert 64 + len(BAD_SENS) + len(BAD_SETS) >= 200
