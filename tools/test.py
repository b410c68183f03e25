"""Measure a model: the same as ``unison3d test``, for launchers that start a file."""

from __future__ import annotations

import sys

from unison3d.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
