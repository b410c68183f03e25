"""Frames of a ScanNet scan as its exporter writes them.

``color/<i>.jpg``, ``depth/<i>.png`` (16 bit, millimetres) and ``pose/<i>.txt`` (camera to world);
intrinsics as ``intrinsic/intrinsic_color.txt`` and ``intrinsic_depth.txt``, or the same files
beside the folders. Depth is smaller than colour and has intrinsics of its own; the published poses
are those of both. Frames whose tracking failed have poses of ``-inf``.
"""

from __future__ import annotations

from pathlib import Path

from unison3d.errors import FileFormatError
from unison3d.io.images import StoredImage

from .raw_frames import RawFrame, RawFrames, RawLens, find_image, read_matrix

__all__ = ['is_scannet', 'read_scannet_frames']


def is_scannet(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / 'pose').is_dir() and (
        (folder / 'color').is_dir() or (folder / 'depth').is_dir()
    )


def read_scannet_frames(folder: Path) -> RawFrames:
    """Read the cameras of all poses.

    Raises:
        FileFormatError: no pose, intrinsics missing, or a damaged text file.
    """
    poses = sorted((folder / 'pose').glob('*.txt'), key=lambda path: (len(path.stem), path.stem))
    if not poses:
        raise FileFormatError(f'{folder / "pose"}: holds no .txt file, expected one per frame.')
    color_lens, depth_lens = _lens(folder, 'color'), _lens(folder, 'depth')
    if color_lens is None and depth_lens is None:
        raise FileFormatError(
            f'{folder}: no intrinsic/intrinsic_color.txt or intrinsic_depth.txt. Export the '
            'intrinsics from the .sens file as well.'
        )
    if depth_lens is None and (folder / 'depth').is_dir():
        raise FileFormatError(
            f'{folder}: has depth/ but no intrinsic_depth.txt. Depth and colour have different '
            'sizes in ScanNet; export the intrinsics of both.'
        )
    frames, skipped = [], {}
    for path in poses:
        color = find_image(folder / 'color', path.stem) if color_lens else None
        depth_path = folder / 'depth' / f'{path.stem}.png'
        depth = StoredImage(depth_path) if depth_lens and depth_path.is_file() else None
        if color is None and depth is None:
            skipped[path.stem] = 'neither colour nor depth image'
            continue
        frames.append(
            RawFrame(
                path.stem,
                read_matrix(path, (4, 4)),
                path,
                color_lens or depth_lens,
                color,
                depth,
                depth_lens,
            )
        )
    return RawFrames('scannet', folder, frames, skipped=skipped)


def _lens(folder: Path, kind: str) -> RawLens | None:
    for path in (
        folder / 'intrinsic' / f'intrinsic_{kind}.txt',
        folder / f'intrinsic_{kind}.txt',
    ):
        if path.is_file():
            return RawLens(read_matrix(path, (3, 3)))
    return None
