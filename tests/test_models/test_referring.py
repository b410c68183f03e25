"""The reader of sentences: words, relations, several targets, none, and what is kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.tiny import (
    EMBEDDING_DIM,
    collate,
    labelled_sample,
    scene_inputs,
    tiny_config,
)
from unison3d.errors import ConfigError
from unison3d.models import UnifiedSegmentor
from unison3d.models.heads.sentence_reader import SentenceReader, pair_relations
from unison3d.models.scene_objects import SceneObjects
from unison3d.models.tasks.referring import _choice_loss, _meant
from unison3d.models.text import TextEncoder, WordStates
from unison3d.registry import MODELS, TEXT_ENCODERS
from unison3d.structures import Prompts, SceneSample

D_MODEL, CHANNELS, INPUTS = 16, 8, 6


@TEXT_ENCODERS.register_module(force=True)
class LetterEncoder(TextEncoder):
    """One token per word, drawn from its letters: enough to tell sentences apart."""

    calls = 0

    @property
    def name(self) -> str:
        return 'letters'

    @property
    def dim(self) -> int:
        return EMBEDDING_DIM

    @property
    def reads_words(self) -> bool:
        return True

    def _encode(self, phrases: list[str]) -> Tensor:
        return torch.stack([words.mean(0) for words in self._encode_words(phrases)])

    def _encode_words(self, phrases: list[str]) -> list[Tensor]:
        LetterEncoder.calls += 1
        return [torch.stack([self._word(word) for word in phrase.split()]) for phrase in phrases]

    def _word(self, word: str) -> Tensor:
        generator = torch.Generator().manual_seed(sum(map(ord, word)))
        return torch.randn(EMBEDDING_DIM, generator=generator)


def build(**options: object) -> UnifiedSegmentor:
    config = tiny_config()
    config.pop('type')
    config['tasks']['text'] = {
        'type': 'ReferringTask',
        'input_channels': INPUTS,
        'text_encoder': {'type': 'LetterEncoder'},
        'reader': {'width': 16, 'num_heads': 2, 'num_layers': 2},
        'postprocess': {'min_points': 5, 'proposal_threshold': 0.0},
        **options,
    }
    torch.manual_seed(0)
    return UnifiedSegmentor(**config)


@pytest.fixture(scope='module')
def model() -> UnifiedSegmentor:
    return build().eval()


@pytest.fixture
def features(model):
    with torch.no_grad():
        return model.encode(collate(model, [scene_inputs()]))[0]


def asked(*texts: str) -> SceneSample:
    return SceneSample(prompts=Prompts(texts=list(texts)))


def objects(count: int = 5, num_superpoints: int = 12) -> SceneObjects:
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    low = draw(count, 3)
    high = low + draw(count, 3).abs() + 0.1
    return SceneObjects(
        masks=torch.rand(count, num_superpoints, generator=generator) > 0.5,
        scores=torch.rand(count, generator=generator),
        rows=torch.arange(count),
        embeddings=draw(count, D_MODEL),
        class_embeddings=torch.nn.functional.normalize(draw(count, EMBEDDING_DIM), dim=1),
        features=draw(count, CHANNELS),
        input_mean=draw(count, INPUTS),
        input_std=draw(count, INPUTS).abs(),
        centers=(low + high) / 2,
        low=low,
        high=high,
    )


def reordered(some: SceneObjects, order: Tensor) -> SceneObjects:
    return SceneObjects(**{name: value[order] for name, value in vars(some).items()})


@pytest.fixture(scope='module')
def reader() -> SentenceReader:
    torch.manual_seed(0)
    return SentenceReader(CHANNELS, D_MODEL, EMBEDDING_DIM, INPUTS, width=16, num_heads=2).eval()


# ------------------------------------------------------------------ relations and the reader


def test_relations_of_a_lamp_on_a_table():
    table = [0.0, 0.0, 0.0, 2.0, 1.0, 0.8]
    lamp = [0.5, 0.25, 0.8, 1.0, 0.75, 1.3]
    boxes = torch.tensor([table, lamp])
    low, high = boxes[:, :3], boxes[:, 3:]
    relations = pair_relations((low + high) / 2, low, high)
    seen_from_table, seen_from_lamp = relations[0, 1], relations[1, 0]
    assert seen_from_table[6] == 0  # its bottom is at the height of the table's top
    torch.testing.assert_close(seen_from_table[8], torch.tensor(0.125))  # covers 0.25 of 2 m2
    assert seen_from_lamp[8] == 1
    torch.testing.assert_close(seen_from_table[3], -seen_from_lamp[3])
    assert seen_from_table[5] == 1  # no gap on the floor plan
    assert relations[0, 0, 9] == 1 and seen_from_table[9] == 0


def test_turning_the_scene_by_a_quarter_changes_no_relation():
    some = objects()
    turn = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    corners = torch.stack([some.low @ turn.T, some.high @ turn.T])
    turned = pair_relations(some.centers @ turn.T, corners.amin(0), corners.amax(0))
    torch.testing.assert_close(turned, pair_relations(some.centers, some.low, some.high))


def test_the_order_of_the_objects_does_not_matter(reader):
    some, words = objects(), LetterEncoder().encode_words(['the chair', 'a red lamp'])
    order = torch.tensor([3, 1, 4, 0, 2])
    expected = reader(reader.look(some), words)[-1][:, order]
    torch.testing.assert_close(
        reader(reader.look(reordered(some, order)), words)[-1], expected, rtol=0, atol=1e-5
    )


def test_a_sentence_does_not_depend_on_its_neighbours(reader):
    some, texts = objects(), ['lamp', 'the chair next to the table', 'a red lamp']
    together = reader(reader.look(some), LetterEncoder().encode_words(texts))[-1]
    for row, text in enumerate(texts):
        alone = reader(reader.look(some), LetterEncoder().encode_words([text]))[-1][0]
        torch.testing.assert_close(together[row], alone, rtol=0, atol=1e-5)


def test_the_order_of_the_words_matters(reader):
    words = LetterEncoder().encode_words(['chair left of table', 'table left of chair'])
    first, second = reader(reader.look(objects()), words)[-1]
    assert not torch.allclose(first, second, atol=1e-3)


def test_where_the_others_are_matters(reader):
    some, words = objects(), LetterEncoder().encode_words(['the chair next to the table'])
    moved = objects()
    for place in (moved.centers, moved.low, moved.high):
        place[1, :2] += 2.0
    before, after = (
        reader(reader.look(some), words)[-1][0],
        reader(reader.look(moved), words)[-1][0],
    )
    assert not torch.allclose(before[0], after[0], atol=1e-4)


def test_long_sentences_are_read_up_to_a_length(reader):
    words = LetterEncoder().encode_words(['chair ' * 100])
    assert reader(reader.look(objects()), words)[-1].isfinite().all()


# ------------------------------------------------------------------ the task


def test_picks_are_unions_of_objects(model, features):
    task = model.tasks['text']
    sample = asked('a chair', 'two lamps', 'the table next to the door')
    task.presence_threshold, before = 0.0, task.presence_threshold
    model.predict_scene(features, sample, ['text'])
    task.presence_threshold = before
    found = features.objects[1]
    for row, (mask, scores) in enumerate(
        zip(sample.pred_texts.superpoint_masks, sample.pred_text_scores, strict=True)
    ):
        inside = found.masks[(found.masks & mask).sum(1) == found.masks.sum(1)]
        assert torch.equal(inside.any(0), mask), row
        assert mask[scores.argmax()]
    assert sample.pred_text_scores.shape == (3, features.num_superpoints)


def test_nothing_is_meant_below_the_presence_threshold(model, features):
    sample = asked('a chair')
    task = model.tasks['text']
    task.presence_threshold, before = 1.0, task.presence_threshold
    model.predict_scene(features, sample, ['text'])
    task.presence_threshold = before
    assert not sample.pred_texts.superpoint_masks.any()
    assert 0 < sample.pred_texts.scores[0] < 1


def test_the_score_is_calibrated(model, features, monkeypatch):
    task = model.tasks['text']
    scores = {}
    for calibration in ((1.0, 0.0), (0.5, 2.0)):
        monkeypatch.setattr(task, 'presence_calibration', calibration)
        sample = asked('a chair', 'a lamp')
        model.predict_scene(features, sample, ['text'])
        scores[calibration] = sample.pred_texts.scores
    with torch.no_grad():
        logits = task._read(features.objects[2], ['a chair', 'a lamp'])[-1]
    plain = 1 - (1 - logits.sigmoid()).prod(dim=1)
    torch.testing.assert_close(scores[1.0, 0.0], plain)
    expected = (0.5 * torch.logit(plain) + 2.0).sigmoid()
    torch.testing.assert_close(scores[0.5, 2.0], expected)


def test_no_sentence_and_no_object(model, features):
    sample = asked()
    model.predict_scene(features, sample, ['text'])
    assert len(sample.pred_texts) == 0
    with torch.no_grad():
        empty = model.encode(collate(model, [scene_inputs()]))[0]
    strict = build(postprocess={'min_points': 10_000}).eval()
    sample = asked('a chair')
    strict.predict_scene(empty, sample, ['text'])
    assert not sample.pred_texts.superpoint_masks.any()
    assert sample.pred_texts.scores.tolist() == [0.0]


def test_the_objects_are_looked_for_once(model, features, monkeypatch):
    with torch.no_grad():
        output = model.decode(features, asked('a lamp'), ['text'])['text']
    task, first, again = model.tasks['text'], asked('a lamp'), asked('a lamp')
    task.predict(output, features, first)

    def never(*_args: object) -> None:
        raise AssertionError('looked for again')

    monkeypatch.setattr(task, '_objects', never)
    task.predict(output, features, again)
    assert torch.equal(first.pred_texts.scores, again.pred_texts.scores)
    monkeypatch.setattr(task, 'max_objects', 3)
    with pytest.raises(AssertionError, match='looked for again'):
        task.predict(output, features, again)


def test_training_keeps_nothing_and_every_parameter_learns():
    model = build().train()
    sample = labelled_sample(20)
    sample.prompts.texts = ['a chair', 'the lamp']
    sample.prompts.text_targets = torch.tensor([[True, False, False], [False, False, False]])
    scenes = model.encode(collate(model, [scene_inputs()]))
    losses = model.scene_losses(scenes, [sample])
    assert scenes[0].objects is None
    sum(value for name, value in losses.items() if 'referring' in name).backward()
    task = model.tasks['text']
    silent = [name for name, p in task.named_parameters() if p.grad is None]
    assert silent == []
    # Sentences must not bend the masks they choose from.
    assert all(p.grad is None or not p.grad.any() for p in model.decoder.parameters())


def test_loss_keys_without_sentences():
    model = build().train()
    with_texts, without = labelled_sample(20), labelled_sample(20, num_texts=0)
    keys = [
        set(model.loss(collate(model, [scene_inputs()]), [sample]))
        for sample in (with_texts, without)
    ]
    assert keys[0] == keys[1]


def test_a_task_without_rows_of_its_own():
    config = tiny_config()
    config.pop('type')
    config['tasks'] = {'text': {'type': 'ReferringTask', 'input_channels': INPUTS}}
    model = UnifiedSegmentor(**config).eval()
    with pytest.raises(ConfigError, match='queries'):
        model.predict(collate(model, [scene_inputs()]), [asked('a chair')])


def test_a_decoder_without_names():
    config = tiny_config()
    config['decoder']['embedding_dim'] = None
    config['tasks'] = {
        'text': {'type': 'ReferringTask', 'input_channels': INPUTS, 'queries': {}},
    }
    with pytest.raises(ConfigError, match=r"'text' \(ReferringTask\).*embedding_dim"):
        MODELS.build(config)


def test_an_encoder_of_whole_sentences():
    model = build(text_encoder={'type': 'EmbeddingBankEncoder'}).eval()
    with pytest.raises(ConfigError, match='reads words'):
        model.predict(collate(model, [scene_inputs()]), [asked('chair')])


# ------------------------------------------------------------------ targets and losses


def test_what_a_sentence_means_among_the_objects(model, features):
    some = objects(3, features.num_superpoints)
    sample = labelled_sample(features.num_superpoints)
    some.masks[0] = sample.sp_masks[0]
    some.masks[1] = sample.sp_masks[1] | sample.sp_masks[2]  # half right for either
    some.masks[2] = False
    sample.prompts.text_targets = torch.tensor(
        [[True, False, False], [False, True, False], [True, True, False], [False] * 3]
    )
    meant, counts = _meant(some, features, sample)
    assert meant.tolist() == [
        [True, False, False],
        [False, True, False],
        [True, meant[2, 1].item(), False],
        [False] * 3,
    ]
    assert counts[3].all()


def test_presence_is_a_probability():
    logits = torch.tensor([[0.3, -1.0, -2.0], [-4.0, -5.0, -6.0]])
    meant = torch.tensor([[True, False, False], [False, False, False]])
    choice, presence = _choice_loss(logits, meant, torch.ones_like(meant))
    p = logits.sigmoid()
    absent = (1 - p).prod(dim=1)
    expected = (-(1 - absent[0]).log() - absent[1].log()) / 2
    torch.testing.assert_close(presence, expected)
    bce = torch.nn.functional.binary_cross_entropy(p, meant.float(), reduction='none')
    torch.testing.assert_close(choice, bce.sum(1).mean())


def test_boxes_of_superpoints(features):
    low, high = features.extents()
    assert ((low <= features.positions + 1e-5) & (features.positions <= high + 1e-5)).all()
    own = features.points[features.superpoints == 4]
    torch.testing.assert_close(high[4] - low[4], own.amax(0) - own.amin(0), rtol=0, atol=1e-5)


def test_padding_of_words():
    words = WordStates.padded([torch.ones(2, 3), torch.ones(4, 3)], 3)
    assert words.states.shape == (2, 4, 3)
    assert words.valid.tolist() == [[True, True, False, False], [True] * 4]
    assert WordStates.padded([], 3).states.shape == (0, 0, 3)
