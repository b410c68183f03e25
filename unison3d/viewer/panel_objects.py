"""Controls: the list of objects, and edits of the selected one."""

from __future__ import annotations

from typing import Any

from unison3d.viewer.button_list import ButtonList, Row
from unison3d.viewer.label_edits import Delete, Merge, Rename, SetVisible
from unison3d.viewer.labels import LabelEvent
from unison3d.viewer.palettes import GREY
from unison3d.viewer.tab import Tab

__all__ = ['ObjectsPanel']

_NOBODY = '(none)'


class ObjectsPanel:
    """Objects of the labels with name, score and size; a click selects one and flies to it."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._start = gui.add_button_group(
            'From the model',
            ('Everything', 'Objects'),
            hint='Begin with what the model found, walls and floors among it or not. Replaces the '
            'labels; undo brings them back.',
        )
        self._start.on_click(tab.guarded(self._load))
        self._filter = gui.add_text('Find', '', hint='Part of a name')
        self._filter.on_update(tab.guarded(lambda _: self._show()))
        self._count = gui.add_markdown('No objects yet.')
        self._list = ButtonList(gui, tab.guarded(self._choose), page_size=8)
        with gui.add_folder('Selected object', visible=False) as self._folder:
            self._about = gui.add_markdown('')
            with gui.add_form(None) as form:
                self._name = gui.add_text('Name', '', hint='Enter renames')
                rename = gui.add_button('Rename', icon='pencil')
            rename.on_click(tab.guarded(lambda _: self._rename()))
            form.on_submit(tab.guarded(lambda _: self._rename()))
            self._other = gui.add_dropdown('Merge', (_NOBODY,), hint='It joins the selected object')
            self._other.on_update(tab.guarded(self._merge))
            more = gui.add_button_group('Object', ('Hide / show', 'Delete'))
            more.on_click(
                tab.guarded(lambda e: self.delete() if e.target.value == 'Delete' else self._hide())
            )
        tab.on('scene', self._show)
        tab.on('labels', self._labels_changed)
        tab.on('selected', self._show)

    # ------------------------------------------------------------------ edits

    def delete(self) -> None:
        """Delete the selected object."""
        if self._tab.selected is not None:
            self._apply(Delete(self._tab.selected))

    def _load(self, event: Any) -> None:
        tab = self._tab
        task = 'panoptic' if event.target.value == 'Everything' else 'instance'
        tab.session.load_predictions(task, source=tab.source)
        tab.show_layer('instance')

    def _rename(self) -> None:
        selected, name = self._tab.selected, self._name.value.strip()
        if selected is not None and name != self._tab.session.labels[selected].name:
            self._apply(Rename(selected, name))

    def _merge(self, event: Any) -> None:
        if event.client is None or self._other.value == _NOBODY:
            return
        number = int(self._other.value.split(' ', 1)[0])
        self._other.value = _NOBODY
        self._apply(Merge(self._tab.selected, (number,)))

    def _hide(self) -> None:
        number = self._tab.selected
        self._apply(SetVisible(number, not self._tab.session.labels[number].visible))

    def _apply(self, edit: Any) -> None:
        self._tab.session.labels.apply(edit, self._tab.source)

    # ------------------------------------------------------------------ showing

    def _choose(self, number: int) -> None:
        if self._tab.layer_name not in ('instance', 'heat'):
            self._tab.show_layer('instance')
        self._tab.select(number, fly=True)

    def _labels_changed(self, event: LabelEvent) -> None:
        if event.source != self._tab.source and event.source:
            self._tab.say('Edited in another tab', event.title)
        self._show()

    def _show(self) -> None:
        tab = self._tab
        objects = tab.session.labels.objects
        wanted = self._filter.value.strip().lower()
        # A sentence that selects is answered at once, so the order must not jump: by size.
        found = sorted(
            (item for item in objects if wanted in item.name.lower()),
            key=lambda item: (-item.num_points, item.id),
        )
        self._count.content = (
            f'{len(objects)} in the list. Click one to fly to it.' if objects else 'No objects yet.'
        )
        self._list.show(
            [
                Row(
                    item.id,
                    f'{item.id}  {item.name} · {item.score:.2f} · {item.num_points:,}',
                    item.color if item.visible else GREY[tab.dark],
                    'focus-2' if item.id == tab.selected else 'point',
                )
                for item in found
            ]
        )
        chosen = next((item for item in objects if item.id == tab.selected), None)
        self._folder.visible = chosen is not None
        if chosen is not None:
            origin = {'model': 'the model', 'user': 'you', 'file': 'the file'}[chosen.origin]
            self._about.content = (
                f'Number {chosen.id}, {chosen.num_points:,} points, score {chosen.score:.2f}, '
                f'by {origin}'
            )
            self._name.value = chosen.name
            others = [f'{o.id} {o.name}' for o in objects if o.id != chosen.id]
            self._other.options = (_NOBODY, *others)
