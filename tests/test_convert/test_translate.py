"""What does not fit is refused with its name; what fits is never touched by it."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_model

from tests.test_convert.published import assert_same, made_up, to_rsck
from unison3d.convert import get_system, translate, translate_back
from unison3d.convert.mask3d import mask3d_decoder_shapes
from unison3d.convert.minkowski_shapes import minkowski_shapes
from unison3d.convert.uniseg3d import TYPE_ROWS
from unison3d.errors import CheckpointError, ConfigError

NAMES = ('uniseg3d', 'oneformer3d', 'openscene', 'afov', 'mask3d', 'segment3d')
PLANES, BLOCKS = (6, 8, 10, 12, 12, 10, 8, 7), (1,) * 8


def small_minkowski(**options):
    sizes = dict(in_channels=3, out_channels=5, planes=PLANES, blocks=BLOCKS, init_dim=6)
    return made_up(minkowski_shapes(**{**sizes, **options}))


def small_uniseg3d() -> dict[str, torch.Tensor]:
    """A published state dict with the shapes of the tiny model of the tests."""
    state = {
        name: tensor
        for name, tensor in tiny_model().state_dict().items()
        if not name.startswith('decoder.position_encoding.')
    }
    return translate_back(get_system('uniseg3d'), state).tensors


def small(system: str) -> dict[str, torch.Tensor]:
    if system == 'openscene':
        return small_minkowski(final_bias=False)
    if system == 'afov':
        return small_minkowski(in_channels=1, stem_edge=3)
    if system == 'uniseg3d':
        return small_uniseg3d()
    backbone = {f'backbone.{name}': tensor for name, tensor in small_minkowski().items()}
    if system == 'oneformer3d':
        decoder = {
            name: tensor
            for name, tensor in small_uniseg3d().items()
            if name.startswith('decoder.') and not name.startswith(('decoder.cls', 'decoder.mask'))
        }
        heads = {'decoder.out_sem': 21, 'decoder.out_cls.0': 16, 'decoder.out_cls.2': 19}
        shapes = {f'{name}.weight': (size, 16) for name, size in heads.items()}
        shapes |= {f'{name}.bias': (size,) for name, size in heads.items()}
        unet = {
            name: tensor
            for name, tensor in small_uniseg3d().items()
            if name.startswith(('unet.', 'input_conv.', 'output_layer.'))
        }
        return {**unet, **decoder, **made_up(shapes)}
    decoder = mask3d_decoder_shapes(
        d_model=16,
        hidden_dim=24,
        num_classes=2,
        num_decoders=1,
        level_channels=[12, 12, 10, 8],
        mask_channels=7,
    )
    return {**backbone, **made_up(decoder)}


@pytest.fixture(scope='module', params=NAMES)
def case(request):
    return get_system(request.param), small(request.param)


def test_small_models_are_complete(case):
    system, published = case
    assert translate(system, published).report.complete


def test_each_missing_name_is_named(case):
    system, published = case
    renamed = translate(system, published).report.translated
    for name in list(published)[::5]:
        others = {key: value for key, value in published.items() if key != name}
        ours = [after for before, after in renamed if before == name]
        with pytest.raises(CheckpointError) as caught:
            translate(system, others)
        assert any(after in str(caught.value) for after in ours), name


def test_unexpected_names_are_named(case):
    system, published = case
    for name in ('no_such_layer.weight', 'decoder.no_such_layer.weight', ''):
        extra = {**published, name: torch.ones(3)}
        with pytest.raises(CheckpointError, match='1 unexpected'):
            translate(system, extra)
        partial = translate(system, extra, strict=False)
        assert partial.report.unexpected == (name,)
        assert_same(partial.tensors, translate(system, published).tensors)


def test_wrong_shapes_are_named(case):
    system, published = case
    # Not another number of axes for kernels: with 5 they would be kernels of another layout.
    for name, tensor in list(published.items())[::7]:
        wrong = torch.ones(2 * tensor.shape[0], *tensor.shape[1:]) if tensor.ndim else torch.ones(1)
        with pytest.raises(CheckpointError):
            translate(system, {**published, name: wrong})


def test_every_misfit_is_reported_at_once():
    published = small('openscene')
    published['bn0.bn.weight'] = torch.ones(99)
    published['final.bias'] = torch.ones(1, 5)
    del published['bn1.bn.bias']
    partial = translate(get_system('openscene'), published, strict=False).report
    assert partial.mismatched == (('bn0.bn.weight', (99,), (6,)),)
    assert partial.unexpected == ('final.bias',)
    assert partial.missing == ('bn1.bn.bias',)
    with pytest.raises(CheckpointError) as caught:
        partial.require_complete('file.pth')
    for words in ('file.pth', 'bn0.bn.weight: (99,), expected (6,)', 'final.bias', 'bn1.bn.bias'):
        assert words in str(caught.value)
    assert partial.as_json()['mismatched'] == [
        {'name': 'bn0.bn.weight', 'shape': [99], 'expected': [6]}
    ]


def test_long_lists_are_cut_in_the_message_and_whole_in_json():
    published = small('afov')
    extra = {f'extra.{index}': torch.ones(1) for index in range(20)}
    report = translate(get_system('afov'), {**published, **extra}, strict=False).report
    assert '20 unexpected' in report.describe()
    assert '... and 12 more' in report.describe()
    assert len(report.as_json()['unexpected']) == 20


@pytest.mark.parametrize('wrong', ['openscene', 'afov', 'mask3d'])
def test_the_wrong_system(wrong):
    with pytest.raises(CheckpointError, match='another system'):
        translate(get_system(wrong), small('uniseg3d'))


def test_a_close_relative():
    with pytest.raises(CheckpointError, match='not a complete oneformer3d model') as caught:
        translate(get_system('oneformer3d'), small('uniseg3d'))
    assert 'tasks.closed_set.head.out_cls.0.weight' in str(caught.value)


def test_a_final_bias_tells_the_relatives_apart():
    with pytest.raises(CheckpointError, match='unexpected'):
        translate(get_system('openscene'), small('afov'))
    with pytest.raises(CheckpointError, match='missing'):
        translate(get_system('afov'), small('openscene'))


def test_the_wrong_layout_does_not_fit():
    published = small('uniseg3d')
    with pytest.raises(CheckpointError, match='of another shape'):
        translate(get_system('uniseg3d'), published, 'rsck')
    with pytest.raises(CheckpointError, match='of another shape'):
        translate(get_system('uniseg3d'), to_rsck(published), 'krsc')


def test_unclear_kernels_need_the_flag():
    published = {'input_conv.0.weight': torch.ones(3, 3, 3, 3, 3)}
    with pytest.raises(CheckpointError, match='--layout'):
        translate(get_system('uniseg3d'), published)
    with pytest.raises(CheckpointError, match='another system'):
        translate(get_system('uniseg3d'), published, 'krsc')


@pytest.mark.parametrize('wrapper', ['module.', 'model.', 'model_points.', 'encoder.module.'])
def test_wrappers_of_afov(wrapper):
    published = small('afov')
    wrapped = {wrapper + name: tensor for name, tensor in published.items()}
    forth = translate(get_system('afov'), wrapped)
    assert forth.report.prefix == wrapper
    assert_same(forth.tensors, published)
    back = translate_back(get_system('afov'), forth.tensors, prefix=forth.report.prefix)
    assert_same(back.tensors, wrapped)


def test_a_prefix_of_some_names_only_stays():
    published = small('afov')
    name = next(iter(published))
    mixed = {f'module.{key}' if key == name else key: v for key, v in published.items()}
    report = translate(get_system('afov'), {**mixed, name: published[name]}, strict=False).report
    assert report.unexpected == (f'module.{name}',)


def test_lightning_keeps_the_loss_beside_the_model():
    published = {f'module.model.{name}': v for name, v in small('segment3d').items()}
    published['module.criterion.empty_weight'] = torch.ones(2)
    forth = translate(get_system('segment3d'), published, keep_unused=True)
    assert forth.report.prefix == 'module.model.'
    assert forth.report.dropped[0][0] == 'module.criterion.empty_weight'
    back = translate_back(get_system('segment3d'), forth.tensors, prefix=forth.report.prefix)
    assert_same(back.tensors, published)


def test_two_names_of_one_tensor():
    published = small('oneformer3d')
    published['backbone.input_conv.0.weight'] = published['input_conv.0.weight']
    with pytest.raises(CheckpointError, match='same tensor'):
        translate(get_system('oneformer3d'), published)


@pytest.mark.parametrize('shape', [(4, 8), (2, 8), (3, 9), (), (3,)])
def test_rows_of_another_shape(shape):
    published = {**small('uniseg3d'), 'type_embedding.weight': torch.ones(shape)}
    report = translate(get_system('uniseg3d'), published, strict=False).report
    assert {name for name, _, _ in report.mismatched} <= set(TYPE_ROWS)
    assert {name for name, _, _ in report.mismatched} | set(report.missing) == set(TYPE_ROWS)
    assert not report.complete


def test_the_way_back_refuses_what_the_reference_cannot_do():
    state = tiny_model().state_dict()
    with pytest.raises(CheckpointError, match='unexpected'):
        translate_back(get_system('uniseg3d'), state)
    back = translate_back(get_system('uniseg3d'), state, strict=False)
    assert all('position_encoding' in name for name in back.report.unexpected)
    dropped = {name for name, _ in back.report.dropped}
    assert 'tasks.click.negative_embedding' in dropped
    after = {name for name, _ in back.report.translated}
    assert after | dropped | set(back.report.unexpected) == state.keys()


def test_the_way_back_accounts_for_single_rows():
    ours = translate(get_system('uniseg3d'), small('uniseg3d')).tensors
    del ours[TYPE_ROWS[1]]
    report = translate_back(get_system('uniseg3d'), ours, strict=False).report
    assert report.missing == (TYPE_ROWS[1],)
    assert {name for name, _ in report.dropped} == {TYPE_ROWS[0], TYPE_ROWS[2]}


@pytest.mark.parametrize(
    ('system', 'layout'), [('afov', 'krsc'), ('uniseg3d', 'minkowski'), ('uniseg3d', 'brick')]
)
def test_layouts_that_the_way_back_cannot_write(system, layout):
    ours = translate(get_system(system), small(system)).tensors
    with pytest.raises(ConfigError, match='Choose'):
        translate_back(get_system(system), ours, layout)


def test_the_tensors_given_are_left_alone(case):
    system, published = case
    before = {name: tensor.clone() for name, tensor in published.items()}
    translate(system, published, keep_unused=True)
    assert_same(published, before)


def test_unknown_systems():
    with pytest.raises(ConfigError, match='uniseg3d, oneformer3d'):
        get_system('nothing')
