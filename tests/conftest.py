"""Where the recorded fixtures and the real scans are, and the switches of the test run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

# Scenes of tests are small: a second thread costs more than it gives, and on a busy machine the
# threads of OpenMP wait for each other. Set before torch is imported, so that commands started by
# tests follow.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# Kernels of Triton are interpreted where there is no GPU. It reads this when it is imported, which
# parts of torch do.
if shutil.which('nvidia-smi') is None:
    os.environ.setdefault('TRITON_INTERPRET', '1')

REPO_ROOT = Path(__file__).resolve().parents[1]


def fixtures_root() -> Path:
    """Folder of recorded reference arrays: ``UNISON3D_FIXTURES`` or ``../shared/fixtures``."""
    return _root('UNISON3D_FIXTURES', 'fixtures')


def data_root() -> Path:
    """Folder of real scans: ``UNISON3D_DATA`` or ``../shared/data``."""
    return _root('UNISON3D_DATA', 'data')


def _root(variable: str, name: str) -> Path:
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else REPO_ROOT.parent / 'shared' / name


def fixture_files(folder: str, pattern: str) -> list:
    """Fixture files for ``pytest.mark.parametrize``.

    Args:
        folder: folder below :func:`fixtures_root`, such as ``'uniseg3d'``.
        pattern: glob inside that folder, such as ``'backbone_*.npz'``.

    Returns:
        Sorted ``pytest.param`` values, one path each, named by the file. Where nothing matches, one
        parameter that skips with the reason, so that a missing folder is seen in the report. It
        fails instead where ``UNISON3D_FIXTURES`` is set: who says where the files are wants them
        compared.
    """
    return _params(fixtures_root() / folder, pattern, 'UNISON3D_FIXTURES')


def data_files(folder: str, pattern: str) -> list:
    """Real scans for ``pytest.mark.parametrize``, as :func:`fixture_files`."""
    return _params(data_root() / folder, pattern, 'UNISON3D_DATA')


def _params(folder: Path, pattern: str, variable: str) -> list:
    paths = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if paths:
        return [pytest.param(path, id=path.name) for path in paths]
    if os.environ.get(variable):
        mark = pytest.mark.nothing_matches(
            f'{variable} is set, but nothing is there for {folder.name}/{pattern}'
        )
    else:
        reason = f'no file matches {folder.name}/{pattern}; point {variable} at the recorded files'
        mark = pytest.mark.skip(reason=reason)
    return [pytest.param(None, id='missing', marks=mark)]


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of parameters for which there should have been a file."""
    config.addinivalue_line('markers', 'nothing_matches(reason): an expected file is missing')


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose files were announced and are not there."""
    mark = item.get_closest_marker('nothing_matches')
    if mark is not None:
        pytest.fail(mark.args[0], pytrace=False)


@pytest.fixture(autouse=True)
def _keep_torch_threads():
    """A test that changes the number of torch threads must not slow its neighbours."""
    import torch

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
