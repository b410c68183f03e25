"""Controls: scene, layer, legend, points, light and dark."""

from __future__ import annotations

from typing import Any

from unison3d.viewer.background import Progress
from unison3d.viewer.button_list import ButtonList, Row
from unison3d.viewer.palettes import GREY
from unison3d.viewer.tab import OWN_CLASSES, OWN_OBJECTS, Tab

__all__ = ['LAYER_TITLES', 'ScenePanel', 'LookPanel']

LAYER_TITLES = {
    'color': 'Colour',
    'height': 'Height',
    'normals': 'Normals',
    'semantic': 'Classes (model)',
    'instance': 'Objects (labels)',
    'panoptic': 'Objects (model)',
    'superpoint': 'Superpoints',
    'features': 'Features',
    'uncertainty': 'Uncertainty',
    'heat': 'Answer to the sentence',
    OWN_CLASSES: 'My words: classes',
    OWN_OBJECTS: 'My words: objects',
}
_NAMES = {title: name for name, title in LAYER_TITLES.items()}
#: What is said below layers that have no legend.
_NOTES = {
    'normals': 'Which way surfaces face: upward ones are bluish.',
    'instance': 'Nothing is labelled yet.',
    'superpoint': 'Patches that the model takes as one. Colours come back, so only edges count.',
    'features': 'What looks alike to the model has about the same colour.',
}


class ScenePanel:
    """Which scene is open, and how far the model is with it; above all other panels."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        keys = [entry.key for entry in tab.workspace.library.entries]
        first = tab.workspace.last_key
        self._scene = gui.add_dropdown('Scene', keys, initial_value=first, visible=len(keys) > 1)
        self._scene.on_update(tab.guarded(self._switch))
        self._state = gui.add_markdown('Opening the scan.')
        self._bar = gui.add_progress_bar(0, animated=True)
        self._stop = gui.add_button(
            'Stop', visible=False, hint='Stop this work. Looking and editing go on.'
        )
        self._stop.on_click(tab.guarded(self._start_or_stop))
        tab.on('progress', self._progressed)
        tab.on('parts', self._parts_progressed)
        tab.on('scene', lambda: setattr(self._scene, 'value', tab.key))

    def _switch(self, event: Any) -> None:
        if event.client is not None and self._scene.value != self._tab.key:
            try:
                self._tab.open(self._scene.value)
                self._tab.session.start()
            finally:
                # Where the scene could not be opened, the old one is still shown.
                self._scene.value = self._tab.key

    def _start_or_stop(self, _: Any) -> None:
        session = self._tab.session
        if session.parts.progress.state == 'working':
            session.parts.cancel()
            self._state.content = 'The search for parts stops after this step.'
        elif session.progress.state == 'working':
            session.cancel()
            self._state.content = 'The model stops after this step.'
        else:
            session.start()
            self._progressed(session.progress)

    def _progressed(self, progress: Progress) -> None:
        working = progress.state == 'working'
        points = f'{len(self._tab.session.scene):,} points'
        texts = {
            'working': f'The model is looking at the scan: {progress.text}.',
            'ready': f'**Ready** · {points}',
            'cancelled': f'The model was stopped · {points}',
            'failed': f'**The model failed:** {progress.text}',
            'idle': points,
        }
        self._state.content = texts[progress.state]
        self._bar.visible = working
        self._bar.value = 100 * progress.fraction
        self._stop.visible = progress.state != 'ready'
        self._stop.label = 'Stop' if working else 'Start the model'

    def _parts_progressed(self, progress: Progress) -> None:
        if progress.state != 'working':
            self._progressed(self._tab.session.progress)
            if progress.state == 'failed':
                self._tab.say('The parts were not found', progress.text, 'red')
            return
        self._state.content = f'Finding parts and wholes: {progress.text}.'
        self._bar.value, self._stop.label = 100 * progress.fraction, 'Stop'
        self._bar.visible = self._stop.visible = True


class LookPanel:
    """Layer, legend, dots."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        titles = [LAYER_TITLES['color']]
        self._layer = gui.add_dropdown('Layer', titles, hint='Keys: [L] next layer')
        self._layer.on_update(tab.guarded(self._choose))
        self._strength = gui.add_slider(
            'Opacity', 0, 1, 0.05, 0.8, hint='How strongly the layer covers the colours of the scan'
        )
        self._strength.on_update(tab.guarded(self._mix))
        self._size = gui.add_slider('Point size (mm)', 1, 100, 1, 20)
        self._size.on_update(tab.guarded(self._resize))
        self._cut = gui.add_slider(
            'Cut above (m)', 0, 4, 0.05, 4, hint='Hide what is higher: look into rooms'
        )
        self._cut.on_update(tab.guarded(self._cut_at))
        self._dark = gui.add_checkbox('Dark page', False, hint='This browser remembers it')
        self._dark.on_update(tab.guarded(self._darken))
        home = gui.add_button('Whole scene', icon='home', hint='Key: [H]')
        home.on_click(tab.guarded(lambda _: self.go_home()))
        self._note = gui.add_markdown('')
        self._legend = ButtonList(gui, tab.guarded(tab.toggle), page_size=12)
        tab.on('scene', self._new_scene)
        tab.on('layer', self._new_layer)

    def go_home(self) -> None:
        """Look at the whole scene."""
        self._tab.fly(self._tab.first_eye())

    def next_layer(self) -> None:
        """The next one in the menu."""
        names = self._tab.layers()
        place = names.index(self._tab.layer_name) if self._tab.layer_name in names else -1
        self._tab.show_layer(names[(place + 1) % len(names)])

    def _choose(self, event: Any) -> None:
        if event.client is not None:
            self._tab.show_layer(_NAMES[self._layer.value])

    def _mix(self, event: Any) -> None:
        if event.client is not None:
            self._tab.strength = float(self._strength.value)
            self._tab.redraw()

    def _resize(self, event: Any) -> None:
        if event.client is not None:
            self._tab.point_size = self._size.value / 1000
            self._tab.points.set_size(self._tab.point_size)

    def _cut_at(self, event: Any) -> None:
        if event.client is not None:
            floor = self._floor()
            top = self._cut.value >= self._cut.max
            self._tab.cut = None if top else floor + float(self._cut.value)
            self._tab.redraw()

    def _floor(self) -> float:
        points = self._tab.session.scene.points
        return float(points[:, 2].min()) if len(points) else 0.0

    def _darken(self, event: Any) -> None:
        self._tab.dark = self._dark.value
        self._tab.client.gui.configure_theme(
            dark_mode=self._dark.value, show_logo=False, show_share_button=False
        )
        if event.client is not None:
            self._tab.redraw()

    def _new_scene(self) -> None:
        tab = self._tab
        points = tab.session.scene.points
        height = float(points[:, 2].max()) - self._floor() if len(points) else 1.0
        self._size.value = int(min(max(round(tab.point_size * 1000), 1), 100))
        self._cut.max = round(height + 0.1, 2)
        self._cut.value = self._cut.max if tab.cut is None else round(tab.cut - self._floor(), 2)
        self._new_layer()

    def _new_layer(self) -> None:
        tab = self._tab
        titles = tuple(LAYER_TITLES[name] for name in tab.layers())
        if tuple(self._layer.options) != titles:
            self._layer.options = titles
        if self._layer.value != LAYER_TITLES[tab.layer_name]:
            self._layer.value = LAYER_TITLES[tab.layer_name]
        layer = tab.layer
        if layer is None:
            return
        off = tab.hidden.get(tab.layer_name, set())
        grey = GREY[tab.dark]
        self._legend.show(
            [
                Row(
                    entry.key,
                    f'{entry.name} · {entry.count:,}',
                    grey if entry.key in off else entry.color,
                    'eye-off' if entry.key in off else 'eye',
                )
                for entry in layer.legend
            ]
        )
        if layer.span is not None:
            low, high = layer.span
            unit = ' m' if tab.layer_name == 'height' else ''
            self._note.content = f'Dark blue is {low:.2f}{unit}, yellow is {high:.2f}{unit}.'
        elif layer.legend:
            self._note.content = 'Click a line to hide or show it.'
        else:
            self._note.content = _NOTES.get(tab.layer_name, '')
