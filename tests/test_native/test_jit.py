from __future__ import annotations

import numba

from unison3d.native import jit


def test_works_where_nothing_can_be_cached(monkeypatch):
    compile_function = numba.njit

    def njit(**options):
        if options.get('cache'):
            raise RuntimeError('cannot cache function: no locator available')
        return compile_function(**options)

    monkeypatch.setattr(jit.numba, 'njit', njit)
    assert jit.kernel(lambda x: x + 1)(2) == 3
