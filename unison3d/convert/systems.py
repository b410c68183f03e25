"""The published systems that can be translated. A new one is a file and a line here."""

from __future__ import annotations

from unison3d.convert.afov import AFOV
from unison3d.convert.mask3d import MASK3D, SEGMENT3D
from unison3d.convert.mmdet3d_minkunet import MMDET3D_MINKUNET
from unison3d.convert.oneformer3d import ONEFORMER3D
from unison3d.convert.openscene import OPENSCENE
from unison3d.convert.system import System
from unison3d.convert.uniseg3d import UNISEG3D
from unison3d.errors import ConfigError

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        UNISEG3D,
        ONEFORMER3D,
        OPENSCENE,
        AFOV,
        MASK3D,
        SEGMENT3D,
        MMDET3D_MINKUNET,
    )
}


def get_system(name: str) -> System:
    """The rules of a system.

    Raises:
        ConfigError: no such system.
    """
    if name not in SYSTEMS:
        raise ConfigError(
            f'System {name!r} is unknown. Choose one of {", ".join(SYSTEMS)}; '
            '`unison3d convert --list` says what they are.'
        )
    return SYSTEMS[name]
