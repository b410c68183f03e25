from __future__ import annotations

import numba

from unison3d.native import jit


def test_works_where_nothing_can_be_cached(monkeypatch):
    compile_function = numba.njit

    # Numba itself uses it in modules that it imports late.
    def njit(*function, **options):
        if options.get('cache'):
            raise RuntimeError('cannot cache function: no locator available')
        return compile_function(*function, **options)

    monkeypatch.setattr(jit.numba, 'njit', njit)
    assert jit.kernel(lambda x: x + 1)(2) == 3
