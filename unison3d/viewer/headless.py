"""How Chromium draws without a graphics card, for tests, benchmarks and pictures of the page."""

from __future__ import annotations

__all__ = ['CHROMIUM_FLAGS']

#: Arguments of Chromium for WebGL on the processor.
CHROMIUM_FLAGS = (
    '--no-sandbox',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--ignore-gpu-blocklist',
    '--disable-background-networking',
)
