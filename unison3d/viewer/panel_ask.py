"""Controls: sentences, and classes of one's own."""

from __future__ import annotations

from typing import Any

from unison3d.viewer.label_edits import Draw, Replace
from unison3d.viewer.tab import OWN_CLASSES, OWN_OBJECTS, Tab

__all__ = ['AskPanel']

_HISTORY = 20
_NOTHING = '(earlier sentences)'


class AskPanel:
    """A sentence gives a heat map, a mask and the objects that are meant; names give layers."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._history: list[str] = []
        with gui.add_form(None) as form:
            self._text = gui.add_text(
                'Sentence',
                '',
                hint='The chair next to the window; somewhere to sleep. Enter asks.',
            )
            ask = gui.add_button('Ask', icon='search')
        ask.on_click(tab.guarded(lambda _: self.ask()))
        form.on_submit(tab.guarded(lambda _: self.ask()))
        self._earlier = gui.add_dropdown('History', (_NOTHING,), visible=False)
        self._earlier.on_update(tab.guarded(self._again))
        self._result = gui.add_markdown('')
        self._threshold = gui.add_slider('Threshold', 0, 1, 0.01, 0.5, visible=False)
        self._threshold.on_update(tab.guarded(self._move_threshold))
        self._use = gui.add_button_group('Result', ('Keep as object', 'Select'), visible=False)
        self._use.on_click(tab.guarded(lambda e: self._take(e.target.value)))
        gui.add_divider()
        with gui.add_form(None) as form:
            self._names = gui.add_text(
                'My words', '', hint='Names with commas between, such as: chair, plant, lamp'
            )
            find = gui.add_button('Find them', icon='list-search')
        find.on_click(tab.guarded(lambda _: self.find()))
        form.on_submit(tab.guarded(lambda _: self.find()))
        self._found = gui.add_markdown('')
        self._load = gui.add_button('Make them the labels', visible=False)
        self._load.on_click(tab.guarded(lambda _: self._load_found()))
        tab.on('scene', self._new_scene)

    # ------------------------------------------------------------------ sentences

    def ask(self) -> None:
        """Ask what the sentence in the field means."""
        tab, sentence = self._tab, self._text.value.strip()
        if not sentence:
            tab.say('Write a sentence first, such as: the chair next to the window.')
            return
        self._result.content = f'Asking for "{_plain(sentence)}" …'
        session = tab.session
        try:
            answer = session.ask(sentence)
        finally:
            self._result.content = ''
        with tab.lock:
            # Another scene may be open by now.
            if tab.session is not session:
                return
            tab.answer = answer
            # Each answer is the model's own at first.
            tab.threshold, self._threshold.value = None, answer.threshold
            self._remember(sentence)
            tab.show_layer('heat')
            self._threshold.visible = self._use.visible = True
            self._show_answer()
            if answer.objects:
                tab.select(answer.objects[0])
            tab.tell('answer', answer)

    def _show_answer(self) -> None:
        tab, answer = self._tab, self._tab.answer
        mask = answer.mask_above(tab.threshold)
        where = 'in the answer' if tab.threshold is None else 'above the threshold'
        found = [tab.session.labels[n].name for n in answer.objects if self._exists(n)]
        names = f' Objects: {", ".join(map(_plain, found))}.' if found else ''
        self._result.content = (
            f'"{_plain(answer.text)}": **{int(mask.sum()):,} points** {where}, '
            f'score {answer.score:.2f}.{names}'
        )

    def _exists(self, number: int) -> bool:
        return any(item.id == number for item in self._tab.session.labels.objects)

    def _remember(self, sentence: str) -> None:
        kept = [item for item in self._history if item != sentence]
        self._history = [sentence, *kept][:_HISTORY]
        self._earlier.options = (_NOTHING, *self._history)
        self._earlier.visible = True

    def _again(self, event: Any) -> None:
        if event.client is not None and self._earlier.value != _NOTHING:
            self._text.value = self._earlier.value
            self._earlier.value = _NOTHING
            self.ask()

    def _move_threshold(self, event: Any) -> None:
        tab = self._tab
        if event.client is not None and tab.answer is not None:
            tab.threshold = float(self._threshold.value)
            if tab.layer_name == 'heat':
                tab.redraw()
            self._show_answer()

    def _take(self, how: str) -> None:
        tab = self._tab
        if how == 'Select':
            objects = self._tab.session.objects_inside(tab.answer.mask_above(tab.threshold))
            if not objects:
                tab.say('No labelled object lies in the answer. Keep it as an object instead.')
                return
            tab.select(objects[0], fly=True)
            return
        draw = Draw(
            tab.answer.mask_above(tab.threshold), name=tab.answer.text[:200], score=tab.answer.score
        )
        event = tab.session.labels.apply(draw, tab.source)
        tab.show_layer('instance')
        tab.select(event.created[0])

    # ------------------------------------------------------------------ words

    def find(self) -> None:
        """Classes and objects of the names in the field."""
        tab = self._tab
        self._found.content = 'Looking …'
        session = tab.session
        try:
            own = session.vocabulary(self._names.value)
        finally:
            self._found.content = ''
        with tab.lock:
            if tab.session is not session:
                return
            tab.own = own
            tab.hidden.pop(OWN_CLASSES, None)
            tab.hidden.pop(OWN_OBJECTS, None)
            tab.show_layer(OWN_CLASSES)
            self._load.visible = True
            self._found.content = (
                f'{len(own.objects)} objects of {len(own.names)} names. The layers "My words" are '
                'in the menu of layers.'
            )

    def _load_found(self) -> None:
        tab = self._tab
        own = tab.own
        edit = Replace(own.ids, own.objects, f'load {len(own.objects)} objects of my words')
        tab.session.labels.apply(edit, tab.source)
        tab.show_layer('instance')

    def _new_scene(self) -> None:
        self._result.content = self._found.content = ''
        self._threshold.visible = self._use.visible = self._load.visible = False


def _plain(text: str) -> str:
    """Text that Markdown leaves alone."""
    return ''.join(f'\\{sign}' if sign in '\\`*_{}[]()<>#+-.!|~' else sign for sign in text)
