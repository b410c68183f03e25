"""The grammar that is kept for testing: other forms, nouns and relation words than in training.

What the sentences mean is measured on the same facts, so targets are as exact as in training.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .sentences import Sentence, Writer
from .words import COVERS, plural

# None of these words is a name or a synonym that training sentences use.
NOUNS: dict[str, str] = {
    'sofa': 'settee',
    'bookshelf': 'book rack',
    'refrigerator': 'icebox',
    'office chair': 'task chair',
    'tv': 'flat screen',
    'bathtub': 'bath',
    'trash can': 'wastebasket',
    'picture': 'artwork',
    'plant': 'houseplant',
    'box': 'package',
    'sink': 'basin',
    'curtain': 'window drapery',
    'desk': 'writing desk',
    'door': 'entry door',
    'shoe': 'footwear',
    'pillow': 'headrest pillow',
    'lamp': 'light fixture',
    'stool': 'backless seat',
    'bag': 'carrier bag',
    'book': 'volume',
    'laptop': 'portable computer',
    'chair': 'seat',
    'bed': 'sleeping place',
    'toilet': 'lavatory',
}
_LEADS = (
    'could you point out {}?',
    'mark {} for me',
    'where can I see {}?',
    'please highlight {}',
    'I would like to know where {} is',
)
_MANY = (
    'could you point out {}?',
    'mark {} for me',
    'please highlight {}',
)
_RANKS = {2: 'number two', 3: 'number three'}


class HeldOutWriter(Writer):
    """Candidate sentences in the held-out grammar."""

    def word(self, noun: str) -> str:
        other = NOUNS.get(noun)
        return other if other and self.rng.random() < 0.6 else noun

    def lead(self, sentence: Sentence) -> str:
        forms = _LEADS if len(sentence.targets) < 2 else _MANY
        return self.pick(*forms).format(sentence.text)

    def by_class(self) -> Iterator[Sentence]:
        for noun, ids in self.shuffled(list(self.groups.items())):
            if len(ids) == 1:
                word = self.word(noun)
                text = self.pick(f'the only {word} around', f'the single {word} here')
                yield Sentence(text, ids, 'class')

    def by_color(self) -> Iterator[Sentence]:
        for noun, ids, tints, tint in self.colored():
            targets = tuple(i for i, t in zip(ids, tints, strict=True) if t == tint)
            word = self.word(noun)
            if len(targets) == 1:
                text = self.pick(f'the {word} whose color is {tint}', f'the {tint}-colored {word}')
                yield Sentence(text, targets, 'color')
            elif len(targets) < len(ids):
                yield Sentence(f'each {tint}-colored {word}', targets, 'color')

    def by_negation(self) -> Iterator[Sentence]:
        for noun, ids, tints, tint in self.colored(at_least=2):
            targets = tuple(i for i, t in zip(ids, tints, strict=True) if t != tint)
            word = self.word(noun)
            if len(targets) == 1:
                text = f'the {word} of any color other than {tint}'
            elif targets:
                text = f'{plural(word)} of any color but {tint}'
            else:
                continue
            yield Sentence(text, targets, 'negation')

    def by_size(self) -> Iterator[Sentence]:
        f = self.facts
        scales = (
            (f.sizes, 1.4, 'greatest in size', 'least in size'),
            (f.high, None, 'reaching up the furthest', 'staying nearest the ground'),
        )
        for noun, ids in self.shuffled([g for g in self.groups.items() if len(g[1]) > 1]):
            for values, ratio, most, least in scales:
                v = values[list(ids)]
                order = np.argsort(v)
                for ends, phrase in (((-1, -2), most), ((0, 1), least)):
                    best, other = v[order[ends[0]]], v[order[ends[1]]]
                    if ratio:
                        clear = max(best, other) > ratio * min(best, other)
                    else:
                        clear = abs(best - other) > 0.25
                    if clear:
                        text = f'of all {plural(self.word(noun))}, the one {phrase}'
                        yield Sentence(text, (ids[int(order[ends[0]])],), 'size')

    def by_relation(self) -> Iterator[Sentence]:
        f = self.facts
        relations = (
            (f.on, ('resting upon', 'placed atop')),
            (f.under, ('beneath', 'tucked below')),
            (f.above, ('up over', 'higher up than, and right over,')),
            (f.near, ('adjacent to', 'right at the side of', 'within reach of')),
        )
        for noun, ids in self.shuffled(list(self.groups.items())):
            for place, anchor in self.shuffled(self.anchors)[:6]:
                if anchor in ids or place == noun:
                    continue
                for test, phrases in relations:
                    if test == f.under and place not in COVERS:
                        continue
                    if test == f.on and f.names[anchor] in ('door', 'window'):
                        continue
                    marks = [test(i, anchor) for i in ids]
                    if 0 in marks or 1 not in marks:
                        continue
                    targets = tuple(i for i, k in zip(ids, marks, strict=True) if k > 0)
                    where, word = self.pick(*phrases), self.word(noun)
                    if len(targets) == 1:
                        text = f'the {word} you find {where} the {self.word(place)}'
                    else:
                        text = f'whichever {plural(word)} you find {where} the {self.word(place)}'
                    yield Sentence(text, targets, 'relation')
                    break
                if len(ids) > 1:
                    yield from self._ends(noun, ids, place, anchor)

    def _ends(self, noun: str, ids: tuple[int, ...], place: str, anchor: int) -> Iterator[Sentence]:
        d = np.array([self.facts.distance(i, anchor) for i in ids])
        order = np.argsort(d)
        word, place = self.word(noun), self.word(place)
        if d[order[1]] - d[order[0]] > 0.4:
            text = f'the {word} least distant from the {place}'
            yield Sentence(text, (ids[int(order[0])],), 'relation')
        if d[order[-1]] - d[order[-2]] > 0.4:
            text = f'the {word} most distant from the {place}'
            yield Sentence(text, (ids[int(order[-1])],), 'relation')

    def by_between(self) -> Iterator[Sentence]:
        for noun, first, second, target in self.between():
            text = (
                f'the {self.word(noun)} with the {self.word(first)} to one side '
                f'and the {self.word(second)} to the other'
            )
            yield Sentence(text, (target,), 'relation')

    def by_ordinal(self) -> Iterator[Sentence]:
        for noun, place, rank, target in self.ranked(_RANKS):
            text = (
                f'the {self.word(noun)} that is {_RANKS[rank]} when counting outwards '
                f'from the {self.word(place)}'
            )
            yield Sentence(text, (target,), 'ordinal')

    def by_count(self) -> Iterator[Sentence]:
        for noun, ids in self.shuffled([g for g in self.groups.items() if len(g[1]) > 1]):
            word = self.word(noun)
            text = self.pick(f'any {word} there may be', f'each and every {word}')
            yield Sentence(text, ids, 'count')

    def by_absence(self) -> Iterator[Sentence]:
        for name in self.missing():
            yield Sentence(f'the {self.word(name)}, if there is any', (), 'zero')
