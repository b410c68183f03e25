"""Who gets through the door of the page."""

from __future__ import annotations

import socket
import threading
from http import HTTPStatus

import pytest

from unison3d.errors import ConfigError
from unison3d.viewer.gate import Gate, is_loopback


def head(request='GET / HTTP/1.1', **fields):
    fields = {'Host': '127.0.0.1:8080'} | {k.replace('_', '-'): v for k, v in fields.items()}
    lines = [request, *(f'{name}: {value}' for name, value in fields.items() if value is not None)]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')


def test_own_addresses():
    assert all(is_loopback(host) for host in ('127.0.0.1', '127.0.0.9', '::1', 'localhost'))
    others = ('0.0.0.0', '::', '10.0.0.1', 'example.org', 'localhost.example.org', '127.0.0.1.nip')
    assert not any(is_loopback(host) for host in others)


@pytest.mark.parametrize(
    ('text', 'status'),
    [
        (head(), None),
        (head(Host='localhost:8080', Origin='http://localhost:8080'), None),
        (head(Host='[::1]:8080'), None),
        (head(Host='evil.example'), HTTPStatus.FORBIDDEN),
        (head(Host=None), HTTPStatus.FORBIDDEN),
        (head(Host='[bad'), HTTPStatus.FORBIDDEN),
        (head(Origin='http://evil.example'), HTTPStatus.FORBIDDEN),
        (head(Origin='null'), HTTPStatus.FORBIDDEN),
        (head(Origin='http://127.0.0.1:9'), HTTPStatus.FORBIDDEN),
        (head('POST / HTTP/1.1'), HTTPStatus.METHOD_NOT_ALLOWED),
        (head('nonsense'), HTTPStatus.METHOD_NOT_ALLOWED),
        (head(Content_Length='3'), HTTPStatus.BAD_REQUEST),
        (b'GET / HTTP/1.1\r\nHost: localhost\r\nhost: evil\r\n\r\n', HTTPStatus.FORBIDDEN),
    ],
)
def test_only_this_page_of_this_machine_gets_in(text, status):
    gate = Gate(1, '127.0.0.1', 8080)
    assert gate.token is None
    assert gate.judge(text) == (status, [])


def test_others_need_the_token():
    gate = Gate(1, '0.0.0.0', 8080)
    assert gate.token in gate.url
    assert gate.judge(head(Host='10.0.0.7'))[0] == HTTPStatus.UNAUTHORIZED
    assert gate.judge(head('GET /?token=wrong HTTP/1.1'))[0] == HTTPStatus.UNAUTHORIZED
    assert gate.judge(head('GET /?token=\xe9 HTTP/1.1'))[0] == HTTPStatus.UNAUTHORIZED
    assert gate.judge(head('GET http://[bad HTTP/1.1')) == (HTTPStatus.BAD_REQUEST, [])
    status, lines = gate.judge(head(f'GET /?token={gate.token} HTTP/1.1', Host='10.0.0.7'))
    assert status == HTTPStatus.SEE_OTHER
    assert lines[1] == 'Location: /'
    assert 'HttpOnly' in lines[0] and 'SameSite=Strict' in lines[0]
    cookie = lines[0].split(': ')[1].split(';')[0]
    assert gate.judge(head(Cookie=f'a=b; {cookie}'))[0] is None
    assert gate.judge(head(Cookie=cookie + 'x'))[0] == HTTPStatus.UNAUTHORIZED
    foreign = head(Cookie=cookie, Origin='http://evil.example')
    assert gate.judge(foreign)[0] == HTTPStatus.FORBIDDEN
    assert Gate(1, '0.0.0.0').token != gate.token


def test_bytes_go_both_ways_and_nothing_before_the_check():
    inner = socket.create_server(('127.0.0.1', 0))
    heard = []

    def serve():
        connection, _ = inner.accept()
        heard.append(connection.recv(4096))
        connection.sendall(b'hello')
        heard.append(connection.recv(4096))
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    gate = Gate(inner.getsockname()[1], port=0)
    gate.start()
    try:
        refused = socket.create_connection(('127.0.0.1', gate.port), timeout=10)
        refused.sendall(head(Host='evil.example'))
        assert refused.recv(4096).startswith(b'HTTP/1.1 403')
        refused.close()
        large = socket.create_connection(('127.0.0.1', gate.port), timeout=10)
        large.sendall(b'GET / HTTP/1.1\r\nX: ' + b'x' * 40_000 + b'\r\n\r\n')
        assert large.recv(4096).startswith(b'HTTP/1.1 431')
        large.close()
        assert heard == []
        friend = socket.create_connection(('127.0.0.1', gate.port), timeout=10)
        friend.sendall(head())
        assert friend.recv(4096) == b'hello'
        friend.sendall(b'more')
        thread.join(10)
        assert heard == [head(), b'more']
        with pytest.raises(ConfigError, match='--port'):
            Gate(1, port=gate.port).start()
    finally:
        gate.stop()
        inner.close()
