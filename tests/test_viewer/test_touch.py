"""The line in the page that lets fingers click; `test_app_tools.py` taps."""

from __future__ import annotations

import gzip

import pytest

from unison3d.viewer.touch import let_fingers_click

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
    got = let_fingers_click(response(body, Content_Type='text/html', Content_Encoding=encoding))
    assert got.headers.get_all('Content-Length') == [str(len(got.body))]
    page = gzip.decompress(got.body) if packed else got.body
    start, script, rest = page.partition(b'<script>')
    assert start == b'<!doctype html><html><head>'
    assert b'releasePointerCapture' in script + rest
    assert page.endswith(PAGE.partition(b'<head>')[2])


def test_what_is_no_page():
    script = response(b'const x = "<head>"', Content_Type='application/javascript')
    assert let_fingers_click(script).body == b'const x = "<head>"'
    assert let_fingers_click(None) is None
