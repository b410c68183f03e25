"""Options of ``unison3d infer`` for boxes, and for sentences about clicked objects."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from unison3d.structures import Box


def add_prompt_options(group: argparse._ArgumentGroup) -> None:
    """Add the options to a group."""
    group.add_argument(
        '--box',
        nargs='+',
        action='append',
        type=float,
        default=[],
        metavar='NUMBER',
        help='a box around an object: X Y Z of its centre, its size DX DY DZ, and perhaps YAW in '
        'degrees about z, in the coordinates of the file. Each --box starts an object, numbered '
        'after those of the clicks; +K: and -K: of --click refine it',
    )
    group.add_argument(
        '--click-text',
        nargs=2,
        action='append',
        default=[],
        metavar=('K', 'SENTENCE'),
        help='a sentence to be understood together with the clicks and boxes of object K, for '
        'weights that were trained with both',
    )
    group.add_argument(
        '--exclusive',
        action='store_true',
        help='a point that several clicked or boxed objects claim goes to one of them',
    )


def make_boxes(rows: Sequence[Sequence[float]], num_clicked: int) -> list[Box]:
    """Boxes as objects that follow ``num_clicked`` others.

    Raises:
        ConfigError: not 6 or 7 numbers.
    """
    from unison3d.structures import Box

    boxes = []
    for index, row in enumerate(rows):
        if len(row) not in (6, 7):
            raise ConfigError(
                f'--box {" ".join(f"{value:g}" for value in row)} has {len(row)} numbers, expected '
                '6 (centre and size) or 7 (and a yaw in degrees). Write one --box per box.'
            )
        yaw = math.radians(row[6]) if len(row) == 7 else 0.0
        boxes.append(Box(tuple(row[:3]), tuple(row[3:6]), yaw, object=num_clicked + index))
    return boxes


def make_click_texts(pairs: Sequence[tuple[str, str]]) -> dict[int, str]:
    """Sentences by object.

    Raises:
        ConfigError: an object that is no number, or is described twice.
    """
    found: dict[int, str] = {}
    for number, sentence in pairs:
        if not number.isdecimal():
            raise ConfigError(
                f'--click-text {number!r} {sentence!r}: expected the number of an object first, '
                'such as --click-text 0 "the red chair".'
            )
        if int(number) in found:
            raise ConfigError(f'--click-text describes object {number} twice; once is allowed.')
        found[int(number)] = sentence
    return found
