"""Depth images of known cameras become one surface."""

from __future__ import annotations

from unison3d.fusion.frames import fuse_capture, fuse_frames, is_capture
from unison3d.fusion.tsdf import FusedMesh, TsdfVolume

__all__ = ['FusedMesh', 'TsdfVolume', 'fuse_capture', 'fuse_frames', 'is_capture']
