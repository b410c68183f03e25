"""Options of ``unison3d infer`` for boxes, sentences about clicked objects, and words."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unison3d.errors import ConfigError, VocabularyError

if TYPE_CHECKING:
    from unison3d.apis.phrase_scores import PhraseScores
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


def add_word_options(group: argparse._ArgumentGroup) -> None:
    """Add the options for names and phrases to a group."""
    group.add_argument(
        '--vocabulary',
        metavar='A,B,C',
        help='class names of your own, separated by commas, for open-vocabulary segmentation; '
        'sofa|couch|settee gives the name sofa and other words for it. Default with '
        '--task open_vocabulary: the names known from training',
    )
    group.add_argument(
        '--heat-map',
        nargs='+',
        action='extend',
        default=[],
        metavar='PHRASE',
        help='colour the scan by the chance that every point is what a phrase means, such as '
        '"somewhere to sleep": a PLY for each, and the numbers of all in phrase_scores.npz',
    )


def make_vocabulary(text: str | None) -> dict[str, list[str]] | None:
    """Phrases by name, from ``'sofa|couch,lamp'``; None stays None.

    Raises:
        VocabularyError: a name that comes twice.
    """
    if text is None:
        return None
    vocabulary: dict[str, list[str]] = {}
    for phrases in (words.split('|') for words in text.split(',')):
        if phrases[0] in vocabulary:
            raise VocabularyError(
                f'--vocabulary lists {phrases[0]!r} more than once; name every class once.'
            )
        vocabulary[phrases[0]] = phrases
    return vocabulary


def save_heat_maps(scores: PhraseScores, out: Path) -> list[Path]:
    """Files of ``--heat-map``."""
    paths = [scores.save_npz(out / 'phrase_scores.npz')]
    for number, phrase in enumerate(scores.phrases):
        word = re.sub(r'[^a-z0-9]+', '_', phrase.lower()).strip('_')[:40]
        paths.append(scores.save_heat_map(out / f'heat_map_{number}_{word}.ply', phrase))
    return paths


def remove_heat_maps(out: Path) -> None:
    """Remove what :func:`save_heat_maps` wrote."""
    for path in (out / 'phrase_scores.npz', *out.glob('heat_map_*.ply')):
        path.unlink(missing_ok=True)


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
