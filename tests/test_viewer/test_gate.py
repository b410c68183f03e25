"""Who gets through the door of the page."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http import HTTPStatus

import pytest

from unison3d.errors import ConfigError
from unison3d.viewer import gate as gate_module
from unison3d.viewer.gate import Gate
from unison3d.viewer.limits import MAX_CONNECTIONS, MAX_HEAD, MAX_WAITING

SECRET = 'open-sesame'


def head(request='GET / HTTP/1.1', **fields):
    fields = {'Host': '127.0.0.1:8080'} | {k.replace('_', '-'): v for k, v in fields.items()}
    lines = [request, *(f'{name}: {value}' for name, value in fields.items() if value is not None)]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')


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
        (head(Content_Length='0'), HTTPStatus.BAD_REQUEST),
        (head(Transfer_Encoding='chunked'), HTTPStatus.BAD_REQUEST),
        (head(**{'x-unison3d_SECRET': SECRET}), HTTPStatus.BAD_REQUEST),
        (head(Host='0.0.0.0:8080'), HTTPStatus.FORBIDDEN),
        (b'GET / HTTP/1.1\r\nHost: localhost\r\nhost: evil\r\n\r\n', HTTPStatus.FORBIDDEN),
    ],
)
def test_only_this_page_of_this_machine_gets_in(text, status):
    gate = Gate(1, SECRET)
    assert gate.token is None
    assert gate.judge(text) == (status, [])


def test_others_need_the_token():
    gate = Gate(1, SECRET, host='0.0.0.0')
    assert all(url.endswith(f':8080/?token={gate.token}') for url in gate.urls)
    assert gate.judge(head(Host='10.0.0.7'))[0] == HTTPStatus.UNAUTHORIZED
    assert gate.judge(head('GET /?token=wrong HTTP/1.1'))[0] == HTTPStatus.UNAUTHORIZED
    assert gate.judge(head('GET /?token=\xe9 HTTP/1.1'))[0] == HTTPStatus.UNAUTHORIZED
    assert gate.judge(head('GET http://[bad HTTP/1.1')) == (HTTPStatus.BAD_REQUEST, [])
    status, lines = gate.judge(head(f'GET /?token={gate.token} HTTP/1.1', Host='10.0.0.7'))
    assert status == HTTPStatus.SEE_OTHER
    assert lines[1] == 'Location: /'
    assert 'HttpOnly' in lines[0] and 'SameSite=Lax' in lines[0]
    cookie = lines[0].split(': ')[1].split(';')[0]
    assert gate.judge(head(Cookie=f'a=b; {cookie}'))[0] is None
    assert gate.judge(head(Cookie=cookie + 'x'))[0] == HTTPStatus.UNAUTHORIZED
    foreign = head(Cookie=cookie, Origin='http://evil.example')
    assert gate.judge(foreign)[0] == HTTPStatus.FORBIDDEN
    # A bookmark with the token: the cookie is there, and the address is cleaned all the same.
    again = head(f'GET /?token={gate.token} HTTP/1.1', Cookie=cookie)
    assert gate.judge(again)[0] == HTTPStatus.SEE_OTHER
    # Browsers send cookies of one port to another; two programs do not overwrite each other's.
    other = Gate(1, SECRET, host='0.0.0.0', port=8081)
    assert other.token != gate.token
    assert other._cookie != gate._cookie


def test_a_token_on_this_machine_too():
    gate = Gate(1, SECRET, token=True)
    assert gate.token in gate.urls[0]
    assert gate.judge(head())[0] == HTTPStatus.UNAUTHORIZED
    address = f'GET /?token={gate.token} HTTP/1.1'
    assert gate.judge(head(address))[0] == HTTPStatus.SEE_OTHER
    # Pages that rebind their name are refused as before.
    assert gate.judge(head(address, Host='evil.example'))[0] == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ('host', 'hosts'),
    [
        ('127.0.0.1', ['127.0.0.1']),
        ('::1', ['[::1]']),
        ('10.1.2.3', ['10.1.2.3']),
        ('machine', ['machine']),
        ('0.0.0.0', ['127.0.0.1', '10.1.2.3']),
        ('::', ['[::1]', '[fd00::7]']),
    ],
)
def test_addresses_lead_somewhere(host, hosts, monkeypatch):
    own = {4: ['10.1.2.3'], 6: ['fd00::7']}
    monkeypatch.setattr(gate_module, 'own_addresses', own.get)
    gate = Gate(1, SECRET, host=host)
    assert [url.partition('?')[0] for url in gate.urls] == [f'http://{h}:8080/' for h in hosts]


class Inner:
    """A server that keeps its connections open and writes down what it hears."""

    def __init__(self, answer=b'HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello'):
        self.heard, self.answer = [], answer
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(
                    target=self.talk, args=(self.listener.accept()[0],), daemon=True
                ).start()

    def talk(self, connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(4096):
                self.heard.append(data)
                connection.sendall(self.answer)


@pytest.fixture
def inner():
    inner = Inner()
    yield inner
    inner.listener.close()


@pytest.fixture
def gate(inner):
    gate = Gate(inner.port, SECRET, port=0)
    gate.start()
    yield gate
    gate.stop()


def connect(gate):
    return socket.create_connection(('127.0.0.1', gate.port), timeout=20)


def hear(person):
    """Until the other side ends, or the whole of what `Inner` says was heard."""
    heard = b''
    while not heard.endswith(b'hello') and (data := person.recv(4096)):
        heard += data
    return heard


def ask(gate, text):
    with connect(gate) as person:
        person.sendall(text)
        return hear(person)


def test_what_is_refused_never_arrives(gate, inner):
    assert ask(gate, head(Host='evil.example')).startswith(b'HTTP/1.1 403')
    assert ask(gate, head(X='x' * MAX_HEAD)).startswith(b'HTTP/1.1 431')
    assert ask(gate, b'x' * (MAX_HEAD + 9)).startswith(b'HTTP/1.1 431')
    assert inner.heard == []


def test_a_request_arrives_with_the_secret(gate, inner):
    answer = ask(gate, head())
    assert inner.heard == [
        f'GET / HTTP/1.1\r\nX-Unison3D-Secret: {SECRET}\r\nHost: 127.0.0.1:8080\r\n\r\n'.encode()
    ]
    assert answer.startswith(b'HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\n')
    assert answer.endswith(b'\r\nA: b\r\n\r\nhello')


@pytest.mark.parametrize('fields', [{}, {'Upgrade': 'websocket', 'Connection': 'Upgrade'}])
def test_no_second_request_comes_behind_the_first(gate, inner, fields):
    """Neither together with it nor later, whatever the first one asked for."""
    evil = head('GET /second HTTP/1.1', Host='evil.example')
    with connect(gate) as person:
        person.sendall(head(**fields) + evil)
        assert hear(person).startswith(b'HTTP/1.1 200')
        person.sendall(evil)
        person.settimeout(0.3)
        with pytest.raises(TimeoutError):
            person.recv(4096)
    assert len(inner.heard) == 1
    assert b'second' not in inner.heard[0]


def test_bytes_of_a_websocket_go_both_ways(gate, inner):
    inner.answer = b'HTTP/1.1 101 Switching Protocols\r\n\r\n'
    with connect(gate) as person:
        person.sendall(head())
        assert person.recv(4096) == inner.answer
        inner.answer = b'hello'
        person.sendall(b'more')
        assert person.recv(4096) == b'hello'
    assert inner.heard[1:] == [b'more']


def test_a_server_that_talks_nonsense_is_left(gate, inner):
    inner.answer = b'x' * (MAX_HEAD + 9)
    assert ask(gate, head()) == b''


def test_not_more_connections_than_allowed(gate, inner):
    inner.answer = b'HTTP/1.1 101 Switching Protocols\r\n\r\nhello'
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            person = stack.enter_context(connect(gate))
            person.sendall(head())
            assert hear(person) == inner.answer
        assert ask(gate, head()).startswith(b'HTTP/1.1 503')
    end = time.monotonic() + 20
    while not ask(gate, head()).startswith(b'HTTP/1.1 101'):
        assert time.monotonic() < end, 'those who left are still counted'


def test_who_says_nothing_keeps_nobody_out(gate):
    with contextlib.ExitStack() as stack:
        oldest, *others = [stack.enter_context(connect(gate)) for _ in range(MAX_WAITING)]
        assert ask(gate, head()).startswith(b'HTTP/1.1 200')
        # One had to go for it, and only that one.
        assert oldest.recv(1) == b''
        others[0].sendall(head())
        assert hear(others[0]).startswith(b'HTTP/1.1 200')


def test_who_says_nothing_is_shown_out(inner, monkeypatch):
    monkeypatch.setattr(gate_module, 'HEAD_SECONDS', 0.05)
    gate = Gate(inner.port, SECRET, port=0)
    gate.start()
    try:
        assert ask(gate, b'GET / HT').startswith(b'HTTP/1.1 408')
    finally:
        gate.stop()


def test_an_address_that_cannot_be_listened_on(gate):
    with pytest.raises(ConfigError, match='--port'):
        Gate(1, SECRET, port=gate.port).start()
    with pytest.raises(ConfigError, match='--host is empty'):
        Gate(1, SECRET, host='').start()
    for wrong in ({'host': 'a..b'}, {'port': 65536}):
        with pytest.raises(ConfigError, match='another --host'):
            Gate(1, SECRET, **wrong).start()
