"""Train a model: the same as ``unison3d train``, for launchers that start a file."""

from __future__ import annotations

import sys

from unison3d.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))
