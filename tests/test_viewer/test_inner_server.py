"""Nobody uses the server behind the gate without its secret."""

from __future__ import annotations

import gzip
import http.client
import time

import pytest

from tests.viewer_messages import CAMERA
from unison3d.errors import MissingDependencyError
from unison3d.viewer.inner_server import SECRET_HEADER, start_inner_server
from unison3d.viewer.limits import MAX_MESSAGE, MAX_PICTURE
from unison3d.viewer.page_scripts import script_tags

viser = pytest.importorskip('viser')
websockets_client = pytest.importorskip('websockets.sync.client')
msgpack = pytest.importorskip('msgspec').msgpack
exceptions = pytest.importorskip('websockets.exceptions')

SECRET = 'open-sesame'
WRONG = [None, {}, {SECRET_HEADER: ''}, {SECRET_HEADER: SECRET + 'x'}, {SECRET_HEADER: '\xe9'}]


@pytest.fixture(scope='module')
def server():
    server = start_inner_server('test', SECRET)
    yield server
    server.stop()


def get(port, headers):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    try:
        connection.request('GET', '/', headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def connect(port, headers, **options):
    return websockets_client.connect(
        f'ws://127.0.0.1:{port}',
        additional_headers=headers,
        subprotocols=[f'viser-v{viser.__version__}'],
        compression=None,
        proxy=None,
        open_timeout=20,
        **options,
    )


def until(is_so):
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def heard(server, monkeypatch):
    """Kinds of the messages that viser hands to anybody."""
    kinds = []
    handle = server._websock_server._handle_incoming_message

    async def listen(client, message):
        kinds.append(type(message).__name__)
        await handle(client, message)

    monkeypatch.setattr(server._websock_server, '_handle_incoming_message', listen)
    return kinds


@pytest.mark.parametrize('headers', WRONG)
def test_files_need_the_secret(server, headers):
    assert get(server.get_port(), headers) == (403, b'Forbidden\n')


@pytest.mark.parametrize('headers', WRONG)
def test_websockets_need_the_secret(server, headers):
    with pytest.raises(exceptions.InvalidStatus) as error, connect(server.get_port(), headers):
        pass
    assert error.value.response.status_code == 403


def test_the_secret_twice_is_one_too_many(server):
    headers = [(SECRET_HEADER, SECRET), (SECRET_HEADER, SECRET)]
    with pytest.raises(exceptions.InvalidStatus), connect(server.get_port(), headers):
        pass


def test_with_the_secret_it_serves(server):
    status, page = get(server.get_port(), {SECRET_HEADER: SECRET})
    assert status == 200
    assert b'<html' in page
    # This version of viser has the place for the line that lets fingers click.
    assert script_tags() in page
    packed = get(server.get_port(), {SECRET_HEADER: SECRET, 'Accept-Encoding': 'gzip'})[1]
    assert gzip.decompress(packed) == page
    with connect(server.get_port(), {SECRET_HEADER: SECRET}) as tab:
        assert tab.recv(timeout=20)


def test_other_servers_of_this_process_are_as_they_were(server):
    other = viser.ViserServer(host='127.0.0.1', port=0, verbose=False)
    try:
        assert get(other.get_port(), {})[0] == 200
    finally:
        other.stop()


@pytest.mark.parametrize(
    'message',
    [
        {'type': 'FileTransferStartUpload', 'size_bytes': 1},
        {'type': 'FileTransferPart', 'content': b'x'},
        {'type': 'ShareUrlRequest'},
        {'type': 'GuiUpdateMessage', 'uuid': '1', 'updates': {'value': 'x' * MAX_MESSAGE}},
        {'type': 'GetRenderResponseMessage', 'payload': b'x' * MAX_PICTURE},
        {'no': 'type'},
        [1, 2],
        'text',
    ],
    ids=lambda message: message.get('type', 'no type') if isinstance(message, dict) else 'other',
)
def test_what_nobody_has_to_send_ends_the_connection(server, heard, message):
    with connect(server.get_port(), {SECRET_HEADER: SECRET}, max_size=None) as tab:
        # viser knows a tab from its first message of the camera on.
        tab.send(msgpack.encode(CAMERA))
        until(lambda: server.get_clients() and heard)
        tab.send(message if isinstance(message, str) else msgpack.encode(message))
        with pytest.raises(exceptions.ConnectionClosedError) as closed:
            for _ in range(1000):
                tab.recv(timeout=20)
    # 1009 is said by websockets itself where a message is larger than any may be.
    assert closed.value.rcvd.code in (1008, 1009)
    until(lambda: not server.get_clients())
    assert heard == ['ViewerCameraMessage']


def test_what_a_tab_sends_arrives(server):
    seen = []
    server.on_client_connect(lambda client: seen.append(client.camera.image_width))
    with connect(server.get_port(), {SECRET_HEADER: SECRET}, max_size=None) as tab:
        # A picture may be larger than other messages.
        picture = {
            'type': 'GetRenderResponseMessage',
            'payload': b'x' * MAX_MESSAGE,
            'render_uuid': '',
        }
        tab.send(msgpack.encode(picture))
        tab.send(msgpack.encode(CAMERA))
        until(lambda: seen)
    assert seen == [CAMERA['image_width']]


def test_a_viser_that_cannot_be_locked_is_not_started(monkeypatch):
    """Another version may start its server in another way."""
    stopped = []

    class Other(viser.ViserServer):
        def __init__(self, host, **options):
            super().__init__(host=''.join(host), **options)

        def stop(self):
            stopped.append(self.get_port())
            super().stop()

    monkeypatch.setattr(viser, 'ViserServer', Other)
    with pytest.raises(MissingDependencyError, match='not started'):
        start_inner_server('test', SECRET)
    assert len(stopped) == 1
    with pytest.raises(OSError, match='refused'):
        get(stopped[0], {})
