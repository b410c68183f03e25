"""What can run code, open the network or unpack files is used only in the rooms that own it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ('unison3d', 'tools', 'benchmarks', 'projects', 'configs', 'examples')
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob('*.py'))


@dataclass(frozen=True)
class Call:
    """A call: its dotted name with imports resolved, and what it is given."""

    name: str
    keywords: dict[str, str]
    line: int


@dataclass(frozen=True)
class Rule:
    """Calls that are forbidden outside of some files.

    Args:
        what: for the message.
        hits: whether a call is one.
        owners: files that may, relative to the repository.
    """

    what: str
    hits: Callable[[Call], bool]
    owners: tuple[str, ...] = ()


def named(*names: str) -> Callable[[Call], bool]:
    return lambda call: call.name in names


def ending(*names: str) -> Callable[[Call], bool]:
    """Methods, whatever they are called on."""
    return lambda call: call.name.rpartition('.')[2] in names


def given(keyword: str, value: str | None = None) -> Callable[[Call], bool]:
    def hits(call: Call) -> bool:
        found = call.keywords.get(keyword)
        return found is not None and (found == value if value else found not in ('False', 'None'))

    return hits


RULES = (
    Rule('torch.load', named('torch.load'),
         ('unison3d/io/tensor_files.py', 'unison3d/io/trusted.py')),
    Rule('torch.load without weights_only=True',
         lambda c: c.name == 'torch.load' and c.keywords.get('weights_only') != 'True',
         ('unison3d/io/trusted.py',)),
    Rule('unrestricted unpickling', named(
        *(f'{module}.{name}' for module in ('pickle', '_pickle', 'cPickle', 'dill', 'cloudpickle',
                                            'joblib', 'marshal', 'mmengine')
          for name in ('load', 'loads')), 'pandas.read_pickle', 'shelve.open', 'torch.jit.load',
        'torch.package.PackageImporter')),
    Rule('an unpickler', named('pickle.Unpickler', 'pickle._Unpickler'),
         ('unison3d/io/restricted_pickle.py', 'unison3d/io/checkpoint_calls.py')),
    Rule('numpy.load with pickles', lambda c: c.name in ('numpy.load', 'numpy.lib.npyio.NpzFile')
         and given('allow_pickle')(c)),
    # Even without pickles it believes what headers say about sizes.
    Rule('numpy.load of files that users bring', named('numpy.load'),
         ('benchmarks/published_switches.py', 'benchmarks/scan_files.py',
          'unison3d/apis/tiles/superpoints.py')),  # of its own, from the same run
    Rule('code out of text', named('eval', 'exec', 'compile', '__import__', 'builtins.eval',
                                   'builtins.exec', 'runpy.run_path', 'runpy.run_module')),
    Rule('mmengine.Config.fromstring', lambda c: c.name.endswith(('Config.fromstring',
                                                                'Config._file2dict'))),
    Rule('a config as a program', lambda c: c.name.endswith('Config.fromfile'),
         ('unison3d/io/config_files.py', 'benchmarks/data.py', 'benchmarks/infer.py',
          'benchmarks/referring.py')),
    Rule('YAML with objects', named('yaml.load', 'yaml.unsafe_load', 'yaml.full_load',
                                    'yaml.load_all', 'yaml.unsafe_load_all')),
    Rule('a shell', lambda c: given('shell')(c) or c.name in (
        'os.system', 'os.popen', 'subprocess.getoutput', 'subprocess.getstatusoutput',
        'commands.getoutput')),
    Rule('unpacking to the names in an archive',
         ending('extractall', 'unpack_archive', '_extract_member')),
    Rule('unchecked XML', lambda c: c.name.startswith(('xml.etree.', 'xml.dom.', 'xml.sax.',
                                                       'lxml.'))),
    Rule('names of temporary files that others can guess', named('tempfile.mktemp', 'os.tempnam')),
    Rule('requests without a check of the certificate', given('verify', 'False')),
)  # fmt: skip
#: Of calls, those that a rule asks about.
KEYWORDS = ('weights_only', 'allow_pickle', 'shell', 'verify')
#: Every address of the machine; only named where the viewer explains or checks it.
OPEN_ADDRESSES = ('0.0.0.0',)
NAME_OPEN_ADDRESSES = {'unison3d/viewer/gate.py', 'unison3d/viewer/addresses.py',
                       'unison3d/cli/view.py'}  # fmt: skip


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of such an expression; what is no name is left out: ``f(x).c`` is ``.c``."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else '')
    return '.'.join(reversed(parts))


def calls(tree: ast.AST) -> Iterator[Call]:
    """Every call, under the name its module has at home: ``np.load`` is ``numpy.load``."""
    at_home: dict[str, str] = {}
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    at_home[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                at_home[alias.asname or alias.name] = f'{node.module}.{alias.name}'

    def home_name(node: ast.expr) -> str:
        head, dot, rest = dotted(node).partition('.')
        return f'{at_home.get(head, head)}{dot}{rest}'

    for node in nodes:
        if isinstance(node, ast.ClassDef):
            # As good as a call.
            yield from (Call(home_name(base), {}, node.lineno) for base in node.bases)
        elif isinstance(node, ast.Call):
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg in KEYWORDS}
            yield Call(home_name(node.func), keywords, node.lineno)


def findings(tree: ast.AST, file: str) -> list[str]:
    found = [
        f'{file}:{call.line}: {rule.what} ({call.name})'
        for call in calls(tree)
        for rule in RULES
        if rule.hits(call) and file not in rule.owners
    ]
    if file not in NAME_OPEN_ADDRESSES:
        found += [
            f'{file}:{node.lineno}: listens to the whole network ({node.value})'
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and node.value in OPEN_ADDRESSES
        ]
    return found


def test_nothing_dangerous_outside_of_its_room():
    found, used = [], set()
    for path in SOURCES:
        file = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text(encoding='utf-8'))
        found += findings(tree, file)
        owned = [rule for rule in RULES if file in rule.owners]
        if owned:
            used |= {(rule.what, file) for rule in owned for c in calls(tree) if rule.hits(c)}
    assert not found, '\n'.join(found)
    needless = {(rule.what, file) for rule in RULES for file in rule.owners} - used
    assert not needless, f'these exceptions are no longer needed: {needless}'


BAD = (
    'import torch\ntorch.load(p, weights_only=True)',
    'import pickle\nclass Mine(pickle.Unpickler): pass',
    'from torch import load\nload(p)',
    'import pickle as p\np.loads(data)',
    'from pickle import load as read\nread(file)',
    'import mmengine\nmmengine.load("infos.pkl")',
    'import numpy as np\nnp.load(p, allow_pickle=True)',
    'import numpy as np\nnp.load(p)',
    'eval("1")',
    'exec(text)',
    'import yaml\nyaml.load(text, Loader=yaml.SafeLoader)',
    'import subprocess\nsubprocess.run(line, shell=True)',
    'import os\nos.system(line)',
    'archive.extractall(folder)',
    'import shutil\nshutil.unpack_archive(p)',
    'from mmengine.config import Config\nConfig.fromstring(text, ".py")',
    'from mmengine import Config\nConfig.fromfile(p)',
    'import xml.etree.ElementTree as ET\nET.parse(p)',
    'serve(host="0.0.0.0")',
    'import tempfile\ntempfile.mktemp()',
)


@pytest.mark.parametrize('text', BAD)
def test_the_rules_find_what_they_are_for(text):
    assert findings(ast.parse(text), 'unison3d/somewhere.py')
