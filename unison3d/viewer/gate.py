"""The door of the page: who may connect to the server behind it.

The server of viser asks nobody who they are, and any page in a browser may connect to a server on
the same machine. So it answers only to who knows a secret (:mod:`unison3d.viewer.inner_server`),
and people come through here: the first lines of every connection are read, refused where they do
not fit, and passed on with the secret. What follows them is passed on only after the server has
agreed to a websocket, so that no second request can come behind the first.

A connection may pass when

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
from collections.abc import Coroutine
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from unison3d.errors import ConfigError
from unison3d.viewer.addresses import is_loopback, own_addresses
from unison3d.viewer.inner_server import SECRET_HEADER
from unison3d.viewer.limits import HEAD_SECONDS, MAX_CONNECTIONS, MAX_HEAD, MAX_WAITING

__all__ = ['Gate']

_COOKIE = 'unison3d_token'
#: Lines of every page: nobody may put it into a page of theirs, where clicks can be guided.
_PAGE_LINES = (
    'X-Frame-Options: DENY',
    'X-Content-Type-Options: nosniff',
    'Referrer-Policy: no-referrer',
)


class Gate:
    """Listens for people and hands them on.

    Args:
        inner_port: of the server on 127.0.0.1.
        secret: what that server asks for.
        host: address to listen on; another one than this machine's own needs a token, which is
            made here.
        port: 0 takes a free one; a port that is taken is an error.
        token: ask for a token on this machine's own address as well.
    """

    def __init__(
        self,
        inner_port: int,
        secret: str,
        *,
        host: str = '127.0.0.1',
        port: int = 8080,
        token: bool = False,
    ) -> None:
        self.host, self.port = host, port
        self._is_private = is_loopback(host)
        self.token = None if self._is_private and not token else secrets.token_urlsafe(24)
        self._inner_port, self._secret = inner_port, secret
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._failure: Exception | None = None
        # Connections that were not judged yet, the oldest first, and those that were let in.
        self._waiting: dict[asyncio.Task, None] = {}
        self._inside: set[asyncio.Task] = set()

    @property
    def urls(self) -> tuple[str, ...]:
        """Where to go, with the token: first on this machine, then from others."""
        ending = '' if self.token is None else f'?token={self.token}'
        names = [f'[{host}]' if ':' in host else host for host in self._hosts()]
        return tuple(f'http://{name}:{self.port}/{ending}' for name in names)

    def _hosts(self) -> list[str]:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return [self.host]
        if not address.is_unspecified:
            return [self.host]
        # Listening everywhere is no place to go to.
        return ['127.0.0.1' if address.version == 4 else '::1', *own_addresses(address.version)]

    def start(self) -> None:
        """Listen, on a thread of its own.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        if not self.host:
            raise ConfigError('--host is empty. Give an address, or 0.0.0.0 for all.')
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
            server = await asyncio.start_server(self._accept, self.host, self.port, limit=MAX_HEAD)
        except (OSError, ValueError, OverflowError) as error:
            # Not only what the system says: names and ports can be none at all.
            self._failure = error
            ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        tasks = [*self._waiting, *self._inside]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._waiting) >= MAX_WAITING:
            # Whoever says nothing must not keep others out; a person's browser speaks at once.
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.cancel()
        self._waiting[task] = None
        try:
            head = await self._fitting_head(reader, writer)
            if head is None:
                return
            if len(self._inside) >= MAX_CONNECTIONS:
                await _answer(writer, HTTPStatus.SERVICE_UNAVAILABLE)
                return
            self._waiting.pop(task, None)
            self._inside.add(task)
            await self._let_in(head, reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            self._waiting.pop(task, None)
            self._inside.discard(task)
            writer.close()

    async def _fitting_head(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """The first lines of a connection; None where they do not fit, after an answer."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), HEAD_SECONDS)
        except asyncio.LimitOverrunError:
            await _answer(writer, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return None
        except asyncio.TimeoutError:
            await _answer(writer, HTTPStatus.REQUEST_TIMEOUT)
            return None
        status, more = self.judge(head)
        if status is not None:
            await _answer(writer, status, more)
            return None
        return head

    async def _let_in(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(
            '127.0.0.1', self._inner_port, limit=MAX_HEAD
        )
        try:
            inner_writer.write(_with_lines(head, f'{SECRET_HEADER}: {self._secret}'))
            answer = await inner_reader.readuntil(b'\r\n\r\n')
            ways = [_pass_on(inner_reader, writer)]
            if answer.startswith(b'HTTP/1.1 101 '):
                # A websocket: from here on no more requests, only messages.
                ways.append(_pass_on(reader, inner_writer))
            else:
                answer = _with_lines(answer, *_PAGE_LINES)
            writer.write(answer)
            await _first_of(ways)
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
        # No bodies, so nothing has to be said about their size.
        if len(request) != 3 or request[0] not in ('GET', 'HEAD'):
            return HTTPStatus.METHOD_NOT_ALLOWED, []
        if fields.keys() & {'content-length', 'transfer-encoding', SECRET_HEADER.lower()}:
            return HTTPStatus.BAD_REQUEST, []
        hosts, origins = fields.get('host', []), fields.get('origin', [])
        if len(hosts) != 1 or len(origins) > 1 or not self._knows(hosts[0]):
            return HTTPStatus.FORBIDDEN, []
        if origins and origins[0].lower() not in (
            f'http://{hosts[0].lower()}',
            f'https://{hosts[0].lower()}',
        ):
            return HTTPStatus.FORBIDDEN, []
        if self.token is None:
            return None, []
        try:
            given = parse_qs(urlsplit(request[1]).query).get('token', [''])[0]
        except ValueError:
            return HTTPStatus.BAD_REQUEST, []
        if hmac.compare_digest(given.encode(), self.token.encode()):
            # Not Strict: whoever follows the address from another page, as from their mail, would
            # come to the next line without the cookie. Frames and websockets of others bring none.
            cookie = f'Set-Cookie: {self._cookie}={self.token}; HttpOnly; SameSite=Lax; Path=/'
            # Without the token in the address, where it would be read over a shoulder.
            return HTTPStatus.SEE_OTHER, [cookie, 'Location: /']
        if self._has_cookie(fields.get('cookie', [])):
            return None, []
        return HTTPStatus.UNAUTHORIZED, []

    def _knows(self, host: str) -> bool:
        # For others, the machine has names that it does not know; the token is what counts there.
        if not self._is_private:
            return True
        with contextlib.suppress(ValueError):
            return is_loopback(urlsplit(f'//{host}').hostname or '')
        return False

    @property
    def _cookie(self) -> str:
        # Browsers keep cookies by name and machine, whatever the port.
        return f'{_COOKIE}_{self.port}'

    def _has_cookie(self, values: list[str]) -> bool:
        for value in values:
            with contextlib.suppress(CookieError):
                morsel = SimpleCookie(value).get(self._cookie)
                if morsel and hmac.compare_digest(morsel.value.encode(), self.token.encode()):
                    return True
        return False


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def _first_of(ways: list[Coroutine[None, None, None]]) -> None:
    """Until one of them ends; the others are ended."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _with_lines(head: bytes, *lines: str) -> bytes:
    """The first lines of a request or an answer, with more of them."""
    first, rest = head.split(b'\r\n', 1)
    return b'\r\n'.join([first, *(line.encode('latin-1') for line in lines), rest])


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
        *_PAGE_LINES,
        *(more or []),
    ]
    writer.write('\r\n'.join([*lines, '', text]).encode())
    await writer.drain()
