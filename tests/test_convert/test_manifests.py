"""Every published model, by its recorded names and shapes: nothing lost, nothing changed."""

from __future__ import annotations

import pytest

from tests.test_convert.published import assert_same, made_up, manifest_models, to_rsck
from unison3d.convert import get_system, translate, translate_back

MODELS = pytest.mark.parametrize(('system', 'shapes'), manifest_models())


@MODELS
def test_every_name_is_accounted_for(system, shapes):
    translation = translate(get_system(system), made_up(shapes))
    report = translation.report
    assert report.complete
    before = {name for name, _ in report.translated}
    dropped = {name for name, _ in report.dropped}
    assert not before & dropped
    assert before | dropped == shapes.keys()
    assert [name for _, name in report.translated] == list(translation.tensors)
    assert all(name.startswith(('lang.text_encoder.', 'criterion.')) for name in dropped)
    assert all(tensor.ndim < 5 for tensor in translation.tensors.values())
    assert report.as_json()['num_translated'] == len(translation.tensors)
    # Mask3D and Segment3D have no decoder here.
    assert bool(report.carried) == (system in ('mask3d', 'segment3d'))
    assert not any(name.startswith('backbone.') for name in report.carried)


@MODELS
@pytest.mark.parametrize('layout', ['krsc', 'rsck'])
def test_round_trip_is_bit_identical(system, shapes, layout):
    published = made_up(shapes)
    if layout == 'rsck':
        published = to_rsck(published)
    forth = translate(get_system(system), published, keep_unused=True)
    spconv = any(len(shape) == 5 for shape in shapes.values())
    assert forth.report.layout == (layout if spconv else 'minkowski')
    back = translate_back(
        get_system(system), forth.tensors, forth.report.layout, prefix=forth.report.prefix
    )
    assert back.report.complete
    assert_same(back.tensors, published)


@MODELS
def test_both_layouts_give_the_same_model(system, shapes):
    published = made_up(shapes)
    krsc = translate(get_system(system), published)
    rsck = translate(get_system(system), to_rsck(published))
    assert_same(rsck.tensors, krsc.tensors)


@MODELS
def test_the_released_prefix_comes_back(system, shapes):
    published = made_up(shapes)
    wrapped = {f'module.{name}': tensor for name, tensor in published.items()}
    forth = translate(get_system(system), wrapped)
    assert_same(forth.tensors, translate(get_system(system), published).tensors)
    back = translate_back(get_system(system), forth.tensors)
    unused = {name.removeprefix('module.') for name, _ in forth.report.dropped}
    assert back.tensors.keys() == published.keys() - unused
