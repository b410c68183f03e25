"""Prepare a dataset, called as OpenMMLab's script of this name: ``unison3d prepare`` does the work.

python tools/create_data.py scannet --root-path data/scannet --out-dir data/scannet \
    --extra-tag scannet --workers 4
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from unison3d.cli.main import main


def arguments(argv: list[str]) -> list[str]:
    """The command line of ``unison3d prepare`` for one of this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('dataset')
    parser.add_argument('--root-path', type=Path, help='default: data/<dataset>')
    parser.add_argument('--out-dir', type=Path, help='default: the root path')
    parser.add_argument('--extra-tag', help='of the info files. Default: the dataset')
    parser.add_argument('--workers', type=int, default=4, help='processes. Default: 4')
    args = parser.parse_args(argv)
    root = args.root_path or Path('data') / args.dataset
    words = ['prepare', args.dataset, '--root', root, '--out', args.out_dir or root]
    words += ['--tag', args.extra_tag or args.dataset, '--workers', args.workers]
    return [str(word) for word in words]


if __name__ == '__main__':
    sys.exit(main(arguments(sys.argv[1:])))
