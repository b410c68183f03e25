from __future__ import annotations

import numba
import numba.typed  # Imported late by numba itself, which would meet the replaced decorator.

from unison3d.native import jit


def test_works_where_nothing_can_be_cached(monkeypatch):
    compile_function = numba.njit

    def njit(**options):
        if options.get('cache'):
            raise RuntimeError('cannot cache function: no locator available')
        return compile_function(**options)

    monkeypatch.setattr(jit.numba, 'njit', njit)
    assert jit.kernel(lambda x: x + 1)(2) == 3
