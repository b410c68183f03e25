"""``python -m unison3d`` is the command ``unison3d``."""

from __future__ import annotations

import sys

from unison3d.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
