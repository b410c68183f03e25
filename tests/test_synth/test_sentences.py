"""Every sentence is checked against the points by a reader that shares no code with the writer."""

from __future__ import annotations

import re

import numpy as np

from unison3d.synth import make_scene, withheld_names
from unison3d.synth.sentences import KINDS
from unison3d.synth.words import LEADS, SYNONYMS, meaning, plural

ON = ('on top of', 'standing on', 'lying on', 'on')
UNDER = ('under', 'below', 'underneath')
ABOVE = ('hanging above', 'above', 'over')
NEAR = ('next to', 'beside', 'by', 'near', 'close to')


def nouns() -> dict[str, str]:
    """Every word or plural a sentence may use -> noun."""
    from unison3d.synth.catalog import FURNITURE, spoken_name

    table = {}
    for noun in {spoken_name(k) for k in FURNITURE}:
        for word in (noun, *SYNONYMS.get(noun, ())):
            table[word] = table[plural(word)] = noun
    return table


NOUNS = nouns()
WORD = '(' + '|'.join(sorted(map(re.escape, NOUNS), key=len, reverse=True)) + ')'
COLOR = '(white|gray|black|brown|beige|red|orange|yellow|green|blue|purple|pink)'


class Reader:
    """Finds the targets of a sentence from names, colours and points."""

    def __init__(self, scene):
        self.scene = scene
        count = len(scene.instance_names)
        self.points = [scene.points[scene.instances == i] for i in range(count)]
        self.box = [tuple(np.percentile(p, [1.5, 98.5], axis=0)) for p in self.points]

    def called(self, word: str) -> list[int]:
        names = meaning(NOUNS[word])
        return [i for i, name in enumerate(self.scene.instance_names) if name in names]

    def one(self, word: str) -> int:
        found = self.called(word)
        assert len(found) == 1, f'{word} is ambiguous'
        return found[0]

    def gap(self, a: int, b: int) -> float:
        p, q = self.points[a][::2], self.points[b]
        best = np.inf
        for chunk in np.array_split(p, max(1, len(p) // 200)):
            d = ((chunk[:, None] - q[None, :: max(1, len(q) // 2000)]) ** 2).sum(2)
            best = min(best, float(d.min()))
        return best**0.5

    def centre(self, i: int) -> np.ndarray:
        return np.median(self.points[i][:, :2], axis=0)

    def flat_gap(self, a: int, b: int) -> float:
        low, high = self.box[b]
        c = self.centre(a)
        return float(np.linalg.norm(np.maximum(0, np.maximum(low[:2] - c, c - high[:2]))))

    def holds(self, phrase: str, a: int, b: int) -> bool:
        (alow, ahigh), (blow, bhigh) = self.box[a], self.box[b]
        if phrase in NEAR:
            return self.gap(a, b) < 0.45
        if phrase in ON:
            return self.flat_gap(a, b) < 0.25 and alow[2] > blow[2] and ahigh[2] > blow[2] + 0.15
        if phrase in UNDER:
            return self.flat_gap(a, b) < 0.25 and ahigh[2] < bhigh[2] + 0.05
        apart = np.maximum(0, np.maximum(blow - ahigh, alow - bhigh))[:2]
        return np.linalg.norm(apart) < 0.15 and alow[2] > bhigh[2] - 0.3

    def may_hold(self, phrase: str, a: int, b: int) -> bool:
        """Weak form: what a non-target must not do."""
        if phrase in NEAR:
            return self.gap(a, b) < 0.3
        if self.flat_gap(a, b) > 0.02:
            return False
        if phrase in ON:
            inner = self.points[b][
                np.linalg.norm(self.points[b][:, :2] - self.centre(a), axis=1) < 0.1
            ]
            return len(inner) > 5 and abs(np.percentile(inner[:, 2], 90) - self.box[a][0][2]) < 0.04
        return False


def strip(text: str) -> str:
    for lead in sorted(LEADS, key=len, reverse=True):
        before, after = lead.split('{}')
        if (before or after) and text.startswith(before) and text.endswith(after):
            return text[len(before) : len(text) - len(after)]
    return text


def read(reader: Reader, text: str, kind: str, targets: tuple[int, ...]) -> None:
    """Raise if the sentence does not mean exactly ``targets``."""
    scene = reader.scene
    if kind == 'class':
        assert reader.called(re.fullmatch(f'the {WORD}', text)[1]) == list(targets)
    elif kind == 'count':
        m = re.fullmatch(
            f'(?:all the|all|every|the)(?: (two|three|four|five|six|seven|eight|nine|ten))? {WORD}',
            text,
        )
        assert reader.called(m[2]) == list(targets) and len(targets) > 1
    elif kind in ('color', 'negation'):
        word = re.search(f' {WORD}(?= that| which| with| except|$)', text)[1]
        tint = re.search(COLOR, text.replace(word, '', 1))[1]
        group = reader.called(word)
        assert all(scene.instance_colors[i] for i in group)
        wanted = [i for i in group if (scene.instance_colors[i] == tint) == (kind == 'color')]
        assert wanted == list(targets)
    elif kind == 'size':
        m = re.fullmatch(f'the (largest|biggest|smallest|highest|lowest) {WORD}', text)
        group = reader.called(m[2])
        assert len(group) > 1
        if m[1] in ('highest', 'lowest'):
            values = [reader.box[i][1][2] for i in group]
        else:
            values = [
                np.linalg.norm(reader.points[i] - reader.points[i].mean(0), axis=1).max()
                for i in group
            ]
        best = group[
            int(np.argmin(values) if m[1] in ('smallest', 'lowest') else np.argmax(values))
        ]
        assert (best,) == targets
    elif kind == 'ordinal':
        m = re.fullmatch(f'the (second|third) (?:closest )?{WORD} (?:from|to) the {WORD}', text)
        anchor = reader.one(m[3])
        group = sorted(
            reader.called(m[2]),
            key=lambda i: np.linalg.norm(reader.centre(i) - reader.centre(anchor)),
        )
        assert (group[1 if m[1] == 'second' else 2],) == targets
    elif kind == 'relation':
        read_relation(reader, text, targets)
    elif kind == 'zero':
        assert targets == ()
        m = re.fullmatch(f'the (?:{COLOR} )?{WORD}(?: (?:next to|near) the {WORD})?', text)
        assert not [
            i for i in reader.called(m[2]) if m[1] is None or scene.instance_colors[i] in ('', m[1])
        ]


def read_relation(reader: Reader, text: str, targets: tuple[int, ...]) -> None:
    m = re.fullmatch(f'the {WORD} between the {WORD} and the {WORD}', text)
    if m:
        b, c = reader.centre(reader.one(m[2])), reader.centre(reader.one(m[3]))

        def off(i):
            a = reader.centre(i)
            t = np.clip((a - b) @ (c - b) / ((c - b) @ (c - b)), 0, 1)
            return np.linalg.norm(a - b - t * (c - b))

        group = sorted(reader.called(m[1]), key=off)
        assert (group[0],) == targets and off(group[0]) < 0.5
        return
    m = re.fullmatch(
        f'the {WORD} (?:that is )?'
        f'(closest to|nearest to|farthest from|farthest away from) the {WORD}',
        text,
    )
    if m:
        anchor = reader.one(m[3])
        group = sorted(
            reader.called(m[1]),
            key=lambda i: np.linalg.norm(reader.centre(i) - reader.centre(anchor)),
        )
        assert (group[-1 if 'farthest' in m[2] else 0],) == targets
        return
    phrases = '(' + '|'.join(sorted((*ON, *UNDER, *ABOVE, *NEAR), key=len, reverse=True)) + ')'
    m = re.fullmatch(f'the {WORD} (?:that is )?{phrases} the {WORD}', text)
    word, phrase, place = (m[1], m[2], m[3]) if m else (None, None, None)
    if m is None:
        m = re.fullmatch(f'{phrases} the {WORD} there is an? {WORD}', text)
        word, phrase, place = m[3], m[1], m[2]
    anchor = reader.one(place)
    for i in reader.called(word):
        if i in targets:
            assert reader.holds(phrase, i, anchor)
        else:
            assert not reader.may_hold(phrase, i, anchor)


def test_every_sentence_means_its_targets(scenes):
    wrong, total = [], 0
    for scene in scenes:
        reader = Reader(scene)
        for sentence in scene.sentences:
            total += 1
            try:
                read(reader, strip(sentence.text), sentence.kind, sentence.targets)
            except (AssertionError, TypeError) as error:
                wrong.append((scene.name, sentence, repr(error)[:120]))
    assert total > 8 * len(scenes)
    assert not wrong, f'{len(wrong)} of {total}: {wrong[:8]}'


def test_there_are_enough_sentences_of_every_kind(scenes):
    kinds = [s.kind for scene in scenes for s in scene.sentences]
    assert set(kinds) == set(KINDS)
    assert min(len(scene.sentences) for scene in scenes) >= 8
    several = [s for scene in scenes for s in scene.sentences if len(s.targets) > 1]
    assert len(several) > len(scenes) / 2


def test_sentences_of_a_scene_differ(scenes):
    for scene in scenes:
        texts = [s.text for s in scene.sentences]
        assert len(set(texts)) == len(texts)


def test_withheld_kinds_stay_unmentioned(scenes):
    hidden = withheld_names()
    words = [w for name in hidden for w in (name, plural(name), *SYNONYMS.get(name, ()))]
    for scene in scenes:
        for sentence in scene.sentences:
            assert not any(scene.instance_names[i] in hidden for i in sentence.targets)
            assert not any(re.search(rf'\b{word}\b', sentence.text) for word in words), sentence


def test_withheld_kinds_can_be_asked_for():
    texts = []
    for seed in range(3):
        scene = make_scene(seed, include_withheld=True, num_sentences=60)
        texts += [
            s
            for s in scene.sentences
            if {scene.instance_names[i] for i in s.targets} & set(withheld_names())
        ]
    assert texts


def test_no_objects_no_sentences():
    from unison3d.synth.facts import Facts
    from unison3d.synth.sentences import write_sentences

    facts = Facts.measure(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), [], [], [])
    assert all(s.kind == 'zero' for s in write_sentences(facts, np.random.default_rng(0)))
