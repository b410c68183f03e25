from __future__ import annotations

import numba

from unison3d.superpoints import _jit


def test_works_where_nothing_can_be_cached(monkeypatch):
    def njit(**options):
        if options.get('cache'):
            raise RuntimeError('cannot cache function: no locator available')
        return numba.njit(**options)

    monkeypatch.setattr(_jit, 'njit', njit)
    assert _jit.kernel(lambda x: x + 1)(2) == 3
