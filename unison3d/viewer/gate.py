"""The door of the page: who may connect to the server behind it.

The server of viser asks nobody who they are, and any page in a browser may connect to a server on
the same machine. So it listens on 127.0.0.1 at a port the system chooses, which nobody is told, and
people come through here: the first lines of every connection are read, refused where they do not
fit, and passed on with whatever follows.

This guards the port that people know, not the inner one: that is open to everything on this
machine, without a check and without the token. Local programs can find it, and a page in a local
browser can guess it.

A connection may pass here when

* its ``Host`` is a name of this machine (against pages that rebind their name to 127.0.0.1),
* its ``Origin``, where it has one, is this page (against other pages in the same browser),
* it brings the token, where there is one: in the address once, as a cookie from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import secrets
import threading
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from unison3d.errors import ConfigError

__all__ = ['Gate', 'is_loopback']

_COOKIE = 'unison3d_token'
_MAX_HEAD = 16_384  # bytes of the first lines
_PATIENCE = 10.0  # seconds until they must be there
_MAX_CONNECTIONS = 64


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own and nobody else's."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Gate:
    """Listens for people and hands them on.

    Args:
        inner_port: of the server on 127.0.0.1.
        host: address to listen on; another one than this machine's own needs a token, which is
            made here.
        port: 0 takes a free one; a port that is taken is an error.
    """

    def __init__(self, inner_port: int, host: str = '127.0.0.1', port: int = 8080) -> None:
        self.host, self.port = host, port
        self.token = None if is_loopback(host) else secrets.token_urlsafe(24)
        self._inner_port = inner_port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._failure: OSError | None = None
        self._open: set[asyncio.Task] = set()

    @property
    def url(self) -> str:
        """Where to go, with the token."""
        host = f'[{self.host}]' if ':' in self.host else self.host
        address = f'http://{host}:{self.port}/'
        return address if self.token is None else f'{address}?token={self.token}'

    def start(self) -> None:
        """Listen, on a thread of its own.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            raise ConfigError(
                f'cannot listen on {self.host}:{self.port} ({self._failure}). Choose another '
                '--port, or another --host.'
            ) from self._failure

    def stop(self) -> None:
        """End all connections."""
        if self._loop is not None and self._stop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(timeout=5)

    # ------------------------------------------------------------------ connections

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._accept, self.host, self.port, limit=_MAX_HEAD)
        except OSError as error:
            self._failure = error
            ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._open.add(task)
        try:
            if len(self._open) > _MAX_CONNECTIONS:
                await _answer(writer, HTTPStatus.SERVICE_UNAVAILABLE)
            else:
                await self._let_in(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), _PATIENCE)
        except asyncio.LimitOverrunError:
            await _answer(writer, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        except asyncio.TimeoutError:
            await _answer(writer, HTTPStatus.REQUEST_TIMEOUT)
            return
        status, more = self.judge(head)
        if status is not None:
            await _answer(writer, status, more)
            return
        inner_reader, inner_writer = await asyncio.open_connection('127.0.0.1', self._inner_port)
        try:
            inner_writer.write(head)
            ways = [
                asyncio.create_task(_pass_on(reader, inner_writer)),
                asyncio.create_task(_pass_on(inner_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            inner_writer.close()

    # ------------------------------------------------------------------ judging

    def judge(self, head: bytes) -> tuple[HTTPStatus | None, list[str]]:
        """What to answer to the first lines of a connection.

        Args:
            head: up to the empty line.

        Returns:
            None when it may pass, else the status, and further lines of the answer.
        """
        lines = head.decode('latin-1').split('\r\n')
        request = lines[0].split(' ')
        fields: dict[str, list[str]] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(':')
            if colon:
                fields.setdefault(name.strip().lower(), []).append(value.strip())
        # No bodies, so that a second request cannot hide behind the first.
        if len(request) != 3 or request[0] not in ('GET', 'HEAD'):
            return HTTPStatus.METHOD_NOT_ALLOWED, []
        if 'content-length' in fields or 'transfer-encoding' in fields:
            return HTTPStatus.BAD_REQUEST, []
        hosts, origins = fields.get('host', []), fields.get('origin', [])
        if len(hosts) != 1 or len(origins) > 1 or not self._knows(hosts[0]):
            return HTTPStatus.FORBIDDEN, []
        if origins and origins[0].lower() not in (
            f'http://{hosts[0].lower()}',
            f'https://{hosts[0].lower()}',
        ):
            return HTTPStatus.FORBIDDEN, []
        if self.token is None or self._has_cookie(fields.get('cookie', [])):
            return None, []
        try:
            given = parse_qs(urlsplit(request[1]).query).get('token', [''])[0]
        except ValueError:
            return HTTPStatus.BAD_REQUEST, []
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return HTTPStatus.UNAUTHORIZED, []
        cookie = f'Set-Cookie: {_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/'
        # Without the token in the address, where it would be read over a shoulder.
        return HTTPStatus.SEE_OTHER, [cookie, 'Location: /']

    def _knows(self, host: str) -> bool:
        # With a token, names are as many as the machine has; the token is what counts.
        if self.token is not None:
            return True
        with contextlib.suppress(ValueError):
            return is_loopback(urlsplit(f'//{host}').hostname or '')
        return False

    def _has_cookie(self, values: list[str]) -> bool:
        for value in values:
            with contextlib.suppress(CookieError):
                morsel = SimpleCookie(value).get(_COOKIE)
                if morsel and hmac.compare_digest(morsel.value.encode(), self.token.encode()):
                    return True
        return False


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def _answer(
    writer: asyncio.StreamWriter, status: HTTPStatus, more: list[str] | None = None
) -> None:
    text = f'{status.value} {status.phrase}\n'
    if status == HTTPStatus.UNAUTHORIZED:
        text += 'Open the address that the terminal shows, with its token.\n'
    lines = [
        f'HTTP/1.1 {status.value} {status.phrase}',
        'Content-Type: text/plain; charset=utf-8',
        f'Content-Length: {len(text)}',
        'Cache-Control: no-store',
        'Connection: close',
        *(more or []),
    ]
    writer.write('\r\n'.join([*lines, '', text]).encode())
    await writer.drain()
