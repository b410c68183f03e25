"""Reading configs of MMEngine, with parts inherited from installed packages.

``_base_ = 'mmdet3d::_base_/datasets/scannet-seg.py'`` names a config that ships with a package:
the part before ``::`` is what one imports, the rest a file below its configs. MMEngine's own
look-up knows the packages of OpenMMLab only, and in 0.10.7 needs ``pkg_resources``, which
setuptools has removed. Here any installed package with configs will do; it is looked up, not
imported.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config

from unison3d.errors import ConfigError

__all__ = ['find_package_config', 'read_config_file']

_PACKAGE_CONFIG = re.compile(r'(?P<package>\w+)::(?P<name>[^:]+)')
_lock = threading.RLock()


def read_config_file(path: str | Path) -> Config:
    """Read a config and everything it inherits from.

    A config is a program and is executed, and so are its bases and its ``custom_imports``.

    Args:
        path: a ``.py``, ``.json`` or ``.yaml`` file.

    Raises:
        ConfigError: a base with ``::`` that names no package, or no config of it. Whatever else
            MMEngine or the program of the config raises passes through.
    """
    with _bases_from_packages():
        return Config.fromfile(path)


def find_package_config(reference: str) -> Path:
    """The file behind ``'package::folder/config.py'``.

    Configs of an installed package are in ``.mim/configs`` inside of it, those of a checkout in
    ``configs`` beside it.

    Raises:
        ConfigError: the reference is of another form, the package is not installed or brings no
            configs, or none of this name; also a name that leads out of the folder of configs.
    """
    match = _PACKAGE_CONFIG.fullmatch(reference)
    if match is None:
        raise ConfigError(
            f'{reference!r} does not name a config of a package. Write PACKAGE::FOLDER/CONFIG.py, '
            'such as unison3d::unified/unified-s_synth-rooms.py.'
        )
    package, name = match['package'], match['name']
    configs = _configs_of(package).resolve()
    path = (configs / name).resolve()
    if not path.is_relative_to(configs):
        raise ConfigError(f'{reference!r} leads out of {configs}. Name a file inside of it.')
    if not path.is_file():
        raise ConfigError(
            f'{reference!r}: {package} has no such config; looked in {configs}. Correct the name, '
            f'or install a version of {package} that has it.'
        )
    return path


def _configs_of(package: str) -> Path:
    try:
        spec = find_spec(package)
    except ValueError:  # a module without a spec, such as __main__
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f'{package}:: names the configs of a package, and no package {package} is installed. '
            f'Install it (pip install {package}), or take another config.'
        )
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    places = [folder / '.mim' / 'configs' for folder in folders]
    # Anything may lie beside an installed package; a checkout has the index of its models there.
    checkouts = [folder.parent for folder in folders]
    places += [path / 'configs' for path in checkouts if (path / 'model-index.yml').is_file()]
    for place in places:
        if place.is_dir():
            return place
    raise ConfigError(
        f'{package} brings no configs; looked in {", ".join(map(str, places))}. Install it from a '
        'wheel, or from a checkout with pip install -e.'
    )


@contextmanager
def _bases_from_packages() -> Iterator[None]:
    """Let MMEngine ask :func:`find_package_config` about bases with ``::``."""

    def find_base(reference: str, filename: str) -> tuple[str, str | None]:
        """Path of a base and, for one of a package, the scope of its types."""
        if '::' not in reference:
            return of_mmengine(reference, filename)
        try:
            return str(find_package_config(reference)), reference.partition('::')[0]
        except ConfigError as error:
            raise ConfigError(f'{filename}: {error}') from None

    # MMEngine has no other place to say this; the lock keeps a second thread from keeping ours.
    with _lock:
        of_mmengine = Config._get_cfg_path
        Config._get_cfg_path = staticmethod(find_base)
        try:
            yield
        finally:
            Config._get_cfg_path = staticmethod(of_mmengine)
