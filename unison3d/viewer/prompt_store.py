"""Clicks and boxes on several objects at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unison3d.structures import Box, Click
    from unison3d.viewer.session_answers import MaskAnswer

__all__ = ['PromptStore']


class PromptStore:
    """The prompts of each object, in the order in which they came.

    Args:
        answer: gives the mask of an object from its number and all its prompts, or raises.
    """

    def __init__(self, answer: Callable[[int, list[Click | Box]], MaskAnswer]) -> None:
        self._answer = answer
        self._lock = threading.RLock()
        self._prompts: dict[int, list[Click | Box]] = {}

    def add(self, number: int, prompt: Click | Box) -> MaskAnswer:
        """One more prompt; one that is not answered is not kept."""
        with self._lock:
            prompts = [*self._prompts.get(number, ()), prompt]
            answer = self._answer(number, prompts)
            self._prompts[number] = prompts
        return answer

    def undo(self, number: int) -> MaskAnswer | None:
        """Take the last prompt of an object back; None when none is left.

        Without an answer to those before, it stays.
        """
        with self._lock:
            kept = self._prompts.get(number, [])[:-1]
            answer = self._answer(number, kept) if kept else None
            self._prompts[number] = kept
        return answer

    def clear(self, number: int | None = None) -> None:
        """Forget the prompts of an object, or all."""
        with self._lock:
            if number is None:
                self._prompts.clear()
            else:
                self._prompts.pop(number, None)

    def count(self, number: int) -> int:
        """Prompts of an object."""
        return len(self._prompts.get(number, ()))
