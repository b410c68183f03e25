"""Controls: click to segment. Also what clicks in the picture do."""

from __future__ import annotations

from typing import Any

import numpy as np

from unison3d.viewer.background import Progress
from unison3d.viewer.label_edits import Draw, Split
from unison3d.viewer.tab import Tab
from unison3d.viewer.view_camera import box_from_rectangle

__all__ = ['TOOLS', 'SegmentPanel']

#: What a plain click does, in the order of the keys 1 to 5.
TOOLS = ('New object', 'Add', 'Remove', 'Select', 'Box')
_KINDS = {'New object': 'new', 'Add': 'add', 'Remove': 'remove'}


class SegmentPanel:
    """Clicked objects of this tab, until they are kept as labels."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._box_callback: Any = None
        self._tool = gui.add_dropdown(
            'A click means',
            TOOLS,
            initial_value=TOOLS[0],
            hint='Keys 1 to 5. Shift-click always adds, alt-click always removes.',
        )
        self._tool.on_update(tab.guarded(lambda _: self._tool_changed()))
        self._about = gui.add_markdown('')
        self._name = gui.add_text('Name', '', hint='What the object is')
        self._name.on_update(tab.guarded(self._rename))
        self._level = gui.add_slider(
            'Part to whole', 0, 8, 1, 0, hint='0 is the answer of the model to your clicks'
        )
        self._level.on_update(tab.guarded(self._to_level))
        keep = gui.add_button('Keep as object', icon='check', hint='Key: [K]', color='green')
        keep.on_click(tab.guarded(lambda _: self.keep()))
        history = gui.add_button_group('Click', ('Undo', 'Redo'), hint='Keys: [U] and [R]')
        history.on_click(
            tab.guarded(lambda e: self.undo() if e.target.value == 'Undo' else self.redo())
        )
        more = gui.add_button_group('Discard', ('This', 'All'), hint='Key: [X] discards this')
        more.on_click(tab.guarded(lambda e: self.discard(e.target.value == 'All')))
        change = gui.add_button_group(
            'To selected',
            ('Add mask', 'Split off'),
            hint='Give the mask to the object that is selected, or make the part of it that lies '
            'in the mask an object of its own',
        )
        change.on_click(tab.guarded(lambda e: self._to_selected(e.target.value)))
        for modifier, kind in ((None, None), ('shift', 'add'), ('alt', 'remove')):
            tab.client.scene.on_click(modifier=modifier)(
                tab.guarded(lambda event, kind=kind: self._clicked(event, kind))
            )
        tab.on('drafts', self._drafts_changed)
        tab.on('scene', self._show)
        tab.on('parts', tab.guarded(self._parts_progressed))
        tab.on('progress', lambda progress: self._show() if progress.state == 'ready' else None)

    # ------------------------------------------------------------------ clicks

    def choose_tool(self, name: str) -> None:
        """What a plain click does from now on; one of :data:`TOOLS`."""
        self._tool.value = name
        self._tool_changed()

    def _tool_changed(self) -> None:
        scene = self._tab.client.scene
        wants_box = self._tool.value == 'Box'
        # Only now: as long as a box can be drawn, dragging does not turn the scene.
        if wants_box and self._box_callback is None:
            self._box_callback = scene.on_rect_select()(self._tab.guarded(self._boxed))
        elif not wants_box and self._box_callback is not None:
            scene.remove_rect_select_callback(self._box_callback)
            self._box_callback = None
        self._show()

    def _clicked(self, event: Any, kind: str | None) -> None:
        tab = self._tab
        row = tab.pick(event.ray_origin, event.ray_direction)
        if row is None:
            return
        tool = self._tool.value
        if kind is None and tool == 'Select':
            owner = tab.session.labels.at(row)
            tab.select(None if owner is None else owner.id)
            return
        kind = kind or _KINDS.get(tool, 'new')
        draft = tab.drafts.click(tab.session.scene.points[row], kind)
        self._after(draft.name)

    def _boxed(self, event: Any) -> None:
        tab, camera = self._tab, self._tab.client.camera
        center, size = box_from_rectangle(
            tab.session.scene.points,
            _rotation(camera.wxyz),
            np.asarray(camera.position),
            float(camera.fov),
            float(camera.aspect),
            (event.screen_min, event.screen_max),
            tab.visible,
        )
        self._after(tab.drafts.box(center, size).name)

    def _after(self, name: str) -> None:
        if not name:
            self._tab.drafts.active.name = self._guess()
        self._tab.redraw()
        self._tab.tell('drafts')

    def _guess(self) -> str:
        """The class that most of the mask has for the model."""
        tab = self._tab
        mask = tab.drafts.active.mask
        if 'semantic' not in tab.session.available_layers() or not mask.any():
            return 'object'
        return tab.session.class_of(mask)

    # ------------------------------------------------------------------ buttons

    def keep(self) -> None:
        """Make every clicked object a label."""
        tab, kept = self._tab, None
        for draft in list(tab.drafts.items):
            if draft.mask.any():
                event = tab.session.labels.apply(
                    Draw(draft.mask, name=draft.name or 'object', score=draft.score), tab.source
                )
                kept = event.created[0]
            tab.drafts.drop(draft)
        if kept is None:
            tab.say('Click an object first.')
            return
        tab.select(kept)
        if tab.layer_name == 'color':
            tab.layer_name = 'instance'
        self._refresh()

    def undo(self) -> None:
        """Take back what was done last in this tab, a click or an edit.

        Where this tab has done nothing more, the last edit of all tabs.
        """
        tab = self._tab
        if _is_later(tab.drafts.undo_version, tab.session.labels.undo_version(tab.source)):
            tab.drafts.undo()
            self._refresh()
        elif (event := tab.session.labels.undo(tab.source)) is not None:
            tab.say(event.title.capitalize())

    def redo(self) -> None:
        """Make again what was taken back last."""
        tab = self._tab
        if _is_later(tab.drafts.redo_version, tab.session.labels.redo_version(tab.source)):
            tab.drafts.redo()
            self._refresh()
        elif (event := tab.session.labels.redo(tab.source)) is not None:
            tab.say(event.title.capitalize())

    def discard(self, everything: bool = False) -> None:
        """Forget the active clicked object, or all."""
        self._tab.drafts.discard(everything)
        self._refresh()

    def _to_selected(self, how: str) -> None:
        tab = self._tab
        draft = tab.drafts.active
        if draft is None or tab.selected is None:
            tab.say('Select an object of the list, and click a part of it first.')
            return
        if how == 'Split off':
            edit = Split(tab.selected, draft.mask, draft.name or None)
        else:
            edit = Draw(draft.mask, tab.selected)
        tab.session.labels.apply(edit, tab.source)
        tab.drafts.drop(draft)
        self._refresh()

    def _rename(self, event: Any) -> None:
        active = self._tab.drafts.active
        if event.client is not None and active is not None:
            active.name = self._name.value

    def _to_level(self, event: Any) -> None:
        if event.client is None or self._tab.drafts.active is None:
            return
        parts = self._tab.session.parts
        if self._level.value and parts.progress.state != 'ready':
            # They take a while the first time. The level is shown when they are there.
            parts.start()
        if not self._level.value or parts.progress.state == 'ready':
            self._show_level()

    def _parts_progressed(self, progress: Progress) -> None:
        draft = self._tab.drafts.active
        if progress.state == 'working' or draft is None:
            return
        if progress.state != 'ready':
            self._level.value = draft.level
        elif self._level.value != draft.level:
            self._show_level()

    def _show_level(self) -> None:
        self._tab.drafts.show_level(int(self._level.value))
        self._tab.redraw()
        self._show()

    def _refresh(self) -> None:
        self._tab.redraw()
        self._tab.tell('drafts')

    def _drafts_changed(self) -> None:
        draft = self._tab.drafts.active
        # Not in _show, which follows the slider while somebody pulls it.
        self._level.value = 0 if draft is None else draft.level
        self._show()

    def _show(self) -> None:
        drafts = self._tab.drafts
        draft = drafts.active if drafts is not None else None
        if draft is None:
            ready = self._tab.session.progress.state == 'ready'
            text = 'Click an object in the picture.' if ready else 'Clicks work when it is ready.'
            if self._tool.value == 'Box':
                text = 'Draw a rectangle around an object. Choose another tool to turn the scene.'
            elif self._tool.value == 'Select':
                text = 'Click a labelled object to select it.'
            self._about.content = text
            self._name.value, self._level.value, self._level.disabled = '', 0, True
            return
        several = f' · {len(drafts.items)} objects' if len(drafts.items) > 1 else ''
        self._about.content = (
            f'**{int(draft.mask.sum()):,} points**, score {draft.score:.2f}{several}. '
            'Shift-click adds, alt-click removes.'
        )
        if self._name.value != draft.name:
            self._name.value = draft.name
        self._level.disabled = draft.seed is None


def _is_later(click: int | None, edit: int) -> bool:
    """Whether a click came after an edit: versions of the labels, before it and after it."""
    return click is not None and click >= edit


def _rotation(wxyz: np.ndarray) -> np.ndarray:
    """(3, 3), of a unit quaternion with its real part first."""
    w, x, y, z = np.asarray(wxyz, np.float64)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
