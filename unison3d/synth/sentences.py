"""ScanRefer-like sentences with exact targets.

Candidates of every kind are built from the facts of the visible objects; those with an unclear
case are dropped; what is left is drawn kind by kind so that no kind crowds out the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from unison3d.errors import ConfigError

from .catalog import FURNITURE, spoken_name, withheld_names
from .facts import Facts
from .words import BROAD, COVERS, LEADS, NUMBERS, ORDINALS, SYNONYMS, meaning, plural

# How sentences start that take no words before them.
_BARE = ('a ', 'on ', 'under', 'below', 'above', 'hanging', 'over', 'next', 'beside', 'by ', 'near')
_BARE += ('close', 'standing', 'lying', 'every', 'all ')
GRAMMARS = ('training', 'held-out')
KINDS = ('class', 'color', 'size', 'relation', 'ordinal', 'count', 'negation', 'zero')


@dataclass(frozen=True)
class Sentence:
    """A referring sentence.

    Attributes:
        text: the sentence.
        targets: ids of the instances it means; empty if it fits nothing in the scene.
        kind: one of ``KINDS``.
    """

    text: str
    targets: tuple[int, ...]
    kind: str


class Writer:
    """Builds candidate sentences of one scene."""

    def __init__(
        self,
        facts: Facts,
        rng: np.random.Generator,
        include_withheld: bool,
        kinds: Iterable[str] = FURNITURE,
    ):
        self.kinds = kinds
        self.facts, self.rng = facts, rng
        hidden = frozenset() if include_withheld else frozenset(withheld_names())
        self.banned = hidden
        nouns = {n for n in facts.names if n not in hidden}
        nouns |= {noun for noun, names in BROAD.items() if names & set(facts.names)}
        self.groups: dict[str, tuple[int, ...]] = {}
        for noun in sorted(nouns):
            ids = tuple(i for i, n in enumerate(facts.names) if n in meaning(noun))
            # A broad noun that also covers a withheld kind would give its label away.
            if ids and noun not in hidden and not {facts.names[i] for i in ids} & hidden:
                self.groups[noun] = ids
        self.anchors = [
            (noun, ids[0])
            for noun, ids in self.groups.items()
            if len(ids) == 1 and facts.counts[ids[0]] >= 60
        ]

    def word(self, noun: str) -> str:
        options = SYNONYMS.get(noun, ())
        if options and self.rng.random() < 0.3:
            return options[int(self.rng.integers(len(options)))]
        return noun

    def shuffled(self, items: list) -> list:
        return [items[k] for k in self.rng.permutation(len(items))]

    def pick(self, *options: str) -> str:
        return options[int(self.rng.integers(len(options)))]

    def absent_names(self) -> list[str]:
        """Names that may be said to be absent, before any look at the scene; sorted."""
        return sorted({spoken_name(k) for k in self.kinds} - self.banned)

    def lead(self, sentence: Sentence) -> str:
        """The sentence with a few words before or after it, or as it is."""
        text = self.pick(*LEADS).format(sentence.text)
        return sentence.text if sentence.text.startswith(_BARE) else text

    # What is true, apart from how a grammar says it.

    def colored(self, at_least: int = 1) -> Iterator[tuple[str, tuple[int, ...], list[str], str]]:
        """Each colour of each kind of thing of which at least so many are there, all in a clear
        colour: noun, ids, their colours, one of these."""
        for noun, ids in self.shuffled(list(self.groups.items())):
            tints = [self.facts.colors[i] for i in ids]
            if len(ids) < at_least or '' in tints:
                continue
            for tint in self.shuffled(sorted(set(tints))):
                yield noun, ids, tints, tint

    def between(self) -> Iterator[tuple[str, str, str, int]]:
        """The only one of its kind between two anchors: noun, both anchors, id."""
        for noun, ids in self.shuffled(list(self.groups.items())):
            for first, a in self.shuffled(self.anchors)[:4]:
                for second, b in self.anchors[:8]:
                    same = a == b or first == second or noun in (first, second)
                    if same or a in ids or b in ids:
                        continue
                    marks = [self.facts.between(i, a, b) for i in ids]
                    if 0 not in marks and marks.count(1) == 1:
                        yield noun, first, second, ids[marks.index(1)]

    def ranked(self, ranks: Iterable[int]) -> Iterator[tuple[str, str, int, int]]:
        """By clear distances from an anchor: noun, anchor, rank from 1, id."""
        for noun, ids in self.shuffled([g for g in self.groups.items() if len(g[1]) > 1]):
            for place, anchor in self.shuffled(self.anchors)[:4]:
                if anchor in ids or place == noun:
                    continue
                d = np.array([self.facts.distance(i, anchor) for i in ids])
                order = np.argsort(d)
                for rank in ranks:
                    if rank <= len(ids) and not (np.diff(d[order][: rank + 1]) < 0.4).any():
                        yield noun, place, rank, ids[int(order[rank - 1])]

    def missing(self) -> Iterator[str]:
        """Names of which nothing, in a wider sense either, is in the room, seen or not."""
        present = set(self.facts.names) | self.facts.hidden
        for name in self.shuffled(self.absent_names()):
            broad = meaning(name) | {name}
            related = {n for names in BROAD.values() if name in names for n in names}
            if not (broad | related) & present:
                yield name

    def by_class(self) -> Iterator[Sentence]:
        for noun, ids in self.shuffled(list(self.groups.items())):
            if len(ids) == 1:
                yield Sentence(f'the {self.word(noun)}', ids, 'class')

    def by_color(self) -> Iterator[Sentence]:
        for noun, ids, tints, tint in self.colored():
            targets = tuple(i for i, t in zip(ids, tints, strict=True) if t == tint)
            word = self.word(noun)
            if len(targets) == 1:
                yield Sentence(
                    self.pick(
                        f'the {tint} {word}',
                        f'the {word} that is {tint}',
                        f'a {word} with {tint} color',
                    ),
                    targets,
                    'color',
                )
            elif len(targets) < len(ids):
                yield Sentence(
                    self.pick(f'the {tint} {plural(word)}', f'all {tint} {plural(word)}'),
                    targets,
                    'color',
                )

    def by_negation(self) -> Iterator[Sentence]:
        for noun, ids, tints, tint in self.colored(at_least=2):
            targets = tuple(i for i, t in zip(ids, tints, strict=True) if t != tint)
            word = self.word(noun)
            if len(targets) == 1:
                yield Sentence(
                    self.pick(f'the {word} that is not {tint}', f'the {word} which is not {tint}'),
                    targets,
                    'negation',
                )
            elif targets:
                rest = word if len(ids) - len(targets) == 1 else plural(word)
                yield Sentence(
                    self.pick(
                        f'the {plural(word)} that are not {tint}',
                        f'every {word} except the {tint} {rest}',
                    ),
                    targets,
                    'negation',
                )

    def by_size(self) -> Iterator[Sentence]:
        f = self.facts
        scales = (
            (f.sizes, 1.4, ('largest', 'biggest'), ('smallest',)),
            (f.high, None, ('highest',), ('lowest',)),
        )
        for noun, ids in self.shuffled([g for g in self.groups.items() if len(g[1]) > 1]):
            for values, ratio, most, least in scales:
                v = values[list(ids)]
                order = np.argsort(v)
                word = self.word(noun)
                for ends, words in (((-1, -2), most), ((0, 1), least)):
                    best, next_best = v[order[ends[0]]], v[order[ends[1]]]
                    clear = (
                        max(best, next_best) > ratio * min(best, next_best)
                        if ratio
                        else abs(best - next_best) > 0.25
                    )
                    if clear:
                        target = (ids[int(order[ends[0]])],)
                        yield Sentence(f'the {self.pick(*words)} {word}', target, 'size')

    def by_relation(self) -> Iterator[Sentence]:
        f = self.facts
        relations: tuple[tuple[Callable[[int, int], int], tuple[str, ...]], ...] = (
            (f.on, ('on', 'on top of', 'standing on', 'lying on')),
            (f.under, ('under', 'below', 'underneath')),
            (f.above, ('above', 'hanging above', 'over')),
            (f.near, ('next to', 'beside', 'by', 'near', 'close to')),
        )
        groups = list(self.groups.items())
        for noun, ids in self.shuffled(groups):
            for anchor_noun, anchor in self.shuffled(self.anchors)[:6]:
                if anchor in ids or anchor_noun == noun:
                    continue
                word, place = self.word(noun), self.word(anchor_noun)
                for test, phrases in relations:
                    if test == f.under and anchor_noun not in COVERS:
                        continue
                    marks = [test(i, anchor) for i in ids]
                    if 0 in marks or 1 not in marks:
                        continue
                    targets = tuple(i for i, k in zip(ids, marks, strict=True) if k > 0)
                    where = self.pick(*phrases)
                    if test == f.on and f.names[anchor] in ('door', 'window'):
                        continue
                    if len(targets) == 1:
                        text = self.pick(
                            f'the {word} {where} the {place}',
                            f'the {word} that is {where} the {place}',
                            f'{where} the {place} there is a {word}',
                        )
                        yield Sentence(text, targets, 'relation')
                    elif len(targets) < len(ids) or self.rng.random() < 0.3:
                        yield Sentence(
                            f'the {plural(word)} {where} the {place}', targets, 'relation'
                        )
                    break
                if len(ids) > 1:
                    yield from self._extreme(noun, ids, anchor_noun, anchor)

    def _extreme(
        self, noun: str, ids: tuple[int, ...], anchor_noun: str, anchor: int
    ) -> Iterator[Sentence]:
        d = np.array([self.facts.distance(i, anchor) for i in ids])
        order = np.argsort(d)
        word, place = self.word(noun), self.word(anchor_noun)
        if d[order[1]] - d[order[0]] > 0.4:
            yield Sentence(
                self.pick(
                    f'the {word} closest to the {place}', f'the {word} nearest to the {place}'
                ),
                (ids[int(order[0])],),
                'relation',
            )
        if d[order[-1]] - d[order[-2]] > 0.4:
            yield Sentence(
                self.pick(
                    f'the {word} farthest from the {place}',
                    f'the {word} that is farthest away from the {place}',
                ),
                (ids[int(order[-1])],),
                'relation',
            )

    def by_between(self) -> Iterator[Sentence]:
        for noun, first, second, target in self.between():
            ends = f'the {self.word(first)} and the {self.word(second)}'
            yield Sentence(f'the {self.word(noun)} between {ends}', (target,), 'relation')

    def by_ordinal(self) -> Iterator[Sentence]:
        for noun, place, rank, target in self.ranked(ORDINALS):
            text = self.pick(
                f'the {ORDINALS[rank]} {self.word(noun)} from the {self.word(place)}',
                f'the {ORDINALS[rank]} closest {self.word(noun)} to the {self.word(place)}',
            )
            yield Sentence(text, (target,), 'ordinal')

    def by_count(self) -> Iterator[Sentence]:
        for noun, ids in self.shuffled([g for g in self.groups.items() if len(g[1]) > 1]):
            word = plural(self.word(noun))
            options = [f'all {word}', f'all the {word}', f'the {word}', f'every {self.word(noun)}']
            if len(ids) in NUMBERS:
                options.append(f'the {NUMBERS[len(ids)]} {word}')
            yield Sentence(self.pick(*options), ids, 'count')

    def by_absence(self) -> Iterator[Sentence]:
        f = self.facts
        for name in self.missing():
            yield Sentence(f'the {self.word(name)}', (), 'zero')
            if self.anchors and self.rng.random() < 0.5:
                where = f'{self.pick("next to", "near")} the {self.anchors[0][0]}'
                yield Sentence(f'the {self.word(name)} {where}', (), 'zero')
        for noun, ids in self.shuffled(list(self.groups.items())):
            tints = {f.colors[i] for i in ids}
            if '' in tints or any(n in f.hidden for n in meaning(noun)):
                continue
            for tint in ('red', 'green', 'blue', 'yellow', 'purple'):
                if tint not in tints and self.rng.random() < 0.2:
                    yield Sentence(f'the {tint} {self.word(noun)}', (), 'zero')


def write_sentences(
    facts: Facts,
    rng: np.random.Generator,
    *,
    limit: int = 16,
    include_withheld: bool = False,
    grammar: str = 'training',
    kinds: Iterable[str] = FURNITURE,
) -> list[Sentence]:
    """Write up to ``limit`` different sentences about a scene.

    Args:
        facts: measurements of the visible instances.
        rng: source of randomness.
        limit: most sentences to return.
        include_withheld: also speak about withheld kinds.
        grammar: 'training' or 'held-out'.
        kinds: catalogue keys that absent things are drawn from.

    Raises:
        ConfigError: an unknown grammar.

    Returns:
        Sentences in random order; at most two of them have no target.
    """
    if grammar == 'training':
        writer = Writer(facts, rng, include_withheld, kinds)
    elif grammar == 'held-out':
        # Imported late: it builds on this module.
        from .held_out import HeldOutWriter

        writer = HeldOutWriter(facts, rng, include_withheld, kinds)
    else:
        raise ConfigError(f'write_sentences: grammar is {grammar!r}, expected one of {GRAMMARS}.')
    # Relations are what people mostly use, so they get the largest share of the draws.
    sources = [
        writer.by_class(),
        writer.by_relation(),
        writer.by_color(),
        writer.by_relation(),
        writer.by_size(),
        writer.by_count(),
        writer.by_relation(),
        writer.by_ordinal(),
        writer.by_between(),
        writer.by_negation(),
        writer.by_class(),
        writer.by_absence(),
    ]
    out: dict[str, Sentence] = {}
    zeros = 0
    while sources and len(out) < limit:
        alive = []
        for source in sources:
            for sentence in source:
                text = writer.lead(sentence)
                if text in out or (not sentence.targets and zeros >= 2):
                    continue
                zeros += not sentence.targets
                out[text] = Sentence(text, sentence.targets, sentence.kind)
                alive.append(source)
                break
            if len(out) >= limit:
                break
        sources = alive
    found = list(out.values())
    return [found[k] for k in rng.permutation(len(found))]
