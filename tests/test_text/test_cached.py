from __future__ import annotations

import pytest
import torch

from tests.test_text.helpers import CountingEncoder
from unison3d.models.text import CachedTextEncoder, TextBank


def test_every_phrase_is_encoded_once():
    inner = CountingEncoder()
    encoder = CachedTextEncoder(inner)
    first = encoder.encode(['chair', 'sofa', 'chair'])
    second = encoder.encode(['sofa', 'Chair '])
    assert sorted(inner.asked) == ['chair', 'sofa']
    torch.testing.assert_close(first[[1, 0]], second)


def test_the_oldest_phrase_is_forgotten_first():
    inner = CountingEncoder()
    encoder = CachedTextEncoder(inner, max_phrases=2)
    encoder.encode(['a', 'bb'])
    encoder.encode(['a'])
    encoder.encode(['ccc'])
    encoder.encode(['a'])
    assert inner.asked == ['a', 'bb', 'ccc']
    # More phrases than the memory holds are still answered in full.
    assert encoder.encode(['d', 'ee', 'fff']).shape == (3, 3)


def test_a_second_run_reads_the_file(tmp_path):
    vectors = CachedTextEncoder(CountingEncoder(), tmp_path / 'text').encode(['sofa', 'chair'])
    (file,) = (tmp_path / 'text').iterdir()
    assert TextBank.read(file).names == ('chair', 'sofa')
    inner = CountingEncoder()
    again = CachedTextEncoder(inner, tmp_path / 'text').encode(['sofa', 'chair'])
    assert inner.asked == []
    assert torch.equal(vectors, again)


def test_another_model_has_another_file(tmp_path):
    CachedTextEncoder(CountingEncoder('a'), tmp_path).encode(['sofa'])
    inner = CountingEncoder('b')
    CachedTextEncoder(inner, tmp_path).encode(['sofa'])
    assert inner.asked == ['sofa']
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize('damage', [b'', b'nonsense'])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    CachedTextEncoder(CountingEncoder(), tmp_path).encode(['sofa'])
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage)
    inner = CountingEncoder()
    CachedTextEncoder(inner, tmp_path).encode(['sofa'])
    assert inner.asked == ['sofa']
    assert file.read_bytes() == content


def test_a_file_with_flipped_bytes_is_made_again(tmp_path):
    expected = CachedTextEncoder(CountingEncoder(), tmp_path).encode(['sofa'])
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x5A
        file.write_bytes(damaged)
        assert torch.equal(
            CachedTextEncoder(CountingEncoder(), tmp_path).encode(['sofa']), expected
        )
        file.write_bytes(content)


def test_a_file_of_another_width_is_made_again(tmp_path):
    CachedTextEncoder(CountingEncoder(), tmp_path).encode(['sofa'])
    (file,) = tmp_path.iterdir()
    file.write_bytes(TextBank(('sofa',), torch.eye(1, 5), 'counting').to_bytes())
    assert CachedTextEncoder(CountingEncoder(), tmp_path).encode(['sofa']).shape == (1, 3)


def test_nothing_to_encode(tmp_path):
    assert CachedTextEncoder(CountingEncoder(), tmp_path).encode([]).shape == (0, 3)
    assert list(tmp_path.iterdir()) == []


class LongEncoder(CountingEncoder):
    """Vectors of any length, and a key of its own."""

    unit_rows = False
    reads_tokens = True

    def canonical(self, phrase):
        return phrase.lower().strip('!')

    def _encode(self, phrases):
        return super()._encode(phrases) * 3.3

    def encode_tokens(self, tokens):
        self.asked += tokens.tolist()
        return tokens[:, :3].float()


def test_vectors_of_any_length_are_kept_as_they_are(tmp_path):
    expected = LongEncoder().encode(['sofa', 'chair'])
    for _ in range(2):
        encoder = CachedTextEncoder(LongEncoder(), tmp_path)
        assert not encoder.unit_rows
        assert torch.equal(encoder.encode(['sofa', 'chair']), expected)
    torch.testing.assert_close(
        encoder.encode_unit(['sofa', 'chair']), CountingEncoder().encode(['sofa', 'chair'])
    )
    (file,) = tmp_path.iterdir()
    assert not TextBank.read(file).unit_rows


def test_a_file_of_unit_vectors_does_not_answer_for_others(tmp_path):
    CachedTextEncoder(CountingEncoder(), tmp_path).encode(['sofa'])
    expected = LongEncoder().encode(['sofa'])
    assert torch.equal(CachedTextEncoder(LongEncoder(), tmp_path).encode(['sofa']), expected)


def test_the_encoder_says_which_phrases_are_the_same():
    inner = LongEncoder()
    encoder = CachedTextEncoder(inner)
    encoder.encode(['Sofa!', 'sofa', 'SOFA!!'])
    assert inner.asked == ['sofa']


def test_rows_of_tokens_are_encoded_once():
    inner = LongEncoder()
    encoder = CachedTextEncoder(inner)
    rows = torch.tensor([[5, 6, 7, 0], [1, 2, 3, 4], [5, 6, 7, 0]])
    assert torch.equal(encoder.encode_tokens(rows), rows[:, :3].float())
    assert torch.equal(encoder.encode_tokens(rows[1:2]), rows[1:2, :3].float())
    assert sorted(inner.asked) == [[1, 2, 3, 4], [5, 6, 7, 0]]
    # A sentence that looks like tokens is another thing.
    encoder.encode(['tokens 5 6 7 0'])
    assert inner.asked[-1] == 'tokens 5 6 7 0'
    assert encoder.encode_tokens(rows[:0]).shape == (0, 3)
