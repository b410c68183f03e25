from __future__ import annotations

import pytest

from unison3d.errors import PromptError
from unison3d.viewer.prompt_store import PromptStore


def test_all_or_nothing():
    """What is not answered changes nothing, so that whoever counts along stays in step."""
    asked, fails = [], False

    def answer(number, prompts):
        if fails:
            raise PromptError('no')
        asked.append((number, *prompts))
        return asked[-1]

    store = PromptStore(answer)
    store.add(3, 'a')
    store.add(3, 'b')
    fails = True
    with pytest.raises(PromptError):
        store.add(3, 'c')
    with pytest.raises(PromptError):
        store.undo(3)
    assert store.count(3) == 2
    fails = False
    assert store.undo(3) == (3, 'a') and store.count(3) == 1
    # Nothing is asked when nothing is left.
    assert store.undo(3) is None and store.undo(3) is None and store.count(3) == 0
    assert asked == [(3, 'a'), (3, 'a', 'b'), (3, 'a')]
