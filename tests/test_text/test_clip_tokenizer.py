from __future__ import annotations

import gzip
import json
import sys

import pytest
import torch

from unison3d.errors import FileFormatError, MissingDependencyError, PromptError
from unison3d.models.text import ClipTokenizer

# Made with the tokenizer of open_clip 3.3.0, start and end token left out.
RECORDED = {
    'chair': [4269],
    "There is the chair next to the table, isn't it?": (
        [997, 533, 518, 4269, 1131, 531, 518, 2175, 267, 2923, 713, 585, 286]
    ),
    'the 2nd lamp from the door: 1200mm wide!!': (
        [518, 273, 1764, 10725, 633, 518, 2489, 281, 272, 273, 271, 271, 2848, 3184, 748]
    ),
    '  WHITE   Sofa\n\twith pillows ': [1579, 15723, 593, 26499],
    'a caf\xe9 table \u2014 it\u2019s round': [320, 15304, 2175, 2005, 585, 568, 2522],
    '\u6905\u5b50 \U0001fa91': [162, 97, 227, 35751, 494, 558, 103, 495],
    "they'll say it's they've 'S": [889, 1342, 1451, 585, 568, 889, 1200, 568],
    'salt &amp;amp; pepper': [6611, 261, 8253],
    'under_score x-ray': [1798, 318, 4431, 343, 268, 3077],
    '\xbd of \xb2': [33613, 539, 41175],
}


@pytest.fixture(scope='module')
def tokenizer() -> ClipTokenizer:
    return ClipTokenizer()


@pytest.mark.parametrize(('sentence', 'expected'), RECORDED.items(), ids=range(len(RECORDED)))
def test_recorded_tokens(tokenizer, sentence, expected):
    assert tokenizer.encode(sentence) == expected
    tokens = tokenizer([sentence])
    assert tokens.shape == (1, 77)
    assert tokens.dtype == torch.int64
    full = [49406, *expected, 49407]
    assert tokens[0].tolist() == full + [0] * (77 - len(full))


@pytest.mark.parametrize(('count', 'kept'), [(75, 75), (76, 75), (400, 75)])
def test_a_long_sentence_ends_with_the_end_token(tokenizer, count, kept):
    tokens = tokenizer(['chair ' * count])[0].tolist()
    assert tokens == [49406, *[4269] * kept, 49407]


def test_composed_and_decomposed_accents_are_the_same(tokenizer):
    assert tokenizer.encode('cafe\u0301') == tokenizer.encode('caf\xe9')


def test_names_of_special_tokens_are_text(tokenizer):
    assert not {49406, 49407} & set(tokenizer.encode('<start_of_text> <|endoftext|>'))


def test_decoding(tokenizer):
    tokens = tokenizer(['The \u6905\u5b50 next to the blue cupboard'])[0].tolist()
    assert tokenizer.decode(tokens) == 'the \u6905\u5b50 next to the blue cupboard'


def test_the_same_as_transformers(tokenizer, tmp_path):
    transformers = pytest.importorskip('transformers')
    entries = [*tokenizer._entries, '<|startoftext|>', '<|endoftext|>']
    vocab = {entry: token for token, entry in enumerate(entries)}
    assert len(vocab) == 49408
    merges = [' '.join(pair) for pair in tokenizer._ranks]
    (tmp_path / 'merges.txt').write_text('\n'.join(['#version: 0.2', *merges]), encoding='utf-8')
    (tmp_path / 'vocab.json').write_text(json.dumps(vocab), encoding='utf-8')
    reference = transformers.CLIPTokenizerFast(
        str(tmp_path / 'vocab.json'), str(tmp_path / 'merges.txt')
    )
    sentences = [s for s in RECORDED if '&amp;' not in s and '\u2019' not in s]
    for sentence in sentences:
        expected = reference(sentence)['input_ids']
        assert [49406, *tokenizer.encode(sentence), 49407] == expected


def test_a_word_that_is_none(tokenizer):
    with pytest.raises(PromptError, match='spaces between words'):
        tokenizer.encode('a ' + 'x' * 5000)


def test_repairing_text():
    pytest.importorskip('ftfy')
    fixing = ClipTokenizer(repair=True)
    assert fixing.encode('caf\xc3\xa9') == fixing.encode('caf\xe9')


def test_repairing_needs_a_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ftfy', None)
    with pytest.raises(MissingDependencyError, match='ftfy'):
        ClipTokenizer(repair=True).encode('chair')


@pytest.mark.parametrize(
    'content', [b'nonsense', gzip.compress(b'#version\na b\n'), gzip.compress(b'\n\xff')]
)
def test_another_table(tmp_path, content):
    path = tmp_path / 'merges.txt.gz'
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match='Reinstall'):
        ClipTokenizer(merges_file=path).encode('chair')
