"""Procedural rooms: furnished, scanned with a simulated depth camera, labelled and described."""

from __future__ import annotations

from .catalog import ALL_FURNITURE, FURNITURE, FurnitureKind, seen_names, withheld_names
from .rooms import Room, generate_room
from .sample import DEFAULT_PROFILE, PROFILES, SynthScene, make_room, make_scene
from .scan import Scan, scan_room
from .sentences import Sentence, write_sentences

__all__ = [
    'ALL_FURNITURE',
    'DEFAULT_PROFILE',
    'FURNITURE',
    'FurnitureKind',
    'PROFILES',
    'Room',
    'Scan',
    'Sentence',
    'SynthScene',
    'generate_room',
    'make_room',
    'make_scene',
    'scan_room',
    'seen_names',
    'withheld_names',
    'write_sentences',
]
