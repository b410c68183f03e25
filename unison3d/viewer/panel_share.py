"""Controls: pictures and pages of the present view, to show to others."""

from __future__ import annotations

from typing import Any

import numpy as np

from unison3d.errors import SceneError
from unison3d.viewer.render import save_png
from unison3d.viewer.share import film_encoder, turntable, write_animation, write_page
from unison3d.viewer.tab import Tab

__all__ = ['SharePanel']

_TIMEOUT = 30.0  # seconds; a browser that is hidden draws nothing


class SharePanel:
    """Screenshot, turntable, and a page that opens without a server."""

    def __init__(self, tab: Tab, gui: Any) -> None:
        self._tab = tab
        self._stop = False
        shot = gui.add_button('Screenshot (PNG)', icon='camera')
        shot.on_click(tab.guarded(lambda _: self.screenshot()))
        self._frames = gui.add_slider('Pictures', 12, 120, 4, 36, hint='of one turn')
        self._turn = gui.add_button_group('Turntable', ('GIF', 'MP4', 'Stop'))
        self._turn.on_click(tab.guarded(lambda e: self._spin(e.target.value)))
        self._bar = gui.add_progress_bar(0, visible=False)
        page = gui.add_button('Page of this view (HTML)', icon='file-code')
        page.on_click(tab.guarded(lambda _: self.page()))
        self._state = gui.add_markdown('')

    def screenshot(self) -> None:
        """The picture as it is on the page."""
        image = self._picture()
        path = self._path('.png')
        save_png(path, image)
        self._send(path)

    def page(self) -> None:
        """The points as they are coloured now, as one file."""
        tab = self._tab
        colors, visible = tab.colors()
        path = self._path('.html')
        write_page(
            path,
            tab.session.scene.points[visible],
            colors[visible],
            eye=tab.eye(),
            fov=float(tab.client.camera.fov),
            point_size=tab.point_size,
            title=tab.session.scene.name,
            legend=[
                (entry.name, entry.color)
                for entry in (tab.layer.legend if tab.layer is not None else ())
                if entry.key not in tab.hidden.get(tab.layer_name, ())
            ],
            dark=tab.dark,
        )
        self._send(path)

    def _spin(self, kind: str) -> None:
        if kind == 'Stop':
            self._stop = True
            return
        if self._bar.visible:
            return
        if kind == 'MP4':
            # Before the pictures are taken, which may be minutes.
            film_encoder()
        self._stop, self._bar.visible, self._bar.value = False, True, 0
        tab = self._tab
        start = tab.eye()
        try:
            eyes = turntable(start, int(self._frames.value))
            images = []
            for number, eye in enumerate(eyes):
                tab.fly(eye, steps=1)
                images.append(self._picture(640))
                self._bar.value = 100 * (number + 1) / len(eyes)
                if self._stop:
                    return
            path = self._path('.' + kind.lower())
            write_animation(path, images)
            self._send(path)
        finally:
            tab.fly(start, steps=1)
            self._bar.visible = False

    def _picture(self, max_width: int = 1920) -> np.ndarray:
        camera = self._tab.client.camera
        share = min(max_width / max(camera.image_width, 1), 1.0)
        # Encoders of films want even numbers.
        width, height = (
            max(int(n * share) // 2 * 2, 2) for n in (camera.image_width, camera.image_height)
        )
        try:
            image = self._tab.client.get_render(
                height, width, transport_format='png', timeout=_TIMEOUT
            )
        except (TimeoutError, RuntimeError) as error:
            raise SceneError(
                f'the browser gave no picture ({error}). Keep the tab in sight while it works.'
            ) from error
        share = image[..., 3:].astype(np.float32) / 255
        ground = np.float32(24 if self._tab.dark else 255)
        return np.rint(image[..., :3] * share + ground * (1 - share)).astype(np.uint8)

    def _path(self, ending: str) -> Any:
        """A free name in the output folder."""
        library, number = self._tab.workspace.library, 1
        while (path := library.writable(f'{self._tab.key}-{number}{ending}')).exists():
            number += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _send(self, path: Any) -> None:
        self._state.content = f'Written: `{path.parent.name}/{path.name}`'
        self._tab.client.send_file_download(path.name, path.read_bytes())
