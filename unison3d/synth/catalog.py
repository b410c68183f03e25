"""Every kind of object the procedural world knows, with its name and label.

The semantic index follows the 20 ScanNet classes; 20 marks named clutter outside them. How a name
maps to a class follows the public ScanNet label table (for example a nightstand, a stool and a
shelf are outside the 20 classes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import furniture_clutter as clutter
from . import furniture_devices as devices
from . import furniture_machines as machines
from . import furniture_seating as seating
from . import furniture_shelves as shelves
from . import furniture_sofas as sofas
from . import furniture_soft as soft
from . import furniture_storage as storage
from . import furniture_tables as tables
from . import furniture_wall as wall_things
from .catalog_extra import EXTRA_ROWS, EXTRA_SPOKEN
from .primitives import Shape

CLASSES: tuple[str, ...] = (
    'wall',
    'floor',
    'cabinet',
    'bed',
    'chair',
    'sofa',
    'table',
    'door',
    'window',
    'bookshelf',
    'picture',
    'counter',
    'desk',
    'curtain',
    'refrigerator',
    'shower curtain',
    'toilet',
    'sink',
    'bathtub',
    'otherfurniture',
)
UNLABELLED = 20


@dataclass(frozen=True)
class FurnitureKind:
    """One kind of object.

    Attributes:
        name: open-vocabulary phrase.
        semantic: index into ``CLASSES``, or 20 for named clutter outside them.
        builder: makes one random instance.
        withheld: its label is hidden in training, to test unseen names.
        placement: 'wall' | 'floor' | 'on_top' | 'wall_mounted' | 'opening'.
    """

    name: str
    semantic: int
    builder: Callable[[np.random.Generator], Shape] | None
    withheld: bool
    placement: str


_WITHHELD = frozenset(
    {'armchair', 'nightstand', 'coffee table', 'bench', 'wardrobe', 'monitor', 'stool'}
)


def _kinds() -> dict[str, FurnitureKind]:
    rows: list[tuple[str, str | None, Callable | None, str]] = [
        ('chair', 'chair', seating.chair, 'floor'),
        ('office chair', 'chair', seating.office_chair, 'floor'),
        ('folding chair', 'chair', seating.folding_chair, 'floor'),
        ('armchair', 'chair', sofas.armchair, 'floor'),
        ('sofa', 'sofa', sofas.sofa, 'wall'),
        ('table', 'table', tables.table, 'floor'),
        ('conference table', 'table', tables.conference_table, 'floor'),
        ('round table', 'table', tables.round_table, 'floor'),
        ('coffee table', 'table', tables.coffee_table, 'floor'),
        ('end table', 'table', tables.end_table, 'wall'),
        ('glass table', 'table', tables.glass_table, 'floor'),
        ('desk', 'desk', tables.desk, 'wall'),
        ('counter', 'counter', tables.counter, 'wall'),
        ('bed', 'bed', soft.bed, 'wall'),
        ('bunk bed', 'bed', soft.bunk_bed, 'wall'),
        ('mattress', 'bed', soft.mattress, 'wall'),
        ('cabinet', 'cabinet', storage.cabinet, 'wall'),
        ('file cabinet', 'cabinet', storage.file_cabinet, 'wall'),
        ('kitchen cabinet', 'cabinet', storage.base_cabinet, 'wall'),
        ('display cabinet', 'cabinet', shelves.glass_cabinet, 'wall'),
        ('bathroom vanity', 'cabinet', soft.vanity, 'wall'),
        ('bookshelf', 'bookshelf', shelves.bookshelf, 'wall'),
        ('refrigerator', 'refrigerator', machines.refrigerator, 'wall'),
        ('curtain', 'curtain', soft.curtain, 'wall_mounted'),
        ('shower curtain', 'shower curtain', soft.shower_curtain, 'floor'),
        ('toilet', 'toilet', soft.toilet, 'wall'),
        ('sink', 'sink', soft.sink, 'wall'),
        ('bathtub', 'bathtub', soft.bathtub, 'wall'),
        ('picture', 'picture', wall_things.picture, 'wall_mounted'),
        ('poster', 'picture', wall_things.poster, 'wall_mounted'),
        ('door', 'door', None, 'opening'),
        ('window', 'window', None, 'opening'),
        ('wardrobe', 'otherfurniture', storage.wardrobe, 'wall'),
        ('bench', 'otherfurniture', seating.bench, 'floor'),
        ('ottoman', 'otherfurniture', sofas.ottoman, 'floor'),
        ('beanbag chair', 'otherfurniture', sofas.beanbag, 'floor'),
        ('tv stand', 'otherfurniture', shelves.tv_stand, 'wall'),
        ('trash can', 'otherfurniture', clutter.trash_can, 'floor'),
        ('recycling bin', 'otherfurniture', clutter.recycling_bin, 'floor'),
        ('radiator', 'otherfurniture', machines.radiator, 'wall'),
        ('washing machine', 'otherfurniture', machines.washing_machine, 'wall'),
        ('piano', 'otherfurniture', devices.piano, 'wall'),
        ('ladder', 'otherfurniture', devices.ladder, 'floor'),
        ('podium', 'otherfurniture', devices.podium, 'floor'),
        ('water cooler', 'otherfurniture', devices.water_cooler, 'wall'),
        ('ironing board', 'otherfurniture', devices.ironing_board, 'floor'),
        ('stool', None, seating.stool, 'floor'),
        ('nightstand', None, storage.nightstand, 'wall'),
        ('dresser', None, storage.dresser, 'wall'),
        ('shelf', None, shelves.storage_shelf, 'wall'),
        ('oven', None, machines.oven, 'wall'),
        ('lamp', None, clutter.lamp, 'on_top'),
        ('floor lamp', None, clutter.floor_lamp, 'floor'),
        ('plant', None, clutter.plant, 'on_top'),
        ('box', None, clutter.cardboard_box, 'floor'),
        ('book', None, clutter.book, 'on_top'),
        ('bottle', None, clutter.bottle, 'on_top'),
        ('mug', None, clutter.mug, 'on_top'),
        ('pillow', None, clutter.pillow, 'on_top'),
        ('bag', None, clutter.bag, 'floor'),
        ('backpack', None, clutter.backpack, 'floor'),
        ('suitcase', None, clutter.suitcase, 'floor'),
        ('monitor', None, devices.monitor, 'on_top'),
        ('tv', None, devices.tv, 'on_top'),
        ('laptop', None, devices.laptop, 'on_top'),
        ('keyboard', None, devices.keyboard, 'on_top'),
        ('computer tower', None, devices.computer_tower, 'floor'),
        ('printer', None, devices.printer, 'on_top'),
        ('microwave', None, machines.microwave, 'on_top'),
        ('pot', None, clutter.pot, 'on_top'),
        ('shoe', None, clutter.shoe, 'floor'),
        ('towel', None, wall_things.towel, 'wall_mounted'),
        ('clothes', None, clutter.clothes, 'on_top'),
        ('jacket', None, wall_things.jacket, 'wall_mounted'),
        ('whiteboard', None, wall_things.whiteboard, 'wall_mounted'),
        ('bulletin board', None, wall_things.bulletin_board, 'wall_mounted'),
        ('mirror', None, wall_things.mirror, 'wall_mounted'),
        ('clock', None, wall_things.clock, 'wall_mounted'),
        ('wall cabinet', 'cabinet', storage.wall_cabinet, 'wall_mounted'),
        ('wall shelf', None, shelves.wall_shelf, 'wall_mounted'),
        ('inset sink', 'sink', soft.inset_sink, 'on_top'),
        ('large plant', None, clutter.floor_plant, 'floor'),
        ('coat rack', None, devices.coat_rack, 'floor'),
        ('fan', None, devices.fan, 'floor'),
        ('basket', None, clutter.basket, 'floor'),
        ('laundry basket', None, machines.laundry_basket, 'floor'),
        ('bicycle', None, devices.bicycle, 'wall'),
        ('cart', None, devices.side_cart, 'floor'),
        ('blinds', None, soft.blinds, 'wall_mounted'),
        ('toilet paper', None, wall_things.toilet_paper, 'wall_mounted'),
        ('stuffed animal', None, clutter.stuffed_animal, 'on_top'),
    ]
    return _table(rows)


def _table(rows: list[tuple[str, str | None, Callable | None, str]]) -> dict[str, FurnitureKind]:
    return {
        name: FurnitureKind(
            name,
            UNLABELLED if label is None else CLASSES.index(label),
            builder,
            name in _WITHHELD,
            place,
        )
        for name, label, builder, place in rows
    }


# Builders that differ only by where they stand share the everyday name.
SPOKEN_NAME: dict[str, str] = {'inset sink': 'sink', 'large plant': 'plant', **EXTRA_SPOKEN}
# The first world and, with the kinds that only the later ones have, all of them. Sentences of the
# first world name what is absent from ``FURNITURE``, so that table never grows.
FURNITURE: dict[str, FurnitureKind] = _kinds()
ALL_FURNITURE: dict[str, FurnitureKind] = FURNITURE | _table(EXTRA_ROWS)


def spoken_name(kind: str) -> str:
    """The phrase people use for a kind."""
    return SPOKEN_NAME.get(kind, kind)


def seen_names() -> tuple[str, ...]:
    """Names whose labels training may use, sorted."""
    return tuple(sorted({spoken_name(k.name) for k in FURNITURE.values() if not k.withheld}))


def withheld_names() -> tuple[str, ...]:
    """Names that training never sees, sorted."""
    return tuple(sorted(k.name for k in FURNITURE.values() if k.withheld))


def build(name: str, rng: np.random.Generator) -> Shape:
    """Make one random instance of a kind."""
    return ALL_FURNITURE[name].builder(rng)
