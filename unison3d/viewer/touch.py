"""Fingers on the page of viser.

A browser captures every touch for the element it begins on. viser takes any capture for a handle
that is being dragged, so that taps in the picture, and rectangles drawn with a finger, do nothing.
A line in the page gives each touch free before viser looks at it; the mouse is never captured.
"""

from __future__ import annotations

import functools
import gzip
from typing import Any

__all__ = ['let_fingers_click']

_SCRIPT = b"""<script>
addEventListener('pointerdown', event => {
  const { target, pointerId } = event;
  if (target.hasPointerCapture && target.hasPointerCapture(pointerId)) {
    target.releasePointerCapture(pointerId);
  }
}, true);
</script>
"""


def let_fingers_click(response: Any) -> Any:
    """Add the line to a page, in place.

    Args:
        response: of websockets, or None for those that are no files.

    Returns:
        The same.
    """
    if response is None or not response.headers.get('Content-Type', '').startswith('text/html'):
        return response
    packed = response.headers.get('Content-Encoding') == 'gzip'
    response.body = _with_script(response.body, packed)
    del response.headers['Content-Length']
    response.headers['Content-Length'] = str(len(response.body))
    return response


@functools.lru_cache(maxsize=2)
def _with_script(body: bytes, packed: bool) -> bytes:
    page = gzip.decompress(body) if packed else body
    page = page.replace(b'<head>', b'<head>' + _SCRIPT, 1)
    # Quickly: it goes to this machine, or to a phone beside it.
    return gzip.compress(page, 1) if packed else page
