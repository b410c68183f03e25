"""What users may ask, in the shapes they write it, checked before any model sees it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from unison3d.errors import ConfigError, PromptError, VocabularyError
from unison3d.models.text.base import canonical_phrase, check_phrases
from unison3d.structures import Click

# What a user asks for, and the task of the model that answers.
TASKS: dict[str, str] = {
    'semantic': 'closed_set',
    'instance': 'closed_set',
    'panoptic': 'closed_set',
    'interactive': 'click',
    'referring': 'text',
    'open_vocabulary': 'open_vocabulary',
}
_NEEDED_PROMPTS = {'interactive': 'a click or a box', 'referring': 'a sentence'}

ClickLike = Click | Sequence[float]


def as_tasks(
    tasks: Any,
    given: Mapping[str, bool],
    available: Collection[str],
    unanswered: Collection[str] = (),
) -> list[str]:
    """Names of tasks in the order of :data:`TASKS`.

    Args:
        tasks: names, one name, or None for those that need no prompt and those whose prompt is
            given.
        given: whether there is a prompt, by task that takes one.
        available: tasks of the model.
        unanswered: names that these tasks leave out.

    Raises:
        ConfigError: no task, an unknown one, or one the model does not have.
        PromptError: a task without its prompt.
    """
    has = {name: TASKS[name] in available and name not in unanswered for name in TASKS}
    if tasks is None:
        return [name for name in TASKS if given.get(name, has[name])]
    names = _items(tasks, 'tasks', ConfigError)
    if not names:
        raise ConfigError(f'tasks is empty; name some of {", ".join(TASKS)}, or leave it out')
    for name in names:
        if not isinstance(name, str) or name not in TASKS:
            raise ConfigError(f'unknown task {name!r}; choose from {", ".join(TASKS)}')
        if not has[name]:
            raise ConfigError(
                f'the model of these weights has no part for the task {name!r}; it has '
                f'{", ".join(n for n in TASKS if has[n])}'
            )
        if name in _NEEDED_PROMPTS and not given[name]:
            raise PromptError(
                f'the task {name!r} needs {_NEEDED_PROMPTS[name]}; give one or leave it out'
            )
    return [name for name in TASKS if name in names]


def as_clicks(clicks: Any) -> list[Click]:
    """Clicks of one scene.

    Args:
        clicks: positions (x, y, z) as a list or an array (P, 3), :class:`Click` objects, one of
            either on its own, or None.

    Returns:
        Clicks with positions of three floats. Bare positions become objects of their own, after
        those that name one.

    Raises:
        PromptError: something is not a position of three finite numbers.
    """
    if clicks is None:
        return []
    clicks = plain(clicks)
    if isinstance(clicks, Click) or is_flat(clicks):
        clicks = [clicks]
    items = [plain(item) for item in _items(clicks, 'clicks', PromptError)]
    made = [_checked_click(item) if isinstance(item, Click) else item for item in items]
    following = 1 + max((c.object for c in made if isinstance(c, Click)), default=-1)
    for index, item in enumerate(made):
        if not isinstance(item, Click):
            made[index] = Click(_position(item), object=following)
            following += 1
    return made


def as_texts(texts: Any) -> list[str]:
    """Sentences without space at their ends.

    Args:
        texts: sentences, one sentence, or None.

    Raises:
        PromptError: something is not a string, or is empty.
    """
    if texts is None:
        return []
    return [str(text).strip() for text in check_phrases(_items(texts, 'texts', PromptError))]


def as_vocabulary(vocabulary: Any) -> list[str] | None:
    """Class names without space at their ends; None stays None.

    Args:
        vocabulary: names, one name, or None.

    Raises:
        VocabularyError: no name, an empty name, something that is not a string, or two names that
            differ in case and spaces only.
    """
    if vocabulary is None:
        return None
    try:
        names = check_phrases(_items(vocabulary, 'vocabulary', VocabularyError))
    except PromptError as error:
        raise VocabularyError(f'The vocabulary cannot be used. {error}') from error
    if not names:
        raise VocabularyError('the vocabulary is empty; name at least one class')
    seen: set[str] = set()
    for name in names:
        if canonical_phrase(name) in seen:
            raise VocabularyError(
                f'the vocabulary names {name!r} more than once (upper case and spaces make no '
                'difference); name every class once'
            )
        seen.add(canonical_phrase(name))
    return [str(name).strip() for name in names]


def as_synonyms(vocabulary: Any) -> dict[str, list[str]]:
    """Phrases by class name.

    Args:
        vocabulary: as :func:`as_vocabulary`, or a mapping from names to a phrase or several.

    Raises:
        VocabularyError: as :func:`as_vocabulary`, of the names and of the phrases of each name.
    """
    if isinstance(vocabulary, Mapping):
        names = as_vocabulary(list(vocabulary))
        return {
            name: as_vocabulary([] if phrases is None else phrases)
            for name, phrases in zip(names, vocabulary.values(), strict=True)
        }
    return {name: [name] for name in as_vocabulary([] if vocabulary is None else vocabulary)}


def _items(value: Any, what: str, error: type[Exception]) -> list[Any]:
    """A list of what was given; a string is one item."""
    value = plain(value)
    if isinstance(value, str) and what != 'clicks':
        return [value]
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise error(
            f'{what} is {value!r} of type {type(value).__name__}; expected a list, even of one item'
        )
    return list(value)


def plain(value: Any) -> Any:
    """Arrays and tensors as nested lists."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic, torch.Tensor)) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def is_flat(value: Any) -> bool:
    """Whether this is one position rather than a list of them."""
    return isinstance(value, (list, tuple)) and bool(value) and all(map(_is_number, value))


def as_numbers(value: Any) -> list[float] | None:
    """Numbers as floats, infinite where they are too large for one; None for anything else."""
    value = plain(value)
    if not is_flat(value):
        return None
    try:
        return [float(number) for number in value]
    except OverflowError:
        return [math.inf] * len(value)


def _position(value: Any) -> tuple[float, float, float]:
    value = plain(value)
    numbers = as_numbers(value)
    if numbers is not None and len(numbers) == 3 and all(map(math.isfinite, numbers)):
        return tuple(numbers)
    raise PromptError(
        f'click {value!r} is not a position; expected three finite numbers x, y, z in the '
        'coordinates of the file'
    )


def _checked_click(click: Click) -> Click:
    position = _position(click.position)
    if not isinstance(click.object, Integral) or isinstance(click.object, bool):
        raise PromptError(
            f'the click at {position} belongs to object {click.object!r}; expected a whole number'
        )
    if not isinstance(click.positive, (bool, np.bool_)):
        raise PromptError(
            f'the click at {position} has positive={click.positive!r}; expected True (part of the '
            'object) or False (not part of it)'
        )
    return dataclasses.replace(
        click, position=position, positive=bool(click.positive), object=int(click.object)
    )
