from __future__ import annotations

import sys

import pytest

from unison3d.native.choice import import_problem


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('import torch; torch.ops.torchvision_of_another_torch.nms', 'nms'),
        ('import sys; sys.no_such_name', 'no_such_name'),
        ('raise ValueError', 'ValueError'),
        ('import package_that_is_nowhere', 'package_that_is_nowhere'),
        ('pass', ''),
    ],
)
def test_whatever_an_import_raises_is_a_reason(tmp_path, monkeypatch, line, reason):
    (tmp_path / 'half_there.py').write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'half_there', raising=False)
    problem = import_problem('half_there')
    assert reason in problem
    assert bool(problem) == bool(reason)
