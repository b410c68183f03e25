"""Make the bank of class-name vectors that ships with the package.

    python tools/make_text_bank.py
    python tools/make_text_bank.py --names sofa "coffee table" --out my_bank.npz

A name is encoded as it stands (``--template '{}'``). A sentence around it, such as "a photo of a
{}.", is the habit for encoders trained on captions; for a sentence encoder it moves all names
towards each other, and `--compare` prints by how much.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from unison3d.io.atomic import atomic_write
from unison3d.models.text import DEFAULT_BANK, MiniLMTextEncoder, TextBank, canonical_phrase
from unison3d.structures import SCANNET20

# A label set may have a name that nobody says; it is encoded as people would say it.
SPOKEN = {'otherfurniture': 'other furniture'}
TEMPLATES = ('{}', 'a {}', 'a photo of a {}.', 'there is a {} in the room.')


def default_names() -> list[str]:
    """The classes of ScanNet and every name that a procedural room can hold."""
    from unison3d.synth import catalog

    names = [*SCANNET20.classes, *catalog.seen_names(), *catalog.withheld_names()]
    return sorted({canonical_phrase(name) for name in names})


def compare(encoder: MiniLMTextEncoder, names: list[str]) -> None:
    """Print how far apart names are under each template."""
    print(f'{"template":32s} {"mean cosine":>12s} {"mean nearest":>13s}')
    for template in TEMPLATES:
        vectors = encoder.encode([template.format(name) for name in names])
        cosine = vectors @ vectors.T
        cosine.fill_diagonal_(float('nan'))
        nearest = cosine.nan_to_num(-1).amax(1)
        print(f'{template:32s} {cosine.nanmean():12.3f} {nearest.mean():13.3f}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=DEFAULT_BANK)
    parser.add_argument('--names', nargs='+', help='default: all names of the toolbox')
    parser.add_argument('--template', default='{}', help='sentence around a name, {} is the name')
    parser.add_argument('--compare', action='store_true', help='compare templates, write nothing')
    args = parser.parse_args()

    torch.set_num_threads(1)
    names = [canonical_phrase(name) for name in args.names] if args.names else default_names()
    encoder = MiniLMTextEncoder()
    if args.compare:
        compare(encoder, names)
        return
    vectors = encoder.encode([args.template.format(SPOKEN.get(name, name)) for name in names])
    bank = TextBank(tuple(names), vectors, encoder.name, args.template)
    with atomic_write(args.out) as file:
        file.write(bank.to_bytes())
    print(f'{args.out}: {len(names)} names, {args.out.stat().st_size / 1024:.0f} KiB')


if __name__ == '__main__':
    main()
