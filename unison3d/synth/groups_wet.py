"""Kitchens and bathrooms."""

from __future__ import annotations

from .catalog import build
from .furniture_storage import base_cabinet
from .furniture_tables import counter_top
from .groups import chance, pick
from .placement import Furnisher
from .primitives import Pose, Shape


def kitchen_line(f: Furnisher) -> None:
    rng = f.rng
    width = rng.uniform(0.9, 2.6)
    height = rng.uniform(0.82, 0.9)
    base = f.against_wall(
        'kitchen cabinet', shape=base_cabinet(rng, width, height), gap=(0.0, 0.02)
    )
    if base is None:
        base = f.against_wall(
            'kitchen cabinet', shape=base_cabinet(rng, 0.9, height), gap=(0.0, 0.02)
        )
    if base is not None:
        _worktop(f, base, height, 'sink' if chance(f, 0.75) else '')
        for side in (-1, 1):
            if chance(f, 0.5):
                f.beside(
                    base,
                    pick(
                        f,
                        (
                            'refrigerator',
                            'oven',
                            'oven',
                            'refrigerator',
                            'washing machine',
                            'cabinet',
                        ),
                    ),
                    side,
                )
        for _ in range(int(rng.integers(0, 3))):
            f.mount('wall cabinet', (1.35, 1.55), over=base if chance(f, 0.6) else None)
    if chance(f, 0.75):
        f.against_wall('refrigerator')
    if chance(f, 0.3):
        other = f.against_wall(
            'kitchen cabinet',
            shape=base_cabinet(rng, rng.uniform(0.8, 1.8), height),
            gap=(0.0, 0.02),
        )
        if other is not None:
            _worktop(f, other, height, '')
    if chance(f, 0.3):
        bar = f.middle('counter') if chance(f, 0.5) else f.against_wall('counter')
        if bar is not None:
            f.on_top(bar, ('pot', 'bottle', 'mug', 'microwave', 'box'), int(rng.integers(0, 4)))
            f.around(bar, ('stool', 'stool', 'chair'), int(rng.integers(0, 4)), tuck=(-0.15, 0.2))


def _worktop(f: Furnisher, base: int, height: float, basin: str) -> None:
    host = f.objects[base]
    size = host.shape.size
    top = counter_top(Shape(), f.rng, size[0] + 0.02, 0.62, height + 0.045)
    index = f.add('counter', top, host.pose, wall=host.wall, solid=False)
    if basin:
        f.on_top(index, 'inset sink')
    f.on_top(
        index,
        ('microwave', 'pot', 'pot', 'bottle', 'mug', 'box', 'plant', 'basket', 'bottle'),
        int(f.rng.integers(0, 6)),
        back=True,
    )


def wash_room(f: Furnisher) -> None:
    rng = f.rng
    if chance(f, 0.9):
        tub = f.against_wall('bathtub', gap=(0.0, 0.02))
        if tub is not None and chance(f, 0.75):
            shape = build('shower curtain', rng)
            host = f.objects[tub].shape
            side = rng.choice([-1, 1])
            x = side * max(0.0, host.high[0] - shape.size[0] / 2)
            p = f.local(tub, x, host.low[1] - 0.06)
            f.add(
                'shower curtain',
                shape,
                Pose(*p, rng.uniform(0.1, 0.35), f.objects[tub].pose.yaw),
                solid=False,
            )
    elif chance(f, 0.6):
        shape = build('shower curtain', rng)
        f.against_wall('shower curtain', shape=shape, gap=(0.5, 0.9))
    if chance(f, 0.97):
        bowl = f.against_wall('toilet', gap=(0.0, 0.05))
        if bowl is not None and chance(f, 0.4):
            f.on_top(bowl, ('box', 'bottle', 'book'), 1)
        if bowl is not None and chance(f, 0.4):
            f.mount('toilet paper', (0.6, 0.8))
    if chance(f, 0.55):
        f.against_wall('sink', gap=(0.0, 0.02))
    else:
        van = f.against_wall('bathroom vanity', gap=(0.0, 0.02))
        if van is not None:
            f.on_top(van, 'inset sink')
            f.on_top(van, ('bottle', 'bottle', 'mug', 'box'), int(rng.integers(0, 4)), back=True)
            if chance(f, 0.7):
                f.mount('mirror', (1.05, 1.25), over=van)
    for _ in range(int(rng.integers(0, 3))):
        f.mount('towel', (0.8, 1.2))
    if chance(f, 0.3):
        f.against_wall(pick(f, ('washing machine', 'cabinet', 'radiator', 'shelf')))
    for name in ('trash can', 'laundry basket', 'stool'):
        if chance(f, 0.3):
            f.anywhere(name)


def corner_bath(f: Furnisher) -> None:
    for name in ('toilet', 'sink'):
        f.against_wall(name)
