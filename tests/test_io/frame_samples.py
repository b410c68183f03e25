"""Small captures of one box-shaped room in every layout; all poses and depths are known.

The room is 4 x 3 x 2.5 m, z up; three cameras look around in it at 1.2 m height.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from unison3d.structures import Camera

WIDTH, HEIGHT = 48, 36
K = np.array([[40.0, 0, 23.5], [0, 40.0, 17.5], [0, 0, 1]])
ROOM = np.array([4.0, 3.0, 2.5])


def poses(count: int = 3) -> list[np.ndarray]:
    found = []
    for i in range(count):
        angle = 2 * np.pi * i / count
        forward = np.array([np.cos(angle), np.sin(angle), -0.3])
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        T = np.eye(4)
        T[:3] = np.stack([right, np.cross(forward, right), forward, [2, 1.5, 1.2]], axis=1)
        found.append(T)
    return found


def depth_of(camera: Camera) -> np.ndarray:
    """Exact depth of the walls, float64, (H, W)."""
    rays = camera.rays() @ camera.T_world_camera[:3, :3].T
    with np.errstate(divide='ignore'):
        steps = np.where(rays > 0, ROOM - camera.center, -camera.center) / rays
    return np.where(np.isfinite(steps) & (steps > 0), steps, np.inf).min(axis=-1)


def color_of(camera: Camera) -> np.ndarray:
    """uint8, (H, W, 3): a colour that tells the place."""
    points = camera.unproject(depth_of(camera))
    return np.uint8(np.clip(points / ROOM, 0, 1) * 255)


def cameras() -> list[Camera]:
    return [Camera(WIDTH, HEIGHT, K, T) for T in poses()]


def png(array: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(array).save(file, 'png')
    return file.getvalue()


def matrix(values: np.ndarray) -> bytes:
    return '\n'.join(' '.join(f'{v:.9g}' for v in row) for row in values).encode()


def depth_png(camera: Camera, scale: float = 0.001) -> bytes:
    return png(np.round(depth_of(camera) / scale).astype(np.uint16))


Files = dict[str, bytes]


def frame_files() -> Files:
    files = {'camera-intrinsics.txt': matrix(K)}
    for i, camera in enumerate(cameras()):
        files[f'frame-{i:06d}.pose.txt'] = matrix(camera.T_world_camera)
        files[f'frame-{i:06d}.depth.png'] = depth_png(camera)
        files[f'frame-{i:06d}.color.png'] = png(color_of(camera))
    return files


def shelf() -> Files:
    text = b'# Environment: shelf\n\n# Color camera intrinsic matrix\n' + matrix(K) + b'\n'
    files = {}
    for i, camera in enumerate(cameras()):
        name = f'frame-{i:06d}'
        text += f'\n# Camera-to-world extrinsic matrix (camera pose) for {name}\n'.encode()
        text += matrix(camera.T_world_camera) + b'\n'
        files[f'{name}.depth.png'] = depth_png(camera, 0.0001)
        files[f'{name}.color.png'] = png(color_of(camera))
    return {'cam.info.txt': text, **files}


def scannet() -> Files:
    """Colour is twice as large as depth, as in ScanNet."""
    large = [camera.resized(2 * WIDTH, 2 * HEIGHT) for camera in cameras()]
    wide = np.eye(4)
    wide[:3, :3] = large[0].K
    files = {
        'intrinsic/intrinsic_color.txt': matrix(wide),
        'intrinsic/intrinsic_depth.txt': matrix(K),
    }
    for i, camera in enumerate(cameras()):
        files[f'pose/{i}.txt'] = matrix(camera.T_world_camera)
        files[f'depth/{i}.png'] = depth_png(camera)
        files[f'color/{i}.png'] = png(color_of(large[i]))
    return files


def sens_bytes() -> bytes:
    large = [camera.resized(2 * WIDTH, 2 * HEIGHT) for camera in cameras()]
    name, data = b'StructureSensor', b''
    data += struct.pack('<IQ', 4, len(name)) + name
    for lens in (large[0].K, None, K, None):
        full = np.eye(4)
        if lens is not None:
            full[:3, :3] = lens
        data += full.astype('<f4').tobytes()
    data += struct.pack('<2i4If', 1, 1, 2 * WIDTH, 2 * HEIGHT, WIDTH, HEIGHT, 1000.0)
    data += struct.pack('<Q', 3)
    for i, camera in enumerate(cameras()):
        color = png(color_of(large[i]))
        depth = np.round(depth_of(camera) * 1000).astype('<u2').tobytes()
        depth = zlib.compress(depth)
        data += camera.T_world_camera.astype('<f4').tobytes()
        data += struct.pack('<4Q', i, i, len(color), len(depth)) + color + depth
    return data


def sens() -> Files:
    return {'scene.sens': sens_bytes()}


def quaternion(turn: np.ndarray) -> np.ndarray:
    """x y z w, by the eigenvector of Bar-Itzhack's matrix."""
    m = turn
    table = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], np.trace(m)],
        ]
    )
    return np.linalg.eigh(table, UPLO='L')[1][:, -1]


def tum() -> Files:
    files = {'camera-intrinsics.txt': matrix(K)}
    lists = {'rgb': b'# colour\n', 'depth': b'# depth\n', 'groundtruth': b'# t tx ty tz q\n'}
    for i, camera in enumerate(cameras()):
        T, time = camera.T_world_camera, 100.0 + i
        files[f'depth/{time:.3f}.png'] = depth_png(camera, 1 / 5000)
        files[f'rgb/{time + 0.01:.3f}.png'] = png(color_of(camera))
        numbers = ' '.join(f'{v:.9f}' for v in (*T[:3, 3], *quaternion(T[:3, :3])))
        lists['depth'] += f'{time:.3f} depth/{time:.3f}.png\n'.encode()
        lists['rgb'] += f'{time + 0.01:.3f} rgb/{time + 0.01:.3f}.png\n'.encode()
        lists['groundtruth'] += f'{time + 0.005:.3f} {numbers}\n'.encode()
    return files | {f'{name}.txt': text for name, text in lists.items()}


def replica() -> Files:
    keys = ('w', 'h', 'fx', 'fy', 'cx', 'cy', 'scale')
    values = (WIDTH, HEIGHT, 40.0, 40.0, 23.5, 17.5, 6553.5)
    files = {'cam_params.json': json.dumps({'camera': dict(zip(keys, values))}).encode()}
    files['traj.txt'] = b'\n'.join(matrix(T.reshape(1, 16)) for T in poses())
    for i, camera in enumerate(cameras()):
        files[f'results/frame{i:06d}.png'] = png(color_of(camera))
        files[f'results/depth{i:06d}.png'] = depth_png(camera, 1 / 6553.5)
    return files


def arkitscenes(place: str = '40_frames') -> Files:
    """Frames at 7.001, 8.001 and 9.001 s; poses 40 ms later, and one long before."""
    poses_text = b'1.5 0 0 0 0 0 0\n'
    files = {}
    for i, camera in enumerate(cameras()):
        name = f'40_{7 + i}.001'
        inverse = camera.T_camera_world
        x, y, z, w = quaternion(inverse[:3, :3])
        length = np.linalg.norm([x, y, z])
        turn = 2 * np.arctan2(length, w) / length * np.array([x, y, z])
        numbers = ' '.join(f'{v:.9f}' for v in (7.041 + i, *turn, *inverse[:3, 3]))
        poses_text += f'{numbers}\n'.encode()
        files[f'lowres_wide_intrinsics/{name}.pincam'] = (
            f'{WIDTH} {HEIGHT} 40 40 23.5 17.5'.encode()
        )
        files[f'lowres_wide/{name}.png'] = png(color_of(camera))
        files[f'lowres_depth/{name}.png'] = depth_png(camera)
    files['lowres_wide.traj'] = poses_text
    return {f'{place}/{name}': data for name, data in files.items()}


def nerfstudio() -> Files:
    content = {
        **{'fl_x': 40.0, 'fl_y': 40.0, 'cx': 24.0, 'cy': 18.0, 'w': WIDTH, 'h': HEIGHT},
        'frames': [],
    }
    files = {}
    for i, camera in enumerate(cameras()):
        opengl = camera.T_world_camera.copy()
        opengl[:, 1:3] *= -1
        content['frames'].append(
            {
                'file_path': f'images/{i}.png',
                'depth_file_path': f'depth/{i}.png',
                'transform_matrix': opengl.tolist(),
            }
        )
        files[f'images/{i}.png'] = png(color_of(camera))
        files[f'depth/{i}.png'] = depth_png(camera)
    return {'transforms.json': json.dumps(content).encode(), **files}


def llff() -> Files:
    """The lens stands for images of twice the size."""
    rows, files = [], {}
    for i, camera in enumerate(cameras()):
        right, down, forward, position = camera.T_world_camera[:3].T
        size = np.array([2 * HEIGHT, 2 * WIDTH, 80.0])
        block = np.stack([down, right, -forward, position, size], axis=1)
        rows.append([*block.ravel(), 0.5, 5.0])
        files[f'images/{i}.png'] = png(color_of(camera))
    file = BytesIO()
    np.save(file, np.array(rows))
    return {'poses_bounds.npy': file.getvalue(), **files}


def _world_to_camera(T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inverse = np.linalg.inv(T)
    return np.roll(quaternion(inverse[:3, :3]), 1), inverse[:3, 3]


COLMAP_LENSES = {
    'SIMPLE_PINHOLE': (0, (40.0, 24, 18)),
    'PINHOLE': (1, (40.0, 40, 24, 18)),
    'SIMPLE_RADIAL': (2, (40.0, 24, 18, 0.1)),
    'RADIAL': (3, (40.0, 24, 18, 0.1, -0.02)),
    'OPENCV': (4, (40.0, 40, 24, 18, 0.1, -0.02, 0.001, 0.002)),
}


def colmap_text(model: str = 'PINHOLE') -> Files:
    values = ' '.join(f'{v:g}' for v in COLMAP_LENSES[model][1])
    images = '# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n'
    files = {}
    for i, camera in enumerate(cameras()):
        wxyz, t = _world_to_camera(camera.T_world_camera)
        numbers = ' '.join(f'{v:.9f}' for v in (*wxyz, *t))
        images += f'{i + 1} {numbers} 7 view {i}.png\n'
        images += '1.5 2.5 1 3.5 4.5 -1\n' if i else '\n'
        files[f'images/view {i}.png'] = png(color_of(camera))
    return {
        'sparse/0/cameras.txt': f'# cameras\n7 {model} {WIDTH} {HEIGHT} {values}\n'.encode(),
        'sparse/0/images.txt': images.encode(),
        'sparse/0/points3D.txt': b'# points\n1 1 2 0.5 255 0 7 0.3 1 0 2 4\n2 0 0 0 1 2 3 0.1\n',
        **files,
    }


def colmap_binary(model: str = 'PINHOLE') -> Files:
    number, values = COLMAP_LENSES[model]
    data = struct.pack('<QIiQQ', 1, 7, number, WIDTH, HEIGHT)
    cameras_bin = data + struct.pack(f'<{len(values)}d', *values)
    images = struct.pack('<Q', 3)
    for i, camera in enumerate(cameras()):
        wxyz, t = _world_to_camera(camera.T_world_camera)
        images += struct.pack('<I7dI', i + 1, *wxyz, *t, 7) + f'view {i}.png'.encode() + b'\0'
        images += struct.pack('<Q', i) + struct.pack('<2dq', 1.5, 2.5, -1) * i
    points = struct.pack('<Q', 2)
    points += struct.pack('<Q3d3BdQ', 1, 1, 2, 0.5, 255, 0, 7, 0.3, 2) + struct.pack(
        '<4i', 1, 0, 2, 4
    )
    points += struct.pack('<Q3d3BdQ', 2, 0, 0, 0, 1, 2, 3, 0.1, 0)
    rest = {k: v for k, v in colmap_text().items() if k.startswith('images/')}
    return {
        'sparse/0/cameras.bin': cameras_bin,
        'sparse/0/images.bin': images,
        'sparse/0/points3D.bin': points,
        **rest,
    }


WITH_DEPTH: dict[str, Callable[[], Files]] = {
    'frame_files': frame_files,
    'shelf': shelf,
    'scannet': scannet,
    'sens': sens,
    'tum': tum,
    'replica': replica,
    'arkitscenes': arkitscenes,
    'nerfstudio': nerfstudio,
}
SAMPLES: dict[str, Callable[[], Files]] = {
    **WITH_DEPTH,
    'llff': llff,
    'colmap': colmap_text,
    'colmap_binary': colmap_binary,
}


def turned(files: Files, T: np.ndarray) -> Files:
    """The capture in another world, of a layout with a file per pose; ``T`` is (4, 4)."""
    poses = {name: np.loadtxt(BytesIO(data)) for name, data in files.items() if 'pose' in name}
    return files | {name: matrix(T @ pose) for name, pose in poses.items()}


def write(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
