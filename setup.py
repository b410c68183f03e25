"""Everything about the package is in setup.cfg; here is only what OpenMMLab expects beside it.

``mim`` and configs that inherit with ``unison3d::`` look for configs, tools and the index of models
in a folder ``.mim`` inside of the installed package. Beside the package of a checkout they are
found where they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'model-index.yml')


class BuildWithConfigs(build_py):
    """Puts what is shipped beside the code."""

    def run(self) -> None:
        """Build, then fill ``.mim``."""
        super().run()
        if not self.editable_mode:
            copy_shipped(Path(self.build_lib) / 'unison3d' / '.mim')


def copy_shipped(target: Path) -> None:
    """Copy what is shipped into a folder, which is made anew: it may hold what is gone."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy2(source, target / name)


setup(cmdclass={'build_py': BuildWithConfigs})
