"""Scans larger than memory: cut into tiles on disk, encoded tile by tile, joined again.

1. :mod:`~unison3d.apis.tiles.survey` reads the file once or twice and decides what is bad, where
   the origin lies and how the tiles lie.
2. :mod:`~unison3d.apis.tiles.store` sorts the points into tiles, in files of its own.
3. :mod:`~unison3d.apis.tiles.superpoints` cuts every tile with a margin, and joins what two tiles
   saw alike.
4. :mod:`~unison3d.apis.tiles.encoding` runs the network over every tile with a margin.
5. :mod:`~unison3d.apis.tiles.windows` decodes windows of superpoints.
6. :mod:`~unison3d.apis.tiles.merging` joins the objects of neighbouring windows.
7. :mod:`~unison3d.apis.tiles.output` writes the result in pieces.

Only the superpoints of the whole scan are ever in memory, never its points.
"""

from unison3d.apis.tiles.job import TiledResult, TileOptions, segment_tiles

__all__ = ['TileOptions', 'TiledResult', 'segment_tiles']
