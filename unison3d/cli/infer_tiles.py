"""``unison3d infer --tile``: scans larger than memory."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from unison3d.cli.segment_scan import ScanQuestions

_LENGTH = re.compile(r'(?P<number>\d+\.?\d*|\.\d+)\s*(?P<unit>m|cm|mm|)', re.IGNORECASE)
_UNITS = {'': 1.0, 'm': 1.0, 'cm': 0.01, 'mm': 0.001}
#: What needs the whole scan in memory, by the name of the parsed argument.
_NOT_IN_TILES = {
    **{'click': '--click', 'box': '--box', 'click_text': '--click-text', 'text': '--text'},
    **{'exclusive': '--exclusive', 'heat_map': '--heat-map', 'export': '--export'},
    'picture': '--picture',
}


def add_tile_options(group: argparse._ArgumentGroup) -> None:
    """Add the options to a group."""
    group.add_argument(
        '--tile',
        type=parse_length,
        metavar='LENGTH',
        help='cut the scan into tiles of at most this edge, such as 8m or 800cm, and hold one at a '
        'time in memory. A run that was stopped goes on where it was (docs/large_scenes.md)',
    )
    group.add_argument(
        '--tile-overlap',
        type=parse_length,
        metavar='LENGTH',
        help='what tiles see of their neighbours on each side. Default: 1.5m',
    )
    group.add_argument(
        '--decode-window',
        type=parse_window,
        metavar='LENGTH',
        help='longest edge of a part whose objects are looked for at once, or all. Default: 8m, '
        'about a room',
    )


def parse_length(text: str) -> float:
    """Metres of ``8``, ``8m``, ``800cm`` or ``8000mm``."""
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no length; expected a number and perhaps m, cm or mm, such as 8m'
        )
    return float(match['number']) * _UNITS[match['unit'].lower()]


def parse_window(text: str) -> float:
    """A length, or ``all``."""
    return math.inf if text == 'all' else parse_length(text)


def check_tile_options(args: argparse.Namespace, many: bool) -> None:
    """Refuse options that do not go together.

    Raises:
        ConfigError: tiles of many scans, options of tiles without ``--tile``, or with ``--tile``
            what needs the whole scan.
    """
    if args.tile is None:
        for name, value in (
            ('--tile-overlap', args.tile_overlap),
            ('--decode-window', args.decode_window),
        ):
            if value is not None:
                raise ConfigError(
                    f'{name} is given without --tile. Add --tile 8m, or leave it out.'
                )
        return
    if many:
        raise ConfigError(f'--tile is for one scan, and {args.scan} holds many. Name one scan.')
    used = [option for name, option in _NOT_IN_TILES.items() if getattr(args, name)]
    if used:
        raise ConfigError(
            f'{", ".join(used)} needs the whole scan in memory and does not go with --tile. '
            'Segment without it; cut out the part you need for the rest.'
        )


def run_tiles(args: argparse.Namespace, out: Path, questions: ScanQuestions) -> int | None:
    """Segment in tiles; None where the scan fits one, which is then no matter for tiles."""
    import torch

    from unison3d.apis import Segmenter
    from unison3d.apis.tiles import TileOptions, segment_tiles
    from unison3d.apis.tiles.folder import check_out
    from unison3d.apis.tiles.survey import survey
    from unison3d.fusion import is_capture
    from unison3d.io.point_stream import open_points

    given = {'overlap': args.tile_overlap, 'window': args.decode_window}
    options = TileOptions(args.tile, **{k: v for k, v in given.items() if v is not None})
    if is_capture(args.scan):
        raise ConfigError(
            f'--tile: {args.scan} is a capture of depth images, which is fused as a whole. Leave '
            'out --tile.'
        )
    # Before the whole scan is read.
    check_out(out, args.overwrite)
    reading = {'on_bad': questions.on_bad, 'scale': questions.scale}
    num_features = questions.num_features or 6
    with redirect_stdout(sys.stderr if args.json else sys.stdout):
        stream = open_points(args.scan, num_features=num_features)
        found = survey(stream, **reading)
        if found.fits(options.tile):
            print('the scan fits one tile and is segmented as a whole')
            return None
        torch.manual_seed(questions.seed)
        segmenter = Segmenter.from_pretrained(args.weights, device=args.device)
        names = None
        if questions.vocabulary is not None:
            segmenter.set_vocabulary(questions.vocabulary)
            names = list(questions.vocabulary)
        done = segment_tiles(
            *(segmenter, args.scan, out, options),
            tasks=questions.tasks,
            vocabulary=names,
            overwrite=args.overwrite,
            num_features=num_features,
            found=found,
            **reading,
        )
    if args.json:
        files = [str(path) for path in done.paths]
        content = {'files': files, 'seconds': done.seconds, 'summary': done.report}
        json.dump(content, sys.stdout, indent=2)
        print()
        return 0
    print(done.summary())
    print('Written:')
    for path in done.paths:
        print(f'  {path}')
    return 0
