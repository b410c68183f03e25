"""The weights in the package are there, small, and load."""

from __future__ import annotations

from pathlib import Path

from unison3d.apis.model_file import SHIPPED_WEIGHTS

REPO_ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 12e6


def test_they_ship_and_are_small():
    assert SHIPPED_WEIGHTS.is_file()
    assert SHIPPED_WEIGHTS.stat().st_size <= MAX_BYTES


def test_they_load_and_answer_all_tasks(scan):
    from unison3d import Segmenter

    segmenter = Segmenter.from_pretrained(device='cpu')
    segmenter.set_scene(scan)
    # A known name and no sentence: nothing here needs the extra `text`.
    result = segmenter.predict(clicks=[(1.3, 1.3, 0.6)], vocabulary=['wall', 'chair'])
    assert result.semantic.shape == (9000,)


def test_they_carry_the_name_that_the_config_exports():
    from mmengine.config import Config

    hooks = Config.fromfile(REPO_ROOT / 'configs/unified/unified-s_synth-rooms.py').custom_hooks
    names = [hook.filename for hook in hooks if hook.type == 'ExportWeightsHook']
    assert names == [SHIPPED_WEIGHTS.name]
