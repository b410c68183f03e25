"""What the page of viser lacks in the browser: scripts that are put into it.

``assets/viewer/touch.js`` lets fingers click, ``assets/viewer/dark.js`` remembers light and dark.
"""

from __future__ import annotations

import functools
import gzip
import importlib.resources
from typing import Any

__all__ = ['add_scripts', 'script_tags']

_NAMES = ('touch.js', 'dark.js')


def add_scripts(response: Any) -> Any:
    """Add the scripts to a page, in place.

    Args:
        response: of websockets, or None for those that are no files.

    Returns:
        The same.
    """
    if response is None or not response.headers.get('Content-Type', '').startswith('text/html'):
        return response
    packed = response.headers.get('Content-Encoding') == 'gzip'
    response.body = _with_scripts(response.body, packed)
    del response.headers['Content-Length']
    response.headers['Content-Length'] = str(len(response.body))
    return response


@functools.cache
def script_tags() -> bytes:
    """The scripts as they stand in the page."""
    folder = importlib.resources.files('unison3d').joinpath('assets', 'viewer')
    texts = [folder.joinpath(name).read_bytes() for name in _NAMES]
    return b''.join(b'<script>\n' + text + b'</script>\n' for text in texts)


@functools.lru_cache(maxsize=2)
def _with_scripts(body: bytes, packed: bool) -> bytes:
    page = gzip.decompress(body) if packed else body
    page = page.replace(b'<head>', b'<head>' + script_tags(), 1)
    # Quickly: it goes to this machine, or to a phone beside it.
    return gzip.compress(page, 1) if packed else page
