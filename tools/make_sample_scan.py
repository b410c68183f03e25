"""Make the procedural scan that ships with the package, and propose prompts for it.

    python tools/make_sample_scan.py
    python tools/make_sample_scan.py --seed 512 --out other.ply

The scan holds points and colours only, as a scanner would give them; labels stay behind. Nothing
else is written: the lines `DEMO_... := ...` that it prints are for the Makefile, and the proposals
after them are there to choose from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from unison3d.structures import PointScene
from unison3d.synth import SynthScene, make_scene

ASSET = Path(__file__).resolve().parents[1] / 'unison3d' / 'assets' / 'sample_room.ply'
# Outside of the rooms of the test (0-99) and of training (1,000,000 and on).
SEED = 507
# An object of fewer points is a poor thing to ask for.
MIN_POINTS = 300
MAX_NAMES = 10


def click_on(points: np.ndarray) -> str:
    """The point nearest the middle of an object, as an argument of ``--click``."""
    nearest = np.linalg.norm(points - points.mean(0), axis=1).argmin()
    return ','.join(f'{value:.2f}' for value in points[nearest])


def propose(room: SynthScene) -> tuple[list[str], list[str], list[str]]:
    """Sentences with one target, clicks and class names, the most visible objects first."""
    sizes = np.bincount(room.instances[room.instances >= 0], minlength=len(room.instance_names))
    order = [int(i) for i in np.argsort(-sizes, kind='stable') if sizes[i] > MIN_POINTS]
    single = [s for s in room.sentences if len(s.targets) == 1 and s.targets[0] in order]
    single.sort(key=lambda s: order.index(s.targets[0]))
    clicks = [click_on(room.points[room.instances == i]) for i in order]
    names = list(dict.fromkeys(room.instance_names[i] for i in order))
    return [s.text for s in single], clicks, ['wall', 'floor', *names[:MAX_NAMES]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--seed',
        type=int,
        default=SEED,
        help=f'of the room; keep it out of training and test. Default: {SEED}',
    )
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
    print(f'{args.out}: {len(scene):,} points, {size:.1f} MB, seed {args.seed}\n')

    texts, clicks, names = propose(room)
    print(f'DEMO_CLICK := {clicks[0] if clicks else ""}')
    print(f'DEMO_TEXT := {texts[0] if texts else ""}')
    print(f'DEMO_VOCABULARY := {",".join(names)}\n')
    for text in texts[1:12]:
        print(f'--text "{text}"')
    for click in clicks[1:12]:
        print(f'--click {click}')


if __name__ == '__main__':
    main()
