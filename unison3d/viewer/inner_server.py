"""The server of viser, behind a lock.

viser asks nobody who they are, and every program on the machine can connect to 127.0.0.1, as can a
page in a browser. So each request, of a file as of a websocket, has to bring a secret that only
:class:`~unison3d.viewer.gate.Gate` adds, in a header that no page can send. All others are refused,
and so are messages that are too large.

viser has no setting for this. It builds its server with ``websockets.asyncio.server.serve``, a
public function with a public hook for requests and one for connections; that function is replaced
while the server of this module starts, and only for it. Whether the server then refuses requests
without the secret is tried at every start, and one that does not is stopped. That messages are
refused is not tried there, only in the tests.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import io
import threading
from http import HTTPStatus
from typing import Any

from unison3d.errors import MissingDependencyError, Unison3DError, install_line
from unison3d.viewer.limits import MAX_MESSAGE, MAX_PICTURE
from unison3d.viewer.page_scripts import add_scripts

__all__ = ['SECRET_HEADER', 'start_inner_server']

SECRET_HEADER = 'X-Unison3D-Secret'
_PICTURE = 'GetRenderResponseMessage'
#: The page has no upload, and viser would collect without end. It would also open a tunnel to a
#: server on the internet for everybody who asks.
_REFUSED = ('FileTransferStartUpload', 'FileTransferPart', 'ShareUrlRequest', 'ShareUrlDisconnect')
_TIMEOUT = 60.0  # seconds of a request to ourselves; machines can be busy
_replacing = threading.Lock()


class _Host(str):
    """An address that can be told from an equal one, so that no other server gets the lock."""


def start_inner_server(title: str, secret: str) -> Any:
    """Start viser on 127.0.0.1, at a port that the system chooses.

    Args:
        title: of the page.
        secret: what a request has to bring as :data:`SECRET_HEADER`; printable ASCII.

    Returns:
        The ``viser.ViserServer``.

    Raises:
        MissingDependencyError: viser is missing, or a version of it that cannot be locked.
    """
    try:
        import viser
        from websockets.asyncio import server as websockets_server
    except ImportError as error:
        raise MissingDependencyError('viser', 'viewer', 'the browser application') from error

    class Server(viser.ViserServer):
        """A server that never opens a tunnel to the public internet, whoever asks."""

        def request_share_url(self, verbose: bool = True) -> None:
            raise Unison3DError('this server is not shared')

    host = _Host('127.0.0.1')
    connection_class = _checked_connection(websockets_server.ServerConnection)

    with _replacing:
        serve = websockets_server.serve

        def serve_locked(handler: Any, *args: Any, **options: Any) -> Any:
            if any(value is host for value in (*args, options.get('host'))):
                check = _checked_request(secret, options.get('process_request'))
                options |= {'process_request': check, 'create_connection': connection_class}
                options['max_size'] = MAX_PICTURE
            return serve(handler, *args, **options)

        websockets_server.serve = serve_locked
        try:
            # Its greeting names an address that is not the one to use.
            with contextlib.redirect_stdout(io.StringIO()):
                server = Server(host=host, port=0, label=title, verbose=False)
        finally:
            websockets_server.serve = serve
    if not is_locked(server.get_port(), secret):
        server.stop()
        raise MissingDependencyError(
            f'viser {viser.__version__} was not seen to refuse requests without the secret of this '
            'program, so others on this machine could use the application. It is not started. '
            f'Install the version that it was made for: {install_line("viewer", "--upgrade")}'
        )
    return server


def is_locked(port: int, secret: str) -> bool:
    """Whether a server on this machine refuses files and websockets that bring no secret.

    And whether it serves with it, since one that refuses everything would be of no use.
    """
    websocket = {
        'Connection': 'Upgrade',
        'Upgrade': 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    }
    key = {SECRET_HEADER: secret}
    expected = [
        ({}, HTTPStatus.FORBIDDEN),
        (websocket, HTTPStatus.FORBIDDEN),
        (key, HTTPStatus.OK),
    ]
    return all(_status(port, headers) == status for headers, status in expected)


def _status(port: int, headers: dict[str, str]) -> int | None:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=_TIMEOUT)
    try:
        connection.request('GET', '/', headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _checked_request(secret: str, process_request: Any) -> Any:
    """A hook of websockets that lets only requests with the secret go on to another hook."""

    def check(connection: Any, request: Any) -> Any:
        given = request.headers.get_all(SECRET_HEADER)
        if len(given) != 1 or not hmac.compare_digest(_bytes(given[0]), _bytes(secret)):
            return connection.respond(HTTPStatus.FORBIDDEN, 'Forbidden\n')
        if process_request is None:
            return None
        return add_scripts(process_request(connection, request))

    return check


def _bytes(text: str) -> bytes:
    return text.encode('utf-8', 'surrogateescape')


def _checked_connection(base: type) -> type:
    """A connection of websockets that ends where a message comes that nobody has to send."""
    import msgspec

    class Kind(msgspec.Struct):
        type: str

    decoder = msgspec.msgpack.Decoder(Kind)

    def is_allowed(message: bytes | str) -> bool:
        try:
            kind = decoder.decode(message).type
        except (msgspec.MsgspecError, TypeError):
            return False
        size = MAX_PICTURE if kind == _PICTURE else MAX_MESSAGE
        return kind not in _REFUSED and len(message) <= size

    class Connection(base):
        async def recv(self, *args: Any, **options: Any) -> Any:
            while True:
                message = await super().recv(*args, **options)
                if is_allowed(message):
                    return message
                # After what had come before, the next turn ends the connection.
                await self.close(1008, 'refused')

    return Connection
