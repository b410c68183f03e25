"""The held-out grammar: exact targets, and no form that training sentences use."""

from __future__ import annotations

import re

import numpy as np
import pytest

from unison3d.synth.catalog import ALL_FURNITURE, spoken_name
from unison3d.synth.facts import Facts
from unison3d.synth.held_out import NOUNS
from unison3d.synth.materials import COLOR_NAMES
from unison3d.synth.sentences import KINDS, write_sentences
from unison3d.synth.words import BROAD, SYNONYMS, plural


def facts(seed: int) -> Facts:
    """Boxes of points with random names and colours on a floor of 6 m."""
    rng = np.random.default_rng(seed)
    options = ['chair', 'table', 'desk', 'box', 'lamp', 'sofa', 'book', 'window']
    names = [options[k] for k in rng.integers(0, len(options), 14)]
    colors = [COLOR_NAMES[k] for k in rng.integers(0, 5, 14)]
    points, ids = [], []
    for k in range(14):
        low = np.array([*rng.uniform(0, 6, 2), 0.0])
        points.append(low + rng.random((120, 3)) * rng.uniform(0.3, 1.5))
        ids += [k] * 120
    cloud = np.concatenate(points).astype(np.float32)
    return Facts.measure(cloud, np.array(ids), names, colors, [-1] * 14)


def _noun_pattern() -> re.Pattern:
    nouns = {spoken_name(k) for k in ALL_FURNITURE} | set(BROAD) | set(NOUNS.values())
    nouns |= {w for words in SYNONYMS.values() for w in words}
    nouns |= {plural(n) for n in nouns}
    longest_first = sorted(nouns, key=len, reverse=True)
    return re.compile(rf'\b({"|".join(map(re.escape, longest_first))})\b')


NOUN = _noun_pattern()


def form(text: str) -> str:
    """A sentence with its nouns and colours taken out."""
    return re.sub(rf'\b({"|".join(COLOR_NAMES)})\b', 'C', NOUN.sub('N', text))


@pytest.fixture(scope='module')
def texts():
    out = {}
    for grammar in ('training', 'held-out'):
        found = []
        for seed in range(40):
            rng = np.random.default_rng(seed)
            found += write_sentences(facts(seed), rng, limit=40, grammar=grammar)
        out[grammar] = found
    return out


def test_no_form_is_shared(texts):
    forms = {g: {form(s.text) for s in found} for g, found in texts.items()}
    assert min(map(len, forms.values())) > 30
    assert not forms['training'] & forms['held-out']


def test_all_kinds_and_target_counts_occur(texts):
    for found in texts.values():
        assert {s.kind for s in found} == set(KINDS)
        assert {0, 1, 2} <= {len(s.targets) for s in found}


def test_nouns_are_not_words_of_training():
    known = {spoken_name(k) for k in ALL_FURNITURE} | {w for v in SYNONYMS.values() for w in v}
    assert not set(NOUNS.values()) & known


def test_colors_and_counts_mean_what_they_say(texts):
    for seed in range(10):
        f = facts(seed)
        for s in write_sentences(f, np.random.default_rng(1), limit=40, grammar='held-out'):
            if s.kind == 'color':
                tint = next(c for c in COLOR_NAMES if re.search(rf'\b{c}\b', s.text))
                assert all(f.colors[i] == tint for i in s.targets)
            if s.kind == 'negation':
                tint = next(c for c in COLOR_NAMES if re.search(rf'\b{c}\b', s.text))
                assert all(f.colors[i] != tint for i in s.targets)
