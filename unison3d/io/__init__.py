"""Checked readers and atomic writers. Arrays in, arrays out; nothing here knows of scenes."""

from unison3d.io.atomic import atomic_path, atomic_write
from unison3d.io.bin import read_bin
from unison3d.io.colors import colors_to_float, colors_to_uint8
from unison3d.io.files import check_file, read_bytes
from unison3d.io.json_files import read_json, to_plain, write_json
from unison3d.io.npy import (
    read_npy,
    read_npy_array,
    read_npz,
    read_npz_arrays,
    write_npz,
    write_npz_scene,
)
from unison3d.io.ply import read_ply, write_ply
from unison3d.io.raw_scene import RawScene
from unison3d.io.read import SCENE_SUFFIXES, read_scene
from unison3d.io.scannet import read_label_table, read_scannet_folder

__all__ = [
    'SCENE_SUFFIXES',
    'RawScene',
    'atomic_path',
    'atomic_write',
    'check_file',
    'colors_to_float',
    'colors_to_uint8',
    'read_bin',
    'read_bytes',
    'read_json',
    'read_label_table',
    'read_npy',
    'read_npy_array',
    'read_npz',
    'read_npz_arrays',
    'read_ply',
    'read_scannet_folder',
    'read_scene',
    'to_plain',
    'write_json',
    'write_npz',
    'write_npz_scene',
    'write_ply',
]
