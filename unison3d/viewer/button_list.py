"""A list of coloured buttons with pages, for legends and objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ['ButtonList', 'Row']


@dataclass(frozen=True)
class Row:
    """One button: what it stands for, its text, its colour, and a name of a viser icon."""

    key: int
    text: str
    color: tuple[int, int, int]
    icon: str | None = None


class ButtonList:
    """Rows of buttons; the same handles show whatever is on the page, so that nothing flickers.

    Args:
        gui: the controls of one viser client, in the container the list belongs to.
        on_click: called with the key of the row.
        page_size: buttons at once.
    """

    def __init__(self, gui: Any, on_click: Callable[[int], None], page_size: int = 10) -> None:
        self._rows: Sequence[Row] = ()
        self._page, self._size = 0, page_size
        self._on_click = on_click
        self._shown: list[Row | None] = [None] * page_size
        self._buttons = [gui.add_button(' ', visible=False) for _ in range(page_size)]
        for place, button in enumerate(self._buttons):
            button.on_click(lambda _, place=place: self._clicked(place))
        self._pages = gui.add_button_group('Page', ('Back', 'Next'), visible=False)
        self._pages.on_click(lambda event: self._turn(event.target.value))

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, on the page that is open where it still exists."""
        self._rows = rows
        self._page = min(self._page, max((len(rows) - 1) // self._size, 0))
        self._draw()

    def _clicked(self, place: int) -> None:
        row = self._shown[place]
        if row is not None:
            self._on_click(row.key)

    def _turn(self, direction: str) -> None:
        last = max((len(self._rows) - 1) // self._size, 0)
        self._page = min(max(self._page + (1 if direction == 'Next' else -1), 0), last)
        self._draw()

    def _draw(self) -> None:
        first = self._page * self._size
        part = list(self._rows[first : first + self._size])
        for place, button in enumerate(self._buttons):
            row = part[place] if place < len(part) else None
            old = self._shown[place]
            if row == old:
                continue
            if row is None:
                button.visible = False
            else:
                button.label, button.color = row.text, row.color
                if row.icon is not None:
                    button.icon = row.icon
                button.visible = True
            self._shown[place] = row
        pages = -(-len(self._rows) // self._size)
        self._pages.visible = pages > 1
        if pages > 1:
            self._pages.label = f'{self._page + 1} of {pages}'
