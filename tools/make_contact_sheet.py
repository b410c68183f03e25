#!/usr/bin/env python
"""Draw a sheet of random procedural scenes: ``python tools/make_contact_sheet.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from unison3d.io import atomic_write
from unison3d.synth import make_scene
from unison3d.viewer.render import contact_sheet, render_points

DEFAULT = Path(__file__).parents[1] / 'docs' / 'images' / 'rooms.png'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=DEFAULT)
    parser.add_argument('--profile', default='rooms', choices=('rooms-v1', 'rooms', 'shifted'))
    parser.add_argument('--seed', type=int, default=2000, help='of the first scene')
    parser.add_argument('--count', type=int, default=12)
    args = parser.parse_args()
    images, titles = [], []
    for seed in range(args.seed, args.seed + args.count):
        scene = make_scene(seed, profile=args.profile)
        images.append(render_points(scene.points, scene.colors, width=340, height=270))
        titles.append(f'{scene.room_kind}, {len(scene.instance_names)} objects')
    sheet = contact_sheet(images, titles, columns=4)
    # A palette keeps the file small.
    image = Image.fromarray(np.ascontiguousarray(sheet)).quantize(160)
    with atomic_write(args.out) as file:
        image.save(file, format='PNG', optimize=True)
    print(f'{args.out}: {args.out.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    main()
