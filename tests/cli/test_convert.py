"""``unison3d convert`` on small files."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from tiny import tiny_model

from tests.test_convert.published import assert_same, made_up, to_rsck
from unison3d.cli.convert import LAYOUTS
from unison3d.cli.main import main
from unison3d.convert import LAYOUTS as KNOWN_LAYOUTS
from unison3d.convert import SYSTEMS, get_system, translate_back
from unison3d.convert.minkowski_shapes import minkowski_shapes
from unison3d.engine import load_state, read_checkpoint, read_weights
from unison3d.version import __version__

MASK = 'lang.text_encoder.text_attn_mask'


@pytest.fixture(scope='module')
def uniseg3d() -> dict[str, torch.Tensor]:
    """A small published model with what the reference keeps beside it."""
    torch.manual_seed(0)
    state = {
        name: torch.randn(tensor.shape) if tensor.is_floating_point() else tensor + 7
        for name, tensor in tiny_model().state_dict().items()
        if not name.startswith('decoder.position_encoding.')
    }
    published = translate_back(get_system('uniseg3d'), state).tensors
    published['criterion.contrastive_criterion.logit_scale'] = torch.tensor(2.5)
    # Infinite, and rightly so.
    published[MASK] = torch.full((4, 4), -torch.inf).triu(1)
    return published


@pytest.fixture
def paths(uniseg3d, tmp_path):
    """IN as a training run saves it, OUT, and the way back."""
    source = tmp_path / 'epoch 12.pth'
    content = {'meta': {'epoch': 12}, 'state_dict': uniseg3d, 'optimizer': {'state': {}}}
    torch.save(content, source)
    return source, tmp_path / 'new' / 'out.safetensors', tmp_path / 'back.pth'


def run(capsys, *words: object) -> tuple[int, str, str]:
    status = main(['convert', *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_forth_and_back(capsys, paths, uniseg3d):
    source, ours, back = paths
    status, text, _ = run(capsys, 'uniseg3d', source, ours)
    assert status == 0
    expected = ('kernels krsc', '1 not translated: frozen text tower', 'meta, optimizer', str(ours))
    for words in expected:
        assert words in text
    weights, metadata = read_weights(ours)
    assert metadata == {
        'schema': 'unison3d-converted/1',
        'system': 'uniseg3d',
        'source': 'epoch 12.pth',
        'layout': 'krsc',
        'published_prefix': '',
        'unison3d': __version__,
        'format': 'pt',
    }
    report = load_state(tiny_model(), weights, strict=False)
    assert report.unexpected == ('links.contrastive.logit_scale',)  # a link this model lacks
    assert not report.mismatched

    status, text, _ = run(capsys, 'uniseg3d', ours, back, '--reverse')
    assert status == 0
    assert 'to published' in text
    restored = read_checkpoint(back)['state_dict']
    assert_same(restored, {k: v for k, v in uniseg3d.items() if k != MASK})
    assert restored._metadata['input_conv.0'] == {'version': 2}


@pytest.mark.parametrize('layout', ['krsc', 'rsck'])
def test_everything_comes_back(capsys, tmp_path, paths, uniseg3d, layout):
    _, ours, back = paths
    wrapped = {f'module.{name}': tensor for name, tensor in uniseg3d.items()}
    wrapped = to_rsck(wrapped) if layout == 'rsck' else wrapped
    source = tmp_path / 'bare.pt'
    torch.save(wrapped, source)
    assert run(capsys, 'uniseg3d', source, ours, '--keep-unused')[0] == 0
    assert run(capsys, 'uniseg3d', ours, back, '--reverse', '--layout', layout)[0] == 0
    assert_same(read_weights(back)[0], wrapped)
    metadata = getattr(read_checkpoint(back)['state_dict'], '_metadata', {})
    assert bool(metadata) == (layout == 'krsc')


def test_both_layouts_give_the_same_file(capsys, tmp_path, paths, uniseg3d):
    source, ours, _ = paths
    other = tmp_path / 'rsck.pth'
    torch.save(to_rsck(uniseg3d), other)
    run(capsys, 'uniseg3d', source, ours)
    status, text, _ = run(capsys, 'uniseg3d', other, ours.with_stem('other'))
    assert status == 0
    assert 'kernels rsck' in text
    assert_same(read_weights(ours.with_stem('other'))[0], read_weights(ours)[0])


def test_tables_without_kernels_to_move(capsys, tmp_path):
    shapes = minkowski_shapes(
        in_channels=3, out_channels=5, planes=(4,) * 8, blocks=(1,) * 8, final_bias=False
    )
    published = {f'net3d.{name}': tensor for name, tensor in made_up(shapes).items()}
    source, ours = tmp_path / 'model_best.pth.tar', tmp_path / 'ours.safetensors'
    back = tmp_path / 'back.pth.tar'
    torch.save({'epoch': 3, 'state_dict': published, 'best_iou': 0.5}, source)
    assert run(capsys, 'openscene', source, ours)[0] == 0
    assert read_weights(ours)[0].keys() == shapes.keys()
    assert run(capsys, 'openscene', ours, back, '--reverse')[0] == 0
    assert_same(read_weights(back)[0], published)


def test_json(capsys, paths):
    source, ours, _ = paths
    status, text, _ = run(capsys, 'uniseg3d', source, ours, '--json')
    report = json.loads(text)
    assert status == 0
    assert report['complete']
    assert report['source'] == str(source)
    assert report['written'] == str(ours)
    assert report['num_translated'] == len(report['translated']) == len(read_weights(ours)[0])
    assert {entry['name'] for entry in report['dropped']} >= {MASK}
    assert report['beside'] == ['meta', 'optimizer']


def test_dry_run_writes_nothing(capsys, paths):
    source, ours, _ = paths
    for words in ([], [ours]):
        status, text, _ = run(capsys, 'uniseg3d', source, *words, '--dry-run')
        assert status == 0
        assert 'Nothing written.' in text
        assert not ours.exists()


@pytest.mark.parametrize('options', [['--dry-run'], ['--json'], []])
def test_what_does_not_fit_is_refused(capsys, paths, uniseg3d, options):
    source, ours, _ = paths
    broken = {k: v for k, v in uniseg3d.items() if k != 'input_conv.0.weight'}
    broken['unet.extra'] = torch.ones(3)
    broken['decoder.out_norm.bias'] = torch.ones(99)
    torch.save(broken, source)
    # The stem says how many channels come in; without it there is no architecture.
    assert run(capsys, 'uniseg3d', source, ours, *options)[0] == 5
    broken['input_conv.0.weight'] = uniseg3d['input_conv.0.weight']
    del broken['decoder.out_norm.weight']
    torch.save(broken, source)
    status, text, message = run(capsys, 'uniseg3d', source, ours, *options)
    assert status == 5
    assert not ours.exists()
    for words in (source.name, 'decoder.out_norm.weight', 'unet.extra', '(99,), expected (16,)'):
        assert words in message
    if '--json' in options:
        assert json.loads(text)['missing'] == ['decoder.out_norm.weight']
        assert json.loads(text)['written'] is None
    else:
        assert text == ''


def test_partial(capsys, paths, uniseg3d):
    source, ours, back = paths
    state = {name: v for name, v in uniseg3d.items() if name.startswith(('input', 'unet', 'out'))}
    torch.save({**state, 'unet.extra': torch.ones(3)}, source)
    status, text, _ = run(capsys, 'oneformer3d', source, ours, '--allow-partial')
    assert status == 0
    assert 'unet.extra' in text
    assert 'missing' in text
    assert len(read_weights(ours)[0]) == len(state)
    assert run(capsys, 'oneformer3d', ours, back, '--reverse')[0] == 5
    assert run(capsys, 'oneformer3d', ours, back, '--reverse', '--allow-partial')[0] == 0
    assert_same(read_weights(back)[0], state)


class Intruder:
    def __reduce__(self):
        return print, ('code in the file ran',)


@pytest.mark.parametrize('content', [Intruder(), [1, 2], {'state_dict': Intruder()}, {}, b'x'])
def test_files_that_hold_no_tensors(capsys, paths, content):
    source, ours, _ = paths
    torch.save(content, source)
    status, text, message = run(capsys, 'uniseg3d', source, ours)
    assert (status, text) == (5, '')
    assert source.name in message
    assert not ours.exists()


def test_damaged_and_missing_files(capsys, paths):
    source, ours, _ = paths
    source.write_bytes(source.read_bytes()[:-100])
    assert run(capsys, 'uniseg3d', source, ours)[0] == 5
    assert run(capsys, 'uniseg3d', source.with_stem('none'), ours)[0] == 5
    assert run(capsys, 'uniseg3d', source.parent, ours)[0] == 5


def test_unclear_layouts_need_the_flag(capsys, paths):
    source, ours, _ = paths
    torch.save({'input_conv.0.weight': torch.ones(3, 3, 3, 3, 3)}, source)
    status, _, message = run(capsys, 'uniseg3d', source, ours)
    assert status == 5
    assert '--layout' in message
    assert source.name in message


def test_weights_that_are_not_finite(capsys, paths, uniseg3d):
    source, ours, _ = paths
    torch.save({**uniseg3d, 'decoder.out_norm.bias': torch.full((16,), torch.nan)}, source)
    status, _, message = run(capsys, 'uniseg3d', source, ours)
    assert status == 5
    assert 'decoder.out_norm.bias' in message
    assert not ours.exists()


def test_wrong_usage(capsys, paths, tmp_path):
    source, ours, back = paths
    assert run(capsys, 'uniseg3d', source, ours)[0] == 0
    before = ours.read_bytes()
    cases = {
        'IN and OUT missing': ['uniseg3d'],
        'SYSTEM and IN and OUT missing': [],
        'OUT missing': ['uniseg3d', source],
        'is unknown': ['uniseg4d', source, tmp_path / 'x.safetensors'],
        'already there': ['uniseg3d', source, ours],
        'the same file': ['uniseg3d', ours, ours, '--overwrite'],
        'expected the ending .safetensors': ['uniseg3d', source, back],
        'expected the ending .pth': ['uniseg3d', ours, ours.with_stem('x'), '--reverse'],
        'is a folder': ['uniseg3d', source, folder_named(tmp_path / 'folder.safetensors')],
        'not from oneformer3d': ['oneformer3d', ours, back, '--reverse'],
        'Choose krsc or rsck': ['uniseg3d', ours, back, '--reverse', '--layout', 'minkowski'],
        'cannot be minkowski': ['uniseg3d', source, back.with_suffix(ours.suffix), '--layout']
        + ['minkowski'],
        '--keep-unused is for': ['uniseg3d', ours, back, '--reverse', '--keep-unused'],
    }
    for words, arguments in cases.items():
        status, text, message = run(capsys, *arguments)
        assert (status, text) == (2, ''), words
        assert words in message
    assert ours.read_bytes() == before
    assert run(capsys, 'uniseg3d', source, ours, '--overwrite')[0] == 0


def folder_named(path):
    path.mkdir()
    return path


def test_list(capsys):
    status, text, _ = run(capsys, '--list')
    assert status == 0
    assert [line.split()[0] for line in text.splitlines()] == list(SYSTEMS)
    systems = json.loads(run(capsys, '--list', '--json')[1])['systems']
    assert [system['name'] for system in systems] == list(SYSTEMS)


def test_every_system_is_on_the_page(request):
    page = (request.config.rootpath / 'docs' / 'checkpoints.md').read_text('utf-8')
    for name in SYSTEMS:
        assert f'| `{name}` |' in page


def test_layouts_are_those_of_the_tables():
    assert LAYOUTS == ('auto', *KNOWN_LAYOUTS)


def test_a_process_of_its_own(unison3d, paths):
    source, ours, _ = paths
    done = unison3d('convert', 'uniseg3d', source, ours)
    assert done.returncode == 0, done.stderr
    with safe_open(ours, framework='pt') as file:
        assert file.metadata()['source'] == source.name
