"""``unison3d view``: look at scans in the browser, or draw them into a picture."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from unison3d.cli.engine_option import add_engine_option
from unison3d.errors import ConfigError

#: Options of one of the two ways to run only, with their defaults. The parser has None for them,
#: so that those of the other way can be refused.
BROWSER = {
    'weights': None,
    'device': 'auto',
    'port': 8080,
    'host': '127.0.0.1',
    'token': False,
    'output': None,
    'recover': False,
}
PICTURE = {
    'show': None,
    'view': 'auto',
    'size': (960, 720),
    'columns': None,
    'keep_ceiling': False,
    'overwrite': False,
}

COLORINGS = ('color', 'semantic', 'instance', 'part', 'superpoint', 'normal', 'height')


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'view',
        parents=[common],
        help='look at scans in the browser, or draw them',
        description='Open scans in the browser to look at them, to ask, and to label them. With '
        '--snapshot, draw them into a PNG without a window: one picture for each scan and '
        'colouring, side by side.',
    )
    parser.add_argument(
        'scan',
        nargs='+',
        type=Path,
        metavar='SCAN',
        help='files or scan folders; in the browser also results, captures, prepared data sets '
        'and folders of any of them',
    )
    parser.add_argument(
        '--scale', type=float, default=1.0, help='metres per unit of the scans. Default: 1'
    )
    add_browser_options(parser.add_argument_group('in the browser'))
    parser.add_argument('--snapshot', type=Path, metavar='PNG', help='the picture to write')
    parser.add_argument(
        '--show',
        nargs='+',
        choices=COLORINGS,
        metavar='WHAT',
        help=f'one or more of: {", ".join(COLORINGS)}. Default: the colours of the scan, or its '
        'height where it has none',
    )
    parser.add_argument(
        '--view',
        type=parse_angles,
        metavar='AZIMUTH,ELEVATION',
        help='where the camera stands, in degrees; azimuth from +x towards +y. Default: auto',
    )
    parser.add_argument('--size', type=parse_size, metavar='WxH', help='default: 960x720')
    parser.add_argument('--columns', type=int, help='pictures in a row. Default: about square')
    parser.add_argument(
        '--keep-ceiling', action='store_true', default=None, help='do not look into rooms'
    )
    parser.add_argument(
        '--overwrite', action='store_true', default=None, help='replace the picture'
    )
    parser.set_defaults(run=run)


def add_browser_options(group: argparse._ArgumentGroup) -> None:
    """Add what only the browser application uses."""
    group.add_argument('--weights', type=Path, help='.safetensors file. Default: those that ship')
    group.add_argument('--device', help='auto, cpu or cuda. Default: auto')
    add_engine_option(group)
    group.add_argument('--port', type=int, help='0 takes a free one. Default: 8080')
    group.add_argument(
        '--host',
        help="address to listen on. Another one than this machine's own lets others in who have "
        'the token that is printed; nothing is encrypted, so prefer an SSH tunnel '
        '(docs/viewer.md). Default: 127.0.0.1',
    )
    group.add_argument(
        '--token',
        action='store_true',
        default=None,
        help='ask for the token on 127.0.0.1 too; for machines that several people use',
    )
    group.add_argument(
        '--output',
        type=Path,
        help='folder of edits and exports. Default: unison3d_labels beside the scans',
    )
    group.add_argument(
        '--recover',
        action='store_true',
        default=None,
        help='go on with what is left of a damaged journal',
    )


def parse_angles(text: str) -> tuple[float, float] | str:
    """Read ``AZIMUTH,ELEVATION`` or ``auto``."""
    if text == 'auto':
        return text
    try:
        azimuth, elevation = (float(part) for part in text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no view; expected two angles in degrees such as 45,30, or auto'
        ) from None
    return azimuth, elevation


def parse_size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if match is None:
        raise argparse.ArgumentTypeError(f'{text!r} is no size; expected pixels such as 960x720')
    return int(match[1]), int(match[2])


def run(args: argparse.Namespace) -> int:
    """Open the browser application, or draw."""
    own, other, where = BROWSER, PICTURE, 'with --snapshot only'
    if args.snapshot is not None:
        own, other, where = PICTURE, BROWSER, 'in the browser only, not with --snapshot'
    given = [f'--{name.replace("_", "-")}' for name in other if getattr(args, name) is not None]
    if given:
        raise ConfigError(f'{", ".join(given)}: used {where}. Leave out what does not belong.')
    for name, default in own.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
    return serve(args) if args.snapshot is None else draw(args)


def serve(args: argparse.Namespace) -> int:
    """Serve the application until somebody stops it."""
    if not 0 <= args.port <= 65535:
        raise ConfigError(f'--port is {args.port}, expected 0 to 65535.')
    from unison3d.viewer.app import ViewerApp
    from unison3d.viewer.library import Library
    from unison3d.viewer.shared_model import SharedModel

    library = Library(args.scan, args.output)
    model = SharedModel(args.weights, args.device)
    app = ViewerApp(library, model, scale=args.scale, recover=args.recover)
    app.start(args.host, args.port, token=args.token)
    try:
        # At once, also into a pipe: somebody waits for the address.
        print(where_to_go(app.urls, args.host), flush=True)
        print(f'Stop with Ctrl-C. Edits are kept in {library.output}', flush=True)
        app.wait()
    except KeyboardInterrupt:
        pass
    finally:
        app.stop()
    return 0


def where_to_go(urls: Sequence[str], host: str) -> str:
    """What to tell about the addresses of the page, one line each."""
    here, *elsewhere = urls
    lines = [f'Open {here}']
    lines += [f'From another machine: {url}' for url in elsewhere]
    if not elsewhere and host in ('0.0.0.0', '::'):
        lines.append(
            'From another machine: the same with the name of this one; its address is not known.'
        )
    return '\n'.join(lines)


def draw(args: argparse.Namespace) -> int:
    """Draw and write."""
    if args.snapshot.suffix.lower() != '.png':
        raise ConfigError(f'--snapshot {args.snapshot}: expected a name that ends in .png.')
    if args.snapshot.exists() and not args.overwrite:
        raise ConfigError(f'{args.snapshot} is there. Pass --overwrite, or choose another name.')
    if args.columns is not None and args.columns < 1:
        raise ConfigError(f'--columns is {args.columns}, expected 1 or more.')

    from unison3d.apis.colors import scene_colors
    from unison3d.structures import PointScene
    from unison3d.viewer.render import PointRenderer, contact_sheet, save_png

    images, titles = [], []
    width, height = args.size
    for path in args.scan:
        scene = PointScene.from_file(path, scale=args.scale)
        renderer = PointRenderer(
            scene.points,
            width=width,
            height=height,
            view=args.view,
            crop_ceiling=not args.keep_ceiling,
        )
        for coloring in args.show or ['color' if scene.has_color else 'height']:
            images.append(renderer.render(scene_colors(scene, coloring)))
            titles.append(f'{scene.name}, {coloring}')
    # A single picture needs no frame around it.
    sheet = images[0] if len(images) == 1 else contact_sheet(images, titles, columns=args.columns)
    args.snapshot.parent.mkdir(parents=True, exist_ok=True)
    print(f'Written: {save_png(args.snapshot, sheet)}')
    return 0
