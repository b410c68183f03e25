"""Controls: where edits are kept, export and import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unison3d.viewer.exporting import FORMATS, export_labels, import_labels
from unison3d.viewer.tab import Tab

__all__ = ['SavePanel']

_TITLES = {
    'PLY': 'ply',
    'GLB': 'glb',
    'NPZ': 'npz',
    'ScanNet aggregation.json': 'scannet',
    'COCO RLE (JSON)': 'coco',
}
_NO_FILE = '(none)'
#: Bytes; larger files stay where they were written.
_MAX_DOWNLOAD = 200_000_000


class SavePanel:
    """Edits are kept by the journal at once; this writes copies for other programs."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._state = gui.add_markdown('')
        self._format = gui.add_dropdown('Format', tuple(_TITLES))
        self._name = gui.add_text('File name', '', hint='Without its ending')
        write = gui.add_button('Export', icon='download')
        write.on_click(tab.guarded(lambda _: self.export()))
        self._written = gui.add_markdown('')
        gui.add_divider()
        self._file = gui.add_dropdown('Load labels', (_NO_FILE,))
        load = gui.add_button_group('File', ('Load', 'Look again'))
        load.on_click(
            tab.guarded(lambda e: self._load() if e.target.value == 'Load' else self._list())
        )
        tab.on('scene', self._new_scene)
        tab.on('labels', lambda _: self._show())

    def export(self) -> list[Path]:
        """Write the labels in the chosen format into the output folder."""
        tab = self._tab
        kind = _TITLES[self._format.value]
        name = self._name.value.strip() or tab.key
        path = tab.workspace.library.writable(name + FORMATS[kind])
        path.parent.mkdir(parents=True, exist_ok=True)
        files = export_labels(
            tab.session.scene, tab.session.labels, path, kind, scale=tab.session.scale
        )
        self._written.content = 'Written: ' + ', '.join(f'`{file.name}`' for file in files)
        if len(files) == 1 and files[0].stat().st_size <= _MAX_DOWNLOAD:
            tab.client.send_file_download(files[0].name, files[0].read_bytes())
        self._list()
        return files

    def _load(self) -> None:
        tab = self._tab
        if self._file.value == _NO_FILE:
            tab.say('Choose a file first. Files in the output folder are listed.')
            return
        with tab.workspace.library.reading_labels(self._file.value) as path:
            edit = import_labels(path, tab.session.scene)
        tab.session.labels.apply(edit, tab.source)
        tab.show_layer('instance')

    def _list(self) -> None:
        folder = self._tab.workspace.library.output
        names = []
        if folder.is_dir():
            endings = {ending for ending in FORMATS.values() if ending}
            for path in sorted(folder.iterdir()):
                scannet = path.is_dir() and next(path.glob('*.aggregation.json'), None)
                if path.suffix.lower() in endings or scannet:
                    names.append(path.name)
        self._file.options = (_NO_FILE, *names)

    def _new_scene(self) -> None:
        self._name.value = self._tab.key
        self._written.content = ''
        self._list()
        self._show()

    def _show(self) -> None:
        journal = self._tab.session.journal
        # Files and folders only, no whole path: pages are shown to other people.
        place = f'{journal.path.parent.name}/{journal.path.name}'
        notes = ''.join(f'\n\n{note}' for note in journal.notes)
        self._state.content = (
            f'Every edit is saved at once: **{journal.num_saved} saved** in `{place}`.{notes}'
        )
