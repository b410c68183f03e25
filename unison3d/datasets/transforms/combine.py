"""Put the points of one sample into another, and keep every sentence true."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from unison3d.datasets.transforms.sample_edit import POINT_KEYS, keep_sentences, mentions
from unison3d.errors import ConfigError
from unison3d.structures.label_space import SCANNET20
from unison3d.superpoints import dense_ids

#: Words that may mean any object, so any new object can change what they say.
ANY_OBJECT = tuple(
    'object thing item furniture something anything nothing everything one only alone empty'.split()
)
#: Words that speak of the room as a whole.
ANY_PLACE = tuple(
    'room corner wall floor ceiling middle center centre entrance left right leftmost '
    'rightmost'.split()
)


def check_can_combine(owner: object, results: dict) -> None:
    """Scenes are combined before anything is derived from their points.

    Raises:
        ConfigError: superpoint targets, clicks or distorted points are there already, or the data
            set does not draw scenes.
    """
    name = type(owner).__name__
    for key in ('sp_masks', 'click_index', 'text_targets', 'elastic_points'):
        if results.get(key) is not None:
            raise ConfigError(f'{name}: the sample has "{key}" already. Put {name} before it.')
    if results.get('draw_scene') is None:
        raise ConfigError(
            f'{name}: the sample has no "draw_scene". Scenes are combined in training only; take '
            f'{name} out of test pipelines.'
        )


def same_fields(results: dict, other: dict) -> bool:
    """Whether both have points, and both or none have colours."""
    colors = (results.get('colors') is None) == (other.get('colors') is None)
    return colors and len(results['points']) > 0 and len(other['points']) > 0


def append_scene(results: dict, other: dict) -> dict:
    """Append points, superpoints and instances; sentences are left to the caller.

    Args:
        results: the sample, changed in place.
        other: a sample with points where they shall lie.
    """
    superpoints = int(results['superpoints'].max(initial=-1)) + 1
    shift = len(results['instance_names'])
    moved = {
        **other,
        'superpoints': dense_ids(other['superpoints']) + superpoints,
        'instances': np.where(other['instances'] >= 0, other['instances'] + shift, -1),
    }
    counts = len(results['points']), len(other['points'])
    for key in POINT_KEYS:
        parts = [results.get(key), moved.get(key)]
        if key == 'ignore' and (parts[0] is not None or parts[1] is not None):
            parts = [
                np.zeros(count, bool) if part is None else part
                for part, count in zip(parts, counts, strict=True)
            ]
        if parts[0] is not None and parts[1] is not None:
            results[key] = np.concatenate(parts)
    results['instance_semantic'] = np.concatenate(
        [results['instance_semantic'], other['instance_semantic']]
    )
    results['instance_names'] = [*results['instance_names'], *other['instance_names']]
    return results


def drop_doubtful(
    sample: dict, names: Iterable[str], classes: Iterable[int] = (), *, new_room: bool = False
) -> dict:
    """Drop the sentences that may be wrong or unclear once objects called ``names`` are there.

    Args:
        sample: the sample, changed in place.
        names: of the objects that come in.
        classes: their classes in ScanNet20, whose names are taken as well; others are passed over.
        new_room: a whole room comes in, with things in it that nobody has named: sentences about
            places and those that say that something is not there go as well.
    """
    words = words_for([*names, *(SCANNET20.name_of(int(label)) for label in classes)])
    words |= set(ANY_OBJECT) | (set(ANY_PLACE) if new_room else set())
    sentences = sample.get('sentences') or []
    keep = [
        not mentions(sentence['text'], words) and (bool(sentence['targets']) or not new_room)
        for sentence in sentences
    ]
    return keep_sentences(sample, keep) if sentences else sample


def words_for(names: Iterable[str]) -> set[str]:
    """Nouns that can mean an object of one of these names: parts, broader words, synonyms."""
    from unison3d.synth.words import BROAD, SYNONYMS

    words = set()
    for name in names:
        own = {name, name.split()[-1]} if name else set()
        own |= {broad for broad, covered in BROAD.items() if name in covered}
        own |= {alias for alias, meant in SCANNET20.aliases.items() if meant in own}
        words |= own | {word for noun in own for word in SYNONYMS.get(noun, ())}
    return words - {'', 'unlabeled'}
