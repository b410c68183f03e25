"""Settings of the site, for Sphinx: ``make docs``.

Sources are the Markdown files of the whole repository as they are, so that every link between them
works here as it does where the repository is browsed. What plain Markdown cannot say, the small
extension ``_site/pages.py`` adds.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / '_site')]
# argparse wraps its help at this width and colours it unless told otherwise.
os.environ.update(COLUMNS='96', NO_COLOR='1')

from unison3d.version import __version__  # noqa: E402

project = 'Unison3D'
copyright = 'the authors of Unison3D'
release = version = __version__

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'pages']
root_doc = 'docs/index'
include_patterns = [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'docs/**.md',
    'configs/*/README.md',
    'projects/**/README.md',
    'data/README.md',
    'data/*/README.md',
    'benchmarks/results/*.md',
    'unison3d/assets/weights/MODEL_CARD.md',
]
# Folders that need not be looked into; those of data sets may be large.
exclude_patterns = ['.*', 'work_dirs', 'build', 'tests', 'unison3d/[!a]*', 'data/*/[!R]*']

myst_heading_anchors = 3
# Headings begin at the second level where a page continues another one.
suppress_warnings = ['myst.header']

autodoc_typehints = 'none'  # The docstrings say more: shapes, units, ranges.
autodoc_member_order = 'bysource'
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Sections of fields, as in SceneSample.
FIELDS = ('Meta information', 'Ground truth of points', 'Ground truth of superpoints', 'Prompts')
napoleon_custom_sections = [
    ('Source', 'notes_style'),
    *((title, 'params_style') for title in (*FIELDS, 'Predictions')),
]

html_theme = 'furo'
html_title = f'Unison3D {version}'
html_copy_source = False
html_show_sphinx = False
