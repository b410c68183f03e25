"""Checked readers and atomic writers. Arrays in, arrays out; nothing here knows of scenes."""

from unison3d.io.atomic import atomic_path, atomic_write
from unison3d.io.bin import read_bin
from unison3d.io.coco import CocoMask, decode_rle, encode_rle, read_coco_masks, write_coco_masks
from unison3d.io.colors import colors_to_float, colors_to_uint8
from unison3d.io.e57 import read_e57
from unison3d.io.files import check_file, checked_reading, read_bytes
from unison3d.io.glb import GlbPart, write_glb
from unison3d.io.gltf import read_gltf
from unison3d.io.json_files import read_json, to_plain, write_json
from unison3d.io.las import read_las
from unison3d.io.npy import (
    read_npy,
    read_npy_array,
    read_npz,
    read_npz_arrays,
    write_npz,
    write_npz_scene,
)
from unison3d.io.obj import read_obj
from unison3d.io.pcd import read_pcd
from unison3d.io.ply import read_ply, write_ply
from unison3d.io.raw_scene import RawScene
from unison3d.io.read import SCENE_SUFFIXES, read_scene
from unison3d.io.scannet import read_label_table, read_scannet_folder
from unison3d.io.semantickitti import read_semantickitti_labels, write_semantickitti_labels

__all__ = [
    'SCENE_SUFFIXES',
    'CocoMask',
    'GlbPart',
    'RawScene',
    'atomic_path',
    'atomic_write',
    'check_file',
    'checked_reading',
    'colors_to_float',
    'colors_to_uint8',
    'decode_rle',
    'encode_rle',
    'read_bin',
    'read_bytes',
    'read_coco_masks',
    'read_e57',
    'read_gltf',
    'read_json',
    'read_label_table',
    'read_las',
    'read_npy',
    'read_npy_array',
    'read_npz',
    'read_npz_arrays',
    'read_obj',
    'read_pcd',
    'read_ply',
    'read_scannet_folder',
    'read_scene',
    'read_semantickitti_labels',
    'to_plain',
    'write_coco_masks',
    'write_glb',
    'write_json',
    'write_npz',
    'write_npz_scene',
    'write_ply',
    'write_semantickitti_labels',
]
