"""How fast the browser application is: the first picture, clicks, buttons, tabs, big scans.

    python benchmarks/viewer.py SCAN                        # all of it
    python benchmarks/viewer.py SCAN --parts start click    # some
    python benchmarks/viewer.py --points 5000000 --parts start orbit
    python benchmarks/viewer.py SCAN --connections 50 --parts tabs

The command itself is started, ``unison3d view SCAN``, and a headless Chromium opens the page as
soon as the address is printed; so ``first picture`` is from the start of the process to the end of
the frame that draws the first points, as seen in the page (its calls of WebGL are watched, and one
pixel is read back, so that the frame is finished). The browser itself runs already, as it does for
a person. ``--points`` makes a scan of copies of a procedural room, side by side.

``click`` is from the release of the mouse to the end of the frame that shows the mask; ``arrives``
is when the new colours are in the page, so the rest of the time is drawing, which a graphics card
does in no time. ``button`` is a click on *Dark page*, which the server answers, while the model
encodes the scan and after. ``orbit`` turns the scene by mouse. ``CPU`` counts seconds of the server
process, which other programs on the machine change little; the load of the machine is printed too.

What was learned:

* With a browser that draws without a graphics card, the browser is what takes time. ``server`` has
  no browser: a websocket says what a page says, so its times are those of our part alone.
* Of 6 CPU seconds to the first picture 5 went into importing torch, transformers (by mmengine) and
  numba, which a picture does not need. They are imported with the model, after the picture.
* Choosing the side to look from took longer than reading, sorting and sending 81,000 points: twelve
  trial pictures of 40,000 points. 8,000 choose the same side.
* The order of detail and the blocks are the same for all tabs, so they are made once, while the
  browser loads the page.
* Nothing of a tab stays when it goes; the memory still grows a little with each of the 32 threads
  of viser's pool that has served one, since each keeps a heap.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PageTimeoutError

from unison3d.structures import PointScene
from unison3d.synth import make_scene

FLAGS = (
    '--no-sandbox',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--ignore-gpu-blocklist',
    '--disable-background-networking',
)
PARTS = ('server', 'start', 'button', 'click', 'orbit', 'tabs')
PATIENCE = 600.0  # seconds
TICKS = os.sysconf('SC_CLK_TCK')

# Times in the page are milliseconds of its own clock. A frame counts when it has been finished.
WATCH = """
(() => {
  const gl2 = WebGL2RenderingContext.prototype;
  const log = (window.watched = {frames: [], uploads: [], dark: 0, release: 0});
  let frame = null;
  const draw = gl2.drawArrays;
  gl2.drawArrays = function (mode, first, count) {
    draw.call(this, mode, first, count);
    if (mode !== this.POINTS || count < 100) return;
    if (frame === null) {
      frame = {begin: performance.now(), points: 0};
      // After all that this frame draws.
      queueMicrotask(() => {
        this.readPixels(0, 0, 1, 1, this.RGBA, this.UNSIGNED_BYTE, new Uint8Array(4));
        frame.end = performance.now();
        log.frames.push(frame);
        frame = null;
      });
    }
    frame.points += count;
  };
  for (const name of ['bufferData', 'bufferSubData']) {
    const upload = gl2[name];
    gl2[name] = function (...values) {
      const data = values.find((value) => value && value.byteLength);
      if (data && data.byteLength >= 300) log.uploads.push([performance.now(), data.byteLength]);
      return upload.apply(this, values);
    };
  }
  addEventListener('pointerup', () => (log.release = performance.now()), true);
  addEventListener('click', () => (log.clicked = performance.now()), true);
  new MutationObserver(() => {
    const now = document.documentElement.getAttribute('data-mantine-color-scheme');
    if (now !== log.scheme) [log.scheme, log.dark] = [now, performance.now()];
  }).observe(document, {attributes: true, subtree: true, childList: true});
})();
"""


class Server:
    """``unison3d view`` as a process of its own."""

    def __init__(self, scan: Path, output: Path) -> None:
        command = [sys.executable, '-m', 'unison3d', 'view', str(scan), '--port', '0']
        self.start = time.time()
        self._process = subprocess.Popen(
            [*command, '--output', str(output)], stdout=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline()
        if 'http' not in line:
            raise SystemExit('the application did not start')
        self.url = line.split()[-1]
        self.printed, self.printed_cpu = time.time() - self.start, self.cpu

    @property
    def cpu(self) -> float:
        """Seconds of the processor so far."""
        fields = Path(f'/proc/{self._process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def megabytes(self) -> float:
        """Memory that is in use now."""
        pages = int(Path(f'/proc/{self._process.pid}/statm').read_text().split()[1])
        return pages * os.sysconf('SC_PAGE_SIZE') / 1e6

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)


def tiled_scan(count: int, path: Path) -> None:
    """Write copies of a room, side by side, with that many points."""
    room = make_scene(3, kind='bedroom', clutter=0.5, spacing=0.015, max_points=250_000)
    copies = -(-count // len(room.points))
    step = room.points.max(axis=0) - room.points.min(axis=0) + 0.3
    side = int(np.ceil(copies**0.5))
    places = np.array([(i % side, i // side, 0) for i in range(copies)]) * step
    points = (room.points[None] + places[:, None]).reshape(-1, 3)[:count].astype(np.float32)
    PointScene(points, colors=np.tile(room.colors, (copies, 1))[:count]).save(path)


# What a page says first.
CAMERA = {
    'type': 'ViewerCameraMessage',
    'wxyz': (1.0, 0.0, 0.0, 0.0),
    'position': (3.0, 3.0, 3.0),
    'fov': 0.9,
    'near': 0.01,
    'far': 1000.0,
    'image_height': 800,
    'image_width': 1280,
    'look_at': (0.0, 0.0, 0.0),
    'up_direction': (0.0, 0.0, 1.0),
}


class Wire:
    """A page without a browser."""

    def __init__(self, server: Server) -> None:
        import viser
        from websockets.sync.client import connect

        protocol = f'viser-v{viser.__version__}'
        address = server.url.replace('http', 'ws')
        self.socket = connect(address, subprotocols=[protocol], max_size=None, max_queue=None)
        self.received, self.is_ready = 0, False
        self.send(CAMERA)

    def send(self, message: dict) -> None:
        """Say something."""
        import msgspec

        self.socket.send(msgspec.msgpack.encode(message))

    def read_until(self, wanted: str, kind: str = '', patience: float = PATIENCE) -> dict:
        """The next message of a kind that has some words in it; arrays are not looked at."""
        import msgspec
        import zstandard

        while True:
            data = self.socket.recv(timeout=patience)
            self.received += len(data)
            packed = data[16 : 16 + int.from_bytes(data[8:16], 'little')]
            for found in msgspec.msgpack.decode(zstandard.decompress(packed))['messages']:
                self.is_ready |= '**Ready**' in str(found)
                if found['type'].startswith(kind) and wanted in str(found):
                    return found


def measure_server(server: Server, scan: Path, repeat: int) -> None:
    """From messages of a page to the answers, without a browser."""
    low, high = np.percentile(PointScene.from_file(scan).points, [1, 99], axis=0)
    wire = Wire(server)
    wire.read_until('/scan/0', 'PointCloud')
    row('points sent', f'{time.time() - server.start:7.2f} s', f'CPU {server.cpu:6.2f} s')
    keep = wire.read_until('Keep as object', 'GuiButton')
    press = {'type': 'GuiUpdateMessage', 'uuid': keep['uuid'], 'updates': {'value': True}}
    times = []
    while not wire.is_ready:
        begin = time.time()
        wire.send(press)
        wire.read_until('Click an object first')
        times.append(1000 * (time.time() - begin))
        time.sleep(0.2)
    row(
        'button, while loading weights',
        f'{statistics.median(times):7.0f} ms',
        f'longest {max(times):.0f} ms',
    )
    row(
        'encoded',
        f'{time.time() - server.start:7.2f} s',
        f'CPU {server.cpu:6.2f} s',
        f'server {server.megabytes:.0f} MB',
    )
    times, before, received = [], server.cpu, wire.received
    for share in np.linspace(0.3, 0.7, repeat):
        # Straight down from below the cut.
        place = (*(low + share * (high - low))[:2].tolist(), float(low[2]) + 1.9)
        click = {'type': 'ScenePointerMessage', 'event_type': 'click', 'modifier': None}
        begin = time.time()
        wire.send(
            click
            | {'ray_origin': place, 'ray_direction': (0.0, 0.0, -1.0), 'screen_pos': ((0.5, 0.5),)}
        )
        # A click into a hole of the scan is not answered.
        with contextlib.suppress(TimeoutError):
            wire.read_until('colors', 'SceneNodeUpdate', patience=3.0)
            times.append(1000 * (time.time() - begin))
        time.sleep(0.5)
    row(
        f'click to mask sent, of {len(times)}',
        f'{statistics.median(times):7.0f} ms',
        f'CPU {1000 * (server.cpu - before) / repeat:.0f} ms',
        f'{(wire.received - received) / repeat / 1e6:.2f} MB',
    )
    wire.socket.close()


def row(name: str, *cells: str) -> None:
    """A line of the table."""
    print(f'{name:34s} ' + '   '.join(cells), flush=True)


def until(page: Page, condition: str, value: object = None) -> object:
    """Wait for a condition in the page; gives what it was."""
    handle = page.wait_for_function(condition, arg=value, timeout=1000 * PATIENCE, polling=50)
    return handle.json_value()


def open_page(browser: object, server: Server) -> tuple[Page, float]:
    """A page with points on it, and the time of its first picture, seconds since 1970."""
    page = browser.new_page(viewport={'width': 1280, 'height': 800})
    page.add_init_script(WATCH)
    page.goto(server.url, wait_until='commit')
    moment = until(page, 'watched.frames.length && performance.timeOrigin + watched.frames[0].end')
    return page, moment / 1000


def measure_start(server: Server, moment: float, cpu: float, page: Page) -> None:
    """The first picture."""
    row('address printed', f'{server.printed:7.2f} s', f'CPU {server.printed_cpu:6.2f} s')
    row('first picture', f'{moment - server.start:7.2f} s', f'CPU {cpu:6.2f} s at most')
    sent = page.evaluate('watched.uploads.reduce((sum, upload) => sum + upload[1], 0)')
    row('points in the page', f'{sent / 1e6:7.1f} MB', f'server {server.megabytes:.0f} MB')


def wait_for_panels(page: Page) -> None:
    """Until all controls are there."""
    page.set_default_timeout(1000 * PATIENCE)
    page.get_by_role('tab', name='Save').wait_for()


def measure_buttons(page: Page, when: str, repeat: int) -> None:
    """From a click on *Dark page* to the other colours, which the server sends."""
    box = page.get_by_text('Dark page', exact=True)
    times = []
    for _ in range(repeat):
        box.click()
        until(page, 'watched.dark > watched.clicked')
        times.append(page.evaluate('watched.dark - watched.clicked'))
        page.wait_for_timeout(100)
    row(f'button, {when}', f'{statistics.median(times):7.0f} ms', f'longest {max(times):.0f} ms')


def wait_for_model(page: Page, server: Server) -> None:
    """Until the scan is encoded."""
    begin, cpu = time.time(), server.cpu
    page.get_by_text('Ready').wait_for()
    row(
        'the rest of the encoding',
        f'{time.time() - begin:7.2f} s',
        f'CPU {server.cpu - cpu:6.2f} s',
        f'server {server.megabytes:.0f} MB',
    )


def measure_clicks(page: Page, server: Server, repeat: int) -> None:
    """From the release of the mouse to the picture with the mask."""
    canvas = page.locator('canvas').first.bounding_box()
    page.get_by_role('tab', name='Click').click()
    arrived, seen, cpu = [], [], []
    for number in range(repeat + 1):
        x = canvas['x'] + canvas['width'] * (0.3 + 0.25 * number / max(repeat, 1))
        y = canvas['y'] + canvas['height'] * 0.55
        page.evaluate('watched.uploads.length = watched.frames.length = 0')
        before = server.cpu
        page.mouse.click(x, y)
        found = 'const u = watched.uploads.find((u) => u[0] > watched.release);'
        try:
            page.wait_for_function(
                f'() => {{ {found} return u && watched.frames.some((f) => f.begin > u[0]) }}',
                timeout=60_000,
                polling=50,
            )
        except PageTimeoutError:
            # Beside the scan, or a machine that draws no picture in a minute.
            continue
        arrives, ends = page.evaluate(
            f'() => {{ {found} const f = watched.frames.find((f) => f.begin > u[0]);'
            ' return [u[0] - watched.release, f.end - watched.release] }'
        )
        page.wait_for_timeout(300)
        # The first compiles, or loads what was compiled.
        if number:
            arrived.append(arrives)
            seen.append(ends)
            cpu.append(1000 * (server.cpu - before))
        else:
            row('click, the first', f'{ends:7.0f} ms', f'arrives {arrives:.0f} ms')
    if not seen:
        return
    row(
        f'click, median of {len(seen)}',
        f'{statistics.median(seen):7.0f} ms',
        f'arrives {statistics.median(arrived):.0f} ms',
        f'CPU {statistics.median(cpu):.0f} ms',
    )


def measure_orbit(page: Page) -> None:
    """Turn the scene for some seconds."""
    canvas = page.locator('canvas').first.bounding_box()
    x, y = canvas['x'] + canvas['width'] * 0.4, canvas['y'] + canvas['height'] * 0.5
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate('watched.frames.length = 0')
    begin = time.time()
    for step in range(40):
        page.mouse.move(x + 4 * step, y)
        page.wait_for_timeout(50)
    page.mouse.up()
    frames = page.evaluate('watched.frames')
    points = max((frame['points'] for frame in frames), default=0)
    row('orbit', f'{len(frames) / (time.time() - begin):7.1f} frames/s', f'{points:,} points')


def measure_tabs(browser: object, server: Server, repeat: int) -> None:
    """Memory of the server while tabs come and go."""
    memory = []
    for _ in range(repeat + 1):
        page, _ = open_page(browser, server)
        wait_for_panels(page)
        page.close()
        time.sleep(0.5)
        memory.append(server.megabytes)
    row(
        f'{repeat} more tabs came and went',
        f'{memory[0]:7.0f} MB before',
        f'{memory[-1]:.0f} MB after',
        f'{memory[-1] / memory[0] - 1:+.1%}',
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('scan', type=Path, nargs='?')
    parser.add_argument('--points', type=int, default=5_000_000, help='without a scan')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--connections', type=int, default=10)
    parser.add_argument('--repeat', type=int, default=7, help='clicks')
    parser.add_argument('--chromium', default=shutil.which('chromium'))
    parser.add_argument('--picture', type=Path, help='PNG of the page at the end')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        scan = args.scan
        if scan is None:
            scan = Path(folder) / 'rooms.ply'
            tiled_scan(args.points, scan)
        row('load of the machine', f'{os.getloadavg()[0]:7.1f}', f'{os.cpu_count()} cores')
        if 'server' in args.parts:
            server = Server(scan, Path(folder) / 'labels')
            try:
                measure_server(server, scan, args.repeat)
            finally:
                server.stop()
        if set(args.parts) == {'server'}:
            return
        browser = playwright.chromium.launch(executable_path=args.chromium, args=list(FLAGS))
        server = Server(scan, Path(folder) / 'labels')
        try:
            page, moment = open_page(browser, server)
            cpu = server.cpu
            if 'start' in args.parts:
                measure_start(server, moment, cpu, page)
            wait_for_panels(page)
            # The warning about drawing without a graphics card.
            page.locator('.mantine-Notification-closeButton').first.click()
            if 'button' in args.parts:
                measure_buttons(page, 'while encoding', 5)
            if 'orbit' in args.parts:
                measure_orbit(page)
            if {'click', 'button'} & set(args.parts):
                wait_for_model(page, server)
            if 'button' in args.parts:
                measure_buttons(page, 'after it', 5)
            if 'click' in args.parts:
                measure_clicks(page, server, args.repeat)
            if args.picture is not None:
                page.screenshot(path=args.picture)
            page.close()
            if 'tabs' in args.parts:
                measure_tabs(browser, server, args.connections)
        finally:
            browser.close()
            server.stop()
        row('load of the machine', f'{os.getloadavg()[0]:7.1f}')


if __name__ == '__main__':
    main()
