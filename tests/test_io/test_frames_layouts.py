from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from tests.test_io.frame_samples import (
    HEIGHT,
    SAMPLES,
    WIDTH,
    K,
    arkitscenes,
    frame_files,
    nerfstudio,
    poses,
    replica,
    scannet,
    tum,
    write,
)
from unison3d.errors import ConfigError, FileFormatError
from unison3d.io.frames import detect_layout, read_raw_frames
from unison3d.structures import read_frames


@pytest.mark.parametrize('layout', SAMPLES)
def test_poses_and_lens_of_every_layout(layout, tmp_path):
    write(tmp_path, SAMPLES[layout]())
    name = layout.removesuffix('_binary')
    assert detect_layout(tmp_path) == name
    raw = read_raw_frames(tmp_path)
    assert raw.layout == name
    assert len(raw.frames) == 3
    for frame, pose in zip(raw.frames, poses(), strict=True):
        np.testing.assert_allclose(frame.pose, pose, atol=1e-6)
        lens = frame.depth_lens or frame.lens
        np.testing.assert_allclose(lens.K, K, atol=1e-5)
        assert lens.width in (None, WIDTH)
        assert lens.height in (None, HEIGHT)


def test_scannet_files_beside_the_folders(tmp_path):
    files = {name.replace('intrinsic/', ''): data for name, data in scannet().items()}
    files['pose/3.txt'] = files['pose/0.txt']
    raw = read_raw_frames(write(tmp_path, files))
    assert [frame.name for frame in raw.frames] == ['0', '1', '2']
    assert raw.skipped == {'3': 'neither colour nor depth image'}
    assert raw.frames[0].depth_lens.K[0, 0] == 40


def test_scannet_frames_are_in_the_order_of_their_numbers(tmp_path):
    files = scannet()
    for kind, ending in (('pose', 'txt'), ('color', 'png'), ('depth', 'png')):
        files[f'{kind}/10.{ending}'] = files.pop(f'{kind}/1.{ending}')
    raw = read_raw_frames(write(tmp_path, files))
    assert [frame.name for frame in raw.frames] == ['0', '2', '10']


def test_tum_joins_by_time(tmp_path):
    files = tum()
    lines = files['groundtruth.txt'].splitlines()
    late = b' '.join([b'101.021', *lines[2].split()[1:]])
    files['groundtruth.txt'] = b'\n'.join([lines[0], lines[3], lines[1], late])
    raw = read_raw_frames(write(tmp_path, files))
    # 21 ms away is too far; the order of the lines does not matter.
    assert raw.skipped == {'101.000': 'no pose within 0.02 s'}
    assert [frame.name for frame in raw.frames] == ['100.000', '102.000']
    np.testing.assert_allclose(raw.frames[1].pose, poses()[2], atol=1e-6)


def test_tum_lens_of_the_published_recordings(tmp_path):
    files = tum()
    del files['camera-intrinsics.txt']
    with pytest.raises(FileFormatError, match=r'camera-intrinsics\.txt'):
        read_raw_frames(write(tmp_path / 'mine', files))
    raw = read_raw_frames(write(tmp_path / 'rgbd_dataset_freiburg1_desk', files))
    assert raw.frames[0].lens.K[0].tolist() == [525, 0, 319.5]


def test_replica_packed_and_parameters_one_folder_up(tmp_path):
    files = replica()
    files['office0/traj.txt.gz'] = gzip.compress(files.pop('traj.txt'))
    files |= {f'office0/{n}': d for n, d in files.items() if n.startswith('results')}
    write(tmp_path, {n: d for n, d in files.items() if not n.startswith('results')})
    raw = read_raw_frames(tmp_path / 'office0')
    assert len(raw.frames) == 3
    assert raw.depth_scale == 1 / 6553.5


@pytest.mark.parametrize('place', ['40_frames', '.'])
def test_arkitscenes_scan_frames_folder_and_raw(place, tmp_path):
    write(tmp_path, arkitscenes(place) | {'40_3dod_mesh.ply': b''})
    for folder in {tmp_path, tmp_path / place}:
        raw = read_raw_frames(folder)
        assert raw.layout == 'arkitscenes' and raw.depth_scale == 0.001
        assert [frame.name for frame in raw.frames] == ['40_7.001', '40_8.001', '40_9.001']
        np.testing.assert_allclose(raw.frames[2].pose, poses()[2], atol=1e-6)


def test_arkitscenes_goes_from_world_to_camera(tmp_path):
    files = arkitscenes('.')
    # A quarter turn about z: x of the world becomes y of the camera.
    files['./lowres_wide.traj'] = f'7.0 0 0 {np.pi / 2:.12f} 1 2 3\n'.encode()
    frame = read_raw_frames(write(tmp_path, files)).frames[0]
    wanted = [[0, 1, 0, -2], [-1, 0, 0, 1], [0, 0, 1, -3], [0, 0, 0, 1]]
    np.testing.assert_allclose(frame.pose, wanted, atol=1e-9)


def test_arkitscenes_joins_by_time(tmp_path):
    files = arkitscenes('.')
    first, *lines = files['./lowres_wide.traj'].splitlines()
    # Frame 7.001 lies between two poses, nearer to the later; 8.001 has none within 0.1 s.
    wrong = b'6.95 0 0 0 0 0 0'
    lines[1] = b'8.102' + lines[1][lines[1].index(b' ') :]
    files['./lowres_wide.traj'] = b'\n'.join([lines[2], wrong, lines[1], lines[0], b'', first])
    raw = read_raw_frames(write(tmp_path, files))
    assert raw.skipped == {'40_8.001': 'no pose within 0.1 s'}
    assert [frame.name for frame in raw.frames] == ['40_7.001', '40_9.001']
    np.testing.assert_allclose(raw.frames[0].pose, poses()[0], atol=1e-6)


def test_arkitscenes_lenses_and_images_that_are_missing(tmp_path):
    files = arkitscenes('.')
    # Rounded apart by a millisecond, and gone.
    for stamp, other in (('7.001', '7.000'), ('8.001', '8.003')):
        lens = files.pop(f'./lowres_wide_intrinsics/40_{stamp}.pincam')
        files[f'./lowres_wide_intrinsics/40_{other}.pincam'] = lens.replace(b'40 40', b'41 42')
    del files['./lowres_wide/40_9.001.png']
    files['./lowres_depth/preview.png'] = b''
    raw = read_raw_frames(write(tmp_path, files))
    assert raw.skipped == {
        '40_8.001': 'no .pincam in lowres_wide_intrinsics',
        'preview': 'name is not <scan>_<seconds>.<milliseconds>',
    }
    near, without_color = raw.frames
    np.testing.assert_allclose(near.lens.K, [[41, 0, 23.5], [0, 42, 17.5], [0, 0, 1]])
    assert (near.lens.width, near.lens.height) == (WIDTH, HEIGHT)
    assert without_color.color is None and without_color.depth is not None


def test_arkitscenes_lost_poses_are_counted(tmp_path):
    files = arkitscenes()
    lines = files['40_frames/lowres_wide.traj'].splitlines()
    lines[2] = b'8.041 nan 0 0 0 0 0'
    lines[3] = b'9.041 0 0 0 0 inf 0'
    files['40_frames/lowres_wide.traj'] = b'\n'.join(lines)
    frames = read_frames(write(tmp_path, files))
    assert len(frames) == 1
    assert frames.skipped == dict.fromkeys(['40_8.001', '40_9.001'], 'pose is not finite')


def test_nerfstudio_lens_per_frame_and_missing_images(tmp_path):
    files = nerfstudio()
    content = json.loads(files['transforms.json'])
    del content['fl_x'], content['fl_y']
    content['camera_angle_x'] = 2 * np.arctan(0.5 * WIDTH / 40)
    content['frames'][1] |= {'fl_x': 44.0, 'k1': 0.1, 'p2': 0.01}
    content['frames'][2]['file_path'] = 'images/none.png'
    files['transforms.json'] = json.dumps(content).encode()
    raw = read_raw_frames(write(tmp_path, files))
    np.testing.assert_allclose(raw.frames[0].lens.K, K)
    assert raw.frames[0].lens.distortion is None
    assert raw.frames[1].lens.K[0, 0] == raw.frames[1].lens.K[1, 1] == 44
    assert raw.frames[1].lens.distortion == (0.1, 0, 0, 0.01, 0)
    assert raw.skipped == {'images/none.png': 'image is missing'}


def test_nerfstudio_points(tmp_path):
    files = nerfstudio()
    content = json.loads(files['transforms.json']) | {'ply_file_path': 'sparse.ply'}
    files['transforms.json'] = json.dumps(content).encode()
    names = ('float x', 'float y', 'float z', 'uchar red', 'uchar green', 'uchar blue')
    header = ['ply', 'format ascii 1.0', 'element vertex 1', *(f'property {n}' for n in names)]
    files['sparse.ply'] = '\n'.join([*header, 'end_header', '1 2 3 255 0 9', '']).encode()
    raw = read_raw_frames(write(tmp_path, files))
    assert raw.points.tolist() == [[1, 2, 3]]
    assert raw.colors.tolist() == [[255, 0, 9]]


def test_what_has_no_cameras(tmp_path):
    assert detect_layout(tmp_path) is None
    assert detect_layout(tmp_path / 'nothing') is None
    with pytest.raises(FileFormatError, match='no cameras'):
        read_raw_frames(tmp_path)
    with pytest.raises(FileFormatError, match='not found'):
        read_raw_frames(tmp_path / 'nothing')
    with pytest.raises(ConfigError, match='layout'):
        read_raw_frames(tmp_path, 'kinect')


def test_frames_of_one_name(tmp_path):
    files = nerfstudio()
    content = json.loads(files['transforms.json'])
    content['frames'].append(content['frames'][0])
    files['transforms.json'] = json.dumps(content).encode()
    with pytest.raises(FileFormatError, match=r'two frames have the name images/0\.png'):
        read_raw_frames(write(tmp_path, files))


def test_layout_by_name(tmp_path):
    write(tmp_path, frame_files() | nerfstudio())
    assert read_raw_frames(tmp_path).layout == 'frame_files'
    assert read_raw_frames(tmp_path, 'nerfstudio').layout == 'nerfstudio'
