"""Widths and depths of the published Minkowski U-Nets."""

from __future__ import annotations

from collections.abc import Sequence

from unison3d.errors import ConfigError

NUM_STAGES = 8

_LAYERS = {
    '14': (1, 1, 1, 1, 1, 1, 1, 1),
    '18': (2, 2, 2, 2, 2, 2, 2, 2),
    '34': (2, 3, 4, 6, 2, 2, 2, 2),
}
_PLANES = {
    **dict.fromkeys(('14A', '18A'), (32, 64, 128, 256, 128, 128, 96, 96)),
    **dict.fromkeys(('14B', '18B'), (32, 64, 128, 256, 128, 128, 128, 128)),
    '14C': (32, 64, 128, 256, 192, 192, 128, 128),
    **dict.fromkeys(('14D', '18D'), (32, 64, 128, 256, 384, 384, 384, 384)),
    '34A': (32, 64, 128, 256, 256, 128, 64, 64),
    '34B': (32, 64, 128, 256, 256, 128, 64, 32),
    '34C': (32, 64, 128, 256, 256, 128, 96, 96),
}
# Architecture -> (width of every stage, residual blocks of every stage): four down, four up.
ARCHITECTURES = {name: (planes, _LAYERS[name[:2]]) for name, planes in _PLANES.items()}


def stage_sizes(
    arch: str, planes: Sequence[int] | None = None, layers: Sequence[int] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Widths and numbers of residual blocks of the eight stages.

    Args:
        arch: key of :data:`ARCHITECTURES`.
        planes: widths instead of those of ``arch``.
        layers: numbers of blocks instead of those of ``arch``.

    Raises:
        ConfigError: no such architecture, or not eight numbers of 1 or more.
    """
    if arch not in ARCHITECTURES:
        raise ConfigError(f'arch is {arch!r}, expected one of {", ".join(ARCHITECTURES)}')
    preset_planes, preset_layers = ARCHITECTURES[arch]
    planes = preset_planes if planes is None else tuple(planes)
    layers = preset_layers if layers is None else tuple(layers)
    for name, sizes in (('planes', planes), ('layers', layers)):
        if len(sizes) != NUM_STAGES or min(sizes) < 1:
            raise ConfigError(f'{name} is {sizes}, expected {NUM_STAGES} integers of 1 or more')
    return planes, layers
