"""``unison3d superpoints``: cut a scan into superpoints."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from unison3d.cli.engine_option import add_engine_option
from unison3d.cli.view import parse_size
from unison3d.errors import ConfigError

SUFFIXES = ('.ply', '.npz')


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'superpoints',
        parents=[common],
        help='cut a scan into superpoints',
        description='Cut a scan into superpoints and write it with their ids. A mesh is cut along '
        'its creases, bare points along creases and colour edges. Superpoints that the file '
        'already has are replaced.',
    )
    parser.add_argument('scan', type=Path, metavar='SCAN', help='a scan or a scan folder')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE',
        help='.ply or .npz to write. Default: <name of SCAN>.superpoints.ply, here',
    )
    parser.add_argument(
        '--levels',
        nargs='+',
        type=int,
        default=[],
        metavar='COUNT',
        help='also write coarser levels of so many superpoints each, nested in the finer ones, '
        'to FILE with the count in its name',
    )
    parser.add_argument(
        '--ignore-faces', action='store_true', help='cut a mesh as if it were bare points'
    )
    parser.add_argument(
        '--preview', type=Path, metavar='PNG', help='draw the scan and every level side by side'
    )
    parser.add_argument(
        '--size',
        type=parse_size,
        default=(960, 720),
        metavar='WxH',
        help='of each picture of the preview. Default: 960x720',
    )
    parser.add_argument(
        '--on-bad',
        choices=('raise', 'drop'),
        default='raise',
        help='points that are not finite: stop, or leave them out. Default: raise',
    )
    parser.add_argument(
        '--scale',
        type=float,
        default=1.0,
        help='metres per unit of the file, 0.001 for a scan in millimetres. Results are in metres',
    )
    add_engine_option(parser)
    parser.add_argument('--overwrite', action='store_true', help='replace files that are there')
    parser.set_defaults(run=run)


def level_path(out: Path, count: int) -> Path:
    """Where a level goes: ``room.ply`` becomes ``room.150.ply``."""
    return out.with_name(f'{out.stem}.{count}{out.suffix}')


def run(args: argparse.Namespace) -> int:
    """Cut and write."""
    out = args.out or Path(f'{args.scan.stem}.superpoints.ply')
    _check(args, out)

    from unison3d.structures import PointScene
    from unison3d.superpoints import compute_superpoints, superpoint_hierarchy

    scene = PointScene.from_file(args.scan, on_bad=args.on_bad, scale=args.scale)
    faces = None if args.ignore_faces else scene.faces
    start = time.perf_counter()
    superpoints = compute_superpoints(scene.points, scene.colors, faces)
    seconds = time.perf_counter() - start
    count = int(superpoints.max(initial=-1)) + 1
    kind = 'points' if faces is None or not len(faces) else 'mesh'
    print(f'{scene.name}: {len(scene):,} points, {count:,} superpoints ({kind}, {seconds:.2f} s)')

    scenes = {out: scene.replace(superpoints=superpoints)}
    if args.levels:
        tree = superpoint_hierarchy(scene.points, superpoints, colors=scene.colors, faces=faces)
        for wanted in args.levels:
            ids = tree.level(wanted)[superpoints]
            found = int(ids.max(initial=-1)) + 1
            if found != wanted:
                print(f'level {wanted}: {found} superpoints; it has no level with exactly as many')
            scenes[level_path(out, wanted)] = scene.replace(superpoints=ids)
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, level in scenes.items():
        print(f'Written: {level.save(path)}')
    if args.preview:
        _draw(args.preview, list(scenes.values()), args.size)
    return 0


def _check(args: argparse.Namespace, out: Path) -> None:
    """Everything that can be wrong without reading the scan."""
    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError(f'--out {out}: expected a name that ends in {" or ".join(SUFFIXES)}.')
    wrong = [count for count in args.levels if count < 1]
    if wrong:
        raise ConfigError(f'--levels {wrong[0]}: expected 1 or more superpoints.')
    written = [out, *(level_path(out, count) for count in args.levels)]
    if args.preview:
        if args.preview.suffix.lower() != '.png':
            raise ConfigError(f'--preview {args.preview}: expected a name that ends in .png.')
        written.append(args.preview)
    for path in written:
        if path.exists() and not args.overwrite:
            raise ConfigError(f'{path} is there. Pass --overwrite, or choose another name.')
        if path.exists() and args.scan.exists() and path.samefile(args.scan):
            raise ConfigError(f'{path} is the scan itself. Choose another --out.')


def _draw(path: Path, levels: list, size: tuple[int, int]) -> None:
    from unison3d.apis.colors import scene_colors
    from unison3d.viewer.render import PointRenderer, contact_sheet, save_png

    renderer = PointRenderer(levels[0].points, width=size[0], height=size[1])
    coloring = 'color' if levels[0].has_color else 'height'
    images = [renderer.render(scene_colors(levels[0], coloring))]
    titles = [f'{levels[0].name}, {coloring}']
    for level in levels:
        images.append(renderer.render(scene_colors(level, 'superpoint')))
        titles.append(f'{int(level.superpoints.max(initial=-1)) + 1} superpoints')
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f'Written: {save_png(path, contact_sheet(images, titles))}')
