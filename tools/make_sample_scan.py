"""Make the procedural scan that ships with the package, and propose prompts for it.

    python tools/make_sample_scan.py
    python tools/make_sample_scan.py --seed 12 --out other.ply

The file holds points and colours only, as a scanner would give them; labels stay behind. The
proposed prompts (a sentence with one target, and a click on another object) are what `make demo`
asks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from unison3d.structures import PointScene
from unison3d.synth import make_scene

ASSET = Path(__file__).resolve().parents[1] / 'unison3d' / 'assets' / 'sample_room.ply'


def click_on(points: np.ndarray) -> str:
    """The point nearest the middle of an object, as an argument of ``--click``."""
    nearest = np.linalg.norm(points - points.mean(0), axis=1).argmin()
    return ','.join(f'{value:.2f}' for value in points[nearest])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seed', type=int, default=7, help='of the room; keep it out of training')
    parser.add_argument('--out', type=Path, default=ASSET)
    parser.add_argument('--max-points', type=int, default=60_000)
    args = parser.parse_args()

    room = make_scene(args.seed)
    keep = np.arange(len(room.points))
    if len(keep) > args.max_points:
        rng = np.random.default_rng(args.seed)
        keep = np.sort(rng.choice(keep, args.max_points, replace=False))
    scene = PointScene.from_arrays(room.points[keep], room.colors[keep], name=args.out.stem)
    scene.save(args.out)
    size = args.out.stat().st_size / 1e6
    print(f'{args.out}: {len(scene):,} points, {size:.1f} MB, objects: {room.instance_names}')

    sizes = np.bincount(room.instances[room.instances >= 0], minlength=len(room.instance_names))
    single = [s for s in room.sentences if len(s.targets) == 1 and sizes[s.targets[0]] > 300]
    for sentence in single[:12]:
        print(f'--text "{sentence.text}"  ({sentence.kind})')
    for instance in np.argsort(-sizes)[:12]:
        place = click_on(room.points[room.instances == instance])
        print(f'--click {place}  ({room.instance_names[instance]}, {sizes[instance]} points)')


if __name__ == '__main__':
    main()
