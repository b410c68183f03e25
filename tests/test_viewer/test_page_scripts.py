"""Scripts in the page; `test_app_tools.py` taps, and `test_app_keyboard.py` looks in the dark."""

from __future__ import annotations

import gzip

import pytest

from unison3d.viewer.page_scripts import add_scripts

websockets = pytest.importorskip('websockets')
PAGE = b'<!doctype html><html><head><title>x</title></head><body></body></html>'


def response(body, **headers):
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    lines = {'Content-Length': str(len(body)), **headers}
    return Response(200, 'OK', Headers({k.replace('_', '-'): v for k, v in lines.items()}), body)


@pytest.mark.parametrize('packed', [False, True])
def test_a_page(packed):
    body = gzip.compress(PAGE) if packed else PAGE
    encoding = 'gzip' if packed else 'identity'
    got = add_scripts(response(body, Content_Type='text/html', Content_Encoding=encoding))
    assert got.headers.get_all('Content-Length') == [str(len(got.body))]
    page = gzip.decompress(got.body) if packed else got.body
    start, script, rest = page.partition(b'<script>')
    assert start == b'<!doctype html><html><head>'
    assert b'releasePointerCapture' in script + rest
    assert page.endswith(PAGE.partition(b'<head>')[2])


def test_what_is_no_page():
    script = response(b'const x = "<head>"', Content_Type='application/javascript')
    assert add_scripts(script).body == b'const x = "<head>"'
    assert add_scripts(None) is None
