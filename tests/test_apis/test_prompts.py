"""Boxes and sentences at clicks, from what a user writes to what the model gets."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from tiny import EMBEDDING_DIM, tiny_config

from tests.test_apis.api_samples import HashEncoder, room_arrays, slabs
from unison3d.apis import Segmenter
from unison3d.apis.prompts import as_boxes, as_click_texts
from unison3d.errors import PromptError
from unison3d.models import UnifiedSegmentor
from unison3d.structures import Box, Click, PointScene

NUMBERS = (1.0, 2.0, 0.5, 2.0, 1.0, 1.5)
BOX = Box(NUMBERS[:3], NUMBERS[3:])


@pytest.mark.parametrize(
    'boxes',
    [
        NUMBERS,
        [NUMBERS],
        np.array(NUMBERS),
        np.array([NUMBERS]),
        torch.tensor([[*NUMBERS, 0.0]]),
        [[*NUMBERS, 0]],
        BOX,
        [BOX],
        [Box(np.array(NUMBERS[:3]), np.array(NUMBERS[3:]), np.float32(0), np.int64(0))],
    ],
)
def test_one_box_in_many_spellings(boxes):
    assert as_boxes(boxes) == [BOX]


def test_several_boxes_get_numbers_of_their_own():
    assert as_boxes(None) == as_boxes([]) == as_boxes(np.zeros((0, 7))) == []
    assert [box.object for box in as_boxes([NUMBERS, NUMBERS], 3)] == [3, 4]
    mixed = [NUMBERS, Box(*[NUMBERS[:3], NUMBERS[3:]], object=6), NUMBERS]
    assert [box.object for box in as_boxes(mixed, 3)] == [7, 6, 8]


@pytest.mark.parametrize(
    'boxes',
    [
        5,
        'box',
        [(1, 2, 3)],
        [(*NUMBERS, 0, 0)],
        [(1, 2, 3, 0, 1, 1)],
        [(1, 2, 3, -1, 1, 1)],
        [(1, 2, math.nan, 1, 1, 1)],
        [(1, 2, 3, 1, 1, 10**400)],
        [(1, 2, 3, 1, 1, True)],
        [None],
        [Box((1, 2), (1, 1, 1))],
        [Box((1, 2, 3), (1, 1, 1), object='sofa')],
    ],
)
def test_what_is_no_box(boxes):
    with pytest.raises(PromptError):
        as_boxes(boxes)


def test_sentences_belong_to_objects():
    assert as_click_texts({1: ' the chair '}, [0, 1]) == {1: 'the chair'}
    assert as_click_texts(None, []) == {}
    for wrong in ({2: 'a'}, {0: ''}, {0: 4}, ['a'], 'a'):
        with pytest.raises(PromptError):
            as_click_texts(wrong, [0, 1])


def test_boxes_and_clicks_answer_together(segmenter):
    scene = segmenter.set_scene(slabs())
    click = tuple(scene.points[0])
    result = segmenter.predict(clicks=[click], boxes=[(1, 1.5, 0.5, 1, 4, 4)])
    assert result.tasks[-1] == 'interactive'
    assert result.mask_sets()['interactive'][1] == ['object 0', 'object 1']
    inside = result.click_masks.masks[1].numpy()
    assert inside.any()
    assert np.abs(scene.points[inside, 0] - 1).max() < 0.7
    report = json.loads(json.dumps(result.to_json()))['tasks']['interactive']
    assert report['boxes'] == [{'center': [1, 1.5, 0.5], 'size': [1, 4, 4], 'yaw': 0, 'object': 1}]
    alone = segmenter.predict('interactive', boxes=Box((1, 1.5, 0.5), (1, 4, 4), object=5))
    assert alone.mask_sets()['interactive'][1] == ['object 5']
    assert np.array_equal(alone.click_masks.masks[0].numpy(), inside)
    # A further click on the object of a box is obeyed.
    outside = int(scene.points[:, 0].argmax())
    both = segmenter.predict(
        clicks=[Click(tuple(scene.points[outside]), object=5)],
        boxes=Box((1, 1.5, 0.5), (1, 4, 4), object=5),
    )
    assert both.click_masks.masks.shape[0] == 1
    assert both.click_masks.masks[0, outside]


def test_boxes_use_the_coordinates_of_the_file(segmenter):
    points, colors = room_arrays()
    numbers = np.array([2, 1.5, 0.5, 2, 2, 1, 0.3])
    masks = []
    for scale, shift in ((1, 0), (1, 5e5), (1000, 0)):
        file = points * scale + shift
        segmenter.set_scene(PointScene.from_arrays(file, colors, scale=1 / scale))
        # A scene from arrays is in metres already.
        box = numbers + np.array([1, 1, 1, 0, 0, 0, 0]) * shift / scale
        masks.append(segmenter.predict('interactive', boxes=box).click_masks.masks)
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[0], masks[2])


def test_an_empty_box_is_a_mistake(segmenter):
    segmenter.set_scene(slabs())
    with pytest.raises(PromptError, match='holds no point'):
        segmenter.predict(boxes=(90, 0, 0, 1, 1, 1))
    segmenter.set_scene(PointScene.from_arrays(np.zeros((0, 3))))
    with pytest.raises(PromptError, match='no points'):
        segmenter.predict(boxes=(0, 0, 0, 1, 1, 1))


def test_exclusive_objects_share_no_point(segmenter):
    scene = segmenter.set_scene(slabs())
    clicks = scene.points[[0, 1, 2]]
    shared = segmenter.predict('interactive', clicks=clicks).click_masks.masks.sum(dim=0)
    apart = segmenter.predict('interactive', clicks=clicks, exclusive=True).click_masks.masks
    assert shared.max() > 1 and apart.sum(dim=0).max() == 1
    assert torch.equal(apart.any(dim=0), shared > 0)


def test_a_sentence_with_a_click(segmenter):
    scene = segmenter.set_scene(slabs())
    click = tuple(scene.points[0])
    with pytest.raises(PromptError, match='text_dim'):
        segmenter.predict('interactive', clicks=click, click_texts={0: 'the chair'})
    config = tiny_config()
    config.pop('type')
    config['tasks']['click']['text_dim'] = EMBEDDING_DIM
    torch.manual_seed(0)
    model = UnifiedSegmentor(**config)
    offset = model.tasks['click'].sentence_offset
    torch.nn.init.normal_(offset.projection.weight)
    offset._text_encoder = model.tasks['text']._text_encoder = HashEncoder()
    taught = Segmenter(model)
    taught.set_scene(scene)
    scores = [
        taught.predict('interactive', clicks=click, click_texts=texts).click_masks.scores
        for texts in (None, {0: 'the chair'}, {0: 'the lamp'})
    ]
    assert len({float(score) for score in scores}) == 3
    result = taught.predict(clicks=click, texts=['a sofa'], click_texts={0: 'the chair'})
    assert result.texts == ['a sofa', 'the chair']
    assert len(result.text_masks) == 2
    assert result.to_json()['tasks']['interactive']['texts'] == {'0': 'the chair'}
