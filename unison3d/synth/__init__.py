"""Procedural rooms: furnished, scanned with a simulated depth camera, labelled and described."""

from __future__ import annotations

from .catalog import FURNITURE, FurnitureKind, seen_names, withheld_names
from .rooms import Room, generate_room
from .sample import SynthScene, make_scene
from .scan import Scan, scan_room
from .sentences import Sentence, write_sentences

__all__ = [
    'FURNITURE',
    'FurnitureKind',
    'Room',
    'Scan',
    'Sentence',
    'SynthScene',
    'generate_room',
    'make_scene',
    'scan_room',
    'seen_names',
    'withheld_names',
    'write_sentences',
]
