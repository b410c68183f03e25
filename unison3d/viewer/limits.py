"""How much the application takes from others, all in one place.

=======================  =====================================================================
limit                    where it is enforced
=======================  =====================================================================
``MAX_CONNECTIONS``      :mod:`unison3d.viewer.gate`
``MAX_WAITING``          likewise
``MAX_HEAD``             likewise; also of what the inner server answers
``HEAD_SECONDS``         likewise
bodies of requests       likewise: none is taken, not even an empty one
``MAX_MESSAGE``          :mod:`unison3d.viewer.inner_server`
``MAX_PICTURE``          likewise
uploads                  likewise: none is taken
``MAX_LABEL_FILE``       :class:`unison3d.viewer.library.Library`
=======================  =====================================================================
"""

from __future__ import annotations

__all__ = [
    'HEAD_SECONDS',
    'MAX_CONNECTIONS',
    'MAX_HEAD',
    'MAX_LABEL_FILE',
    'MAX_MESSAGE',
    'MAX_PICTURE',
    'MAX_WAITING',
]

#: Connections at a time that were let in. A tab has one, and some more while the page loads.
MAX_CONNECTIONS = 64
#: Connections at a time that have not said yet what they want; one more ends the oldest of them.
MAX_WAITING = 64
#: Bytes of the first lines of a request, up to the empty line.
MAX_HEAD = 16_384
#: Seconds in which they have to come.
HEAD_SECONDS = 10.0
#: Bytes of a message of a tab: a click, a drag, a text.
MAX_MESSAGE = 1 << 20
#: Bytes of the one message that is larger: the picture that the page was asked for, as PNG, at most
#: 1920 pixels wide.
MAX_PICTURE = 1 << 25
#: Bytes of a file of labels.
MAX_LABEL_FILE = 1 << 30
