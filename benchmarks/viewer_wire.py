"""How fast the browser application is without a browser: a websocket says what a page says.

    python benchmarks/viewer_wire.py SCAN

Its times are those of our part alone; ``benchmarks/viewer.py`` has a browser, and runs this as its
part ``server``. ``CPU`` counts seconds of the server process, which other programs on the machine
change little.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from unison3d.structures import PointScene
from unison3d.synth import make_scene

PATIENCE = 600.0  # seconds
TICKS = os.sysconf('SC_CLK_TCK')


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
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            # A step of the encoding, which is waited for, takes that long for millions of points.
            self._process.kill()
            self._process.wait()


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
                if found['type'] == 'SetCameraPositionMessage':
                    # A page says where its camera is now.
                    self.send(CAMERA | {'position': found['position']})
                if found['type'].startswith(kind) and wanted in str(found):
                    return found


def measure_server(server: Server, scan: Path, repeat: int) -> None:
    """From messages of a page to the answers, without a browser."""
    low, high = np.percentile(PointScene.from_file(scan).points, [1, 99], axis=0)
    wire = Wire(server)
    wire.read_until('/scan/0/', 'PointCloud')
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('scan', type=Path)
    parser.add_argument('--repeat', type=int, default=7, help='clicks')
    args = parser.parse_args()
    row('load of the machine', f'{os.getloadavg()[0]:7.1f}', f'{os.cpu_count()} cores')
    with tempfile.TemporaryDirectory() as folder:
        server = Server(args.scan, Path(folder) / 'labels')
        try:
            measure_server(server, args.scan, args.repeat)
        finally:
            server.stop()


if __name__ == '__main__':
    main()
