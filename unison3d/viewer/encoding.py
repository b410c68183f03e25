"""What a session does in the background: a scan is shown to the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unison3d.structures import PointScene
from unison3d.viewer.shared_model import SharedModel, watched

if TYPE_CHECKING:
    from unison3d.viewer.model_facts import ModelFacts

__all__ = ['encode_scene']


def encode_scene(
    scene: PointScene, model: SharedModel, report: Callable[[float, str], None]
) -> tuple[PointScene, ModelFacts]:
    """Show a scan to the model.

    Args:
        scene: the scan.
        model: the weights.
        report: told the share that is done, 0 to 1, and what is done; it may raise to stop.

    Returns:
        The scan with superpoints, and what the model knows of it.
    """
    report(0.02, 'loading the weights')
    # Here, since what needs torch or numba is imported where it is used: a scan is shown before
    # they are there.
    from unison3d.superpoints import compute_superpoints
    from unison3d.viewer.model_facts import ModelFacts

    segmenter = model.segmenter()
    if scene.superpoints is None and segmenter.model.data_preprocessor.keys != 'voxels':
        report(0.1, f'finding superpoints of {len(scene):,} points')
        superpoints = compute_superpoints(scene.points, scene.colors, scene.faces)
        scene = scene.replace(superpoints=superpoints)
    report(0.25, 'waiting for the model')

    def encoding(share: float) -> None:
        report(0.3 + 0.55 * share, 'encoding')

    with model.use(lambda: report(0.25, 'waiting for the model')):
        with watched(segmenter.model, encoding):
            scene = segmenter.set_scene(scene)
        report(0.9, 'finding objects')
        result = segmenter.predict()
    report(0.99, 'finding objects')
    return scene, ModelFacts(segmenter, model, result)
