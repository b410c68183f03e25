"""Who can use the page, tried with a real browser: a person with the token, and pages of others."""

from __future__ import annotations

import http.client
import http.server
import threading

import numpy as np
import pytest

from tests.viewer_page import PATIENCE, until
from unison3d.structures import PointScene
from unison3d.viewer.library import Library
from unison3d.viewer.shared_model import SharedModel

#: What a page of somebody else tries, in a browser of the person who uses the application.
KNOCK = """address => new Promise(done => {
    const socket = new WebSocket(address);
    socket.onopen = () => done('open');
    socket.onerror = () => done('refused');
})"""


@pytest.fixture(scope='module')
def app(tmp_path_factory):
    from unison3d.viewer.app import ViewerApp

    points = np.random.default_rng(0).random((500, 3)).astype(np.float32)
    scan = tmp_path_factory.mktemp('scans') / 'cube.ply'
    PointScene(points).save(scan)
    # No model is asked here.
    with ViewerApp(Library([scan]), SharedModel(scan.with_name('missing.safetensors'))) as app:
        app.start(port=0, token=True)
        yield app


@pytest.fixture
def person(browser):
    """A browser that was never here."""
    with browser.new_context(viewport={'width': 480, 'height': 320}) as context:
        context.set_default_timeout(1000 * PATIENCE)
        yield context


@pytest.fixture
def elsewhere():
    """Address of a page of another program on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'elsewhere')

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}/'
        server.shutdown()


def come_in(app, page, go):
    """Load the page, and wait for the points of its tab."""
    known = set(app.tabs)
    answer = go()
    number = until(page, lambda: set(app.tabs) - known, 'the tab').pop()
    until(page, lambda: app.tabs[number].layer is not None, 'points')
    return answer


def test_a_person_comes_in_with_the_token_and_again_with_the_cookie(app, person):
    plain = app.url.partition('?')[0]
    page = person.new_page()
    assert page.goto(plain).status == 401
    assert 'with its token' in page.inner_text('body')
    assert page.goto(f'{plain}?token=wrong').status == 401
    assert person.cookies() == []
    assert app.tabs == {}

    come_in(app, page, lambda: page.goto(app.url, wait_until='commit'))
    # Nobody reads the token over a shoulder, and no script reads the cookie.
    assert page.url == plain
    (cookie,) = person.cookies()
    assert cookie['httpOnly'] and cookie['sameSite'] == 'Lax'
    assert page.evaluate('document.cookie') == ''

    assert come_in(app, page, lambda: page.reload(wait_until='commit')).status == 200
    assert page.evaluate(KNOCK, plain.replace('http:', 'ws:')) == 'open'
    page.close()


def test_the_address_can_be_followed_from_another_site(app, person, elsewhere):
    """As from a mail that is read in the browser; the port makes no other site, the name does."""
    page = person.new_page()
    page.goto(elsewhere.replace('127.0.0.1', 'localhost'))
    page.set_content(f'<a href="{app.url}">scan</a>')
    with page.expect_response(app.url.partition('?')[0]) as answer:
        page.click('a', no_wait_after=True)
    assert answer.value.status == 200
    page.close()


def test_pages_of_others_reach_neither_the_gate_nor_what_is_behind_it(app, person, elsewhere):
    # The person was let in, and the browser sends the cookie to every port of the machine.
    assert person.request.get(app.url).status == 200
    plain = app.url.partition('?')[0]
    page = person.new_page()
    page.goto(elsewhere)
    inner = f'ws://127.0.0.1:{app._server.get_port()}/'
    for address in (plain, plain.replace('127.0.0.1', 'localhost'), inner):
        assert page.evaluate(KNOCK, address.replace('http:', 'ws:')) == 'refused'
    # Nor can they show it inside of theirs and guide clicks.
    page.set_content(f'<iframe src="{plain}"></iframe>')
    assert page.frames[1].evaluate('location.href') == 'chrome-error://chromewebdata/'


def test_programs_of_this_machine_cannot_go_round_the_gate(app):
    for path in ('/', f'/{app.url.rpartition("/")[2]}'):
        connection = http.client.HTTPConnection('127.0.0.1', app._server.get_port(), timeout=20)
        connection.request('GET', path)
        assert connection.getresponse().status == 403
        connection.close()
