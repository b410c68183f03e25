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
encodes the scan and after. ``orbit`` turns the scene for twelve seconds and counts the pictures, so
that a number comes out however slow they are. ``CPU`` counts seconds of the server process, which
other programs on the machine change little; the load of the machine is printed too.

What was learned:

* With a browser that draws without a graphics card, the browser is what takes time. ``server`` has
  no browser (``viewer_wire.py``), so its times are those of our part alone.
* What is not ours of the first picture: two busy cores had the client of viser loaded and run up to
  its canvas after 4.2 to 5.5 s, and up to its first word to the server after 7.5 to 8.0 s (shaders
  and light of its empty scene). Our answer takes 0.04 to 0.2 s. What was ours: the controls were
  sent at once, and the page built them before it drew, so the points were in it 5.4 s after the
  answer. They wait for the picture now: 1.1 s. The picture itself takes 0.6 s.
* Neither the shape of the dots nor the lights change the time of a picture. The number of points
  does: 50,000 take 0.7 to 1 s on busy cores, 2,000,000 6 to 10 s.
* A mouse of Playwright waits for each picture, so ``orbit`` ended without a number where one took
  ten seconds. Events that are made in the page do not wait.
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
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PageTimeoutError
from viewer_wire import PATIENCE, Server, measure_server, row, tiled_scan

from unison3d.viewer.headless import CHROMIUM_FLAGS

PARTS = ('server', 'start', 'button', 'click', 'orbit', 'tabs')
CLICK_PATIENCE = 60.0  # seconds

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
  const context = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (...values) {
    log.canvas ??= performance.now();
    return context.apply(this, values);
  };
  addEventListener('pointerup', () => (log.release = performance.now()), true);
  addEventListener('click', () => (log.clicked = performance.now()), true);
  new MutationObserver(() => {
    const now = document.documentElement.getAttribute('data-mantine-color-scheme');
    if (now !== log.scheme) [log.scheme, log.dark] = [now, performance.now()];
  }).observe(document, {attributes: true, subtree: true, childList: true});
})();
"""
# Half a turn and more, with the left button held, beside the controls.
TURN = """
(seconds) => {
  const canvas = [...document.querySelectorAll('canvas')].find((c) => c.width > 300);
  const box = canvas.getBoundingClientRect();
  let x = box.x + 0.3 * box.width;
  const say = (target, type, button, buttons) =>
    target.dispatchEvent(new PointerEvent(type, {
      bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', isPrimary: true,
      button, buttons, clientX: x, clientY: box.y + 0.5 * box.height,
    }));
  watched.frames.length = 0;
  watched.turned = performance.now() + 1000 * seconds;
  say(canvas, 'pointerdown', 0, 1);
  const timer = setInterval(() => {
    x += 3;
    say(document, 'pointermove', -1, 1);
    if (performance.now() < watched.turned) return;
    clearInterval(timer);
    say(document, 'pointerup', 0, 0);
  }, 30);
}
"""


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
    steps = {
        'page loaded': 'performance.getEntriesByType("navigation")[0].responseEnd',
        'its canvas made': 'watched.canvas',
        'points in the page': 'watched.uploads.find((u) => u[1] > 1e5)?.[0] ?? 0',
    }
    for name, when in steps.items():
        passed = page.evaluate(f'performance.timeOrigin + ({when})') / 1000 - server.start
        row(f'  {name}', f'{passed:7.2f} s')
    row('first picture', f'{moment - server.start:7.2f} s', f'CPU {cpu:6.2f} s at most')
    sent = page.evaluate('watched.uploads.reduce((sum, upload) => sum + upload[1], 0)')
    row('points sent', f'{sent / 1e6:7.1f} MB', f'server {server.megabytes:.0f} MB')


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
        # A frame may have begun with other blocks before the colours of this one came.
        found = 'const u = watched.uploads.find((u) => u[0] > watched.release);'
        shown = 'watched.frames.find((f) => f.end > u[0])'
        try:
            page.wait_for_function(
                f'() => {{ {found} return u && {shown} }}',
                timeout=1000 * CLICK_PATIENCE,
                polling=50,
            )
        except PageTimeoutError:
            row(f'click {number}', f'no picture in {CLICK_PATIENCE:.0f} s, or beside the scan')
            continue
        arrives, ends = page.evaluate(
            f'() => {{ {found} const f = {shown};'
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


def measure_orbit(page: Page, seconds: float = 12.0) -> None:
    """Turn the scene, by events that are made in the page: a mouse would wait for each picture."""
    # The picture at rest: levels of detail come one after the other.
    page.wait_for_timeout(5000)
    page.evaluate(TURN, seconds)
    page.wait_for_timeout(1000 * seconds)
    frames = page.evaluate('watched.frames.filter((f) => f.end < watched.turned)')
    points = [frame['points'] for frame in frames]
    row(
        'orbit',
        f'{len(frames) / seconds:7.2f} frames/s',
        f'{min(points):,} to {max(points):,} points' if points else 'none was drawn in time',
    )
    page.wait_for_timeout(8000)
    frames = page.evaluate('watched.frames.filter((f) => f.begin > watched.turned)')
    if frames:
        last = frames[-1]
        spent = (last['end'] - last['begin']) / 1000
        row('at rest again', f'{spent:7.2f} s a picture', f'{last["points"]:,} points')


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
        browser = playwright.chromium.launch(
            executable_path=args.chromium, args=list(CHROMIUM_FLAGS)
        )
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
