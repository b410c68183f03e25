"""Segment one scan and write its result: the one thing that ``unison3d infer`` does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from unison3d.cli.prompt_options import save_heat_maps

if TYPE_CHECKING:
    from unison3d.apis import SceneResult, Segmenter
    from unison3d.structures import Box, Click


@dataclass(frozen=True)
class ScanQuestions:
    """What to ask about a scan and how to read it; picklable.

    The fields are those of :meth:`Segmenter.set_scene` and :meth:`Segmenter.predict`, and:

    Args:
        heat_map: phrases to write heat maps of.
        export: further formats.
        picture: draw all answers.
        seed: of the generator of torch.
    """

    tasks: Sequence[str]
    clicks: Sequence[Click] = ()
    boxes: Sequence[Box] = ()
    click_texts: Mapping[int, str] = field(default_factory=dict)
    exclusive: bool = False
    texts: Sequence[str] = ()
    vocabulary: Mapping[str, Sequence[str]] | None = None
    heat_map: Sequence[str] = ()
    on_bad: str = 'raise'
    scale: float = 1.0
    num_features: int | None = None
    capture: Mapping[str, Any] = field(default_factory=dict)
    export: Sequence[str] = ()
    picture: bool = False
    seed: int = 0


class SegmentedScan(NamedTuple):
    """A result, its files, and the seconds without writing them."""

    result: SceneResult
    paths: list[Path]
    seconds: float


def segment_scan(
    segmenter: Segmenter, scan: str | Path, out: Path, questions: ScanQuestions, overwrite: bool
) -> SegmentedScan:
    """Read a scan, answer the questions and write the result.

    Args:
        segmenter: the model.
        scan: file or folder.
        out: folder for the result.
        questions: what to ask.
        overwrite: replace a result in ``out``.

    Raises:
        Unison3DError: see :meth:`Segmenter.set_scene`, :meth:`Segmenter.predict` and
            :meth:`SceneResult.save`; up to then nothing is written.
    """
    import torch

    from unison3d.apis.result_files import OVERVIEW

    start = time.perf_counter()
    torch.manual_seed(questions.seed)
    is_table = questions.num_features is not None and Path(scan).suffix.lower() == '.bin'
    segmenter.set_scene(
        scan,
        on_bad=questions.on_bad,
        scale=questions.scale,
        capture=questions.capture,
        **({'num_features': questions.num_features} if is_table else {}),
    )
    names = questions.vocabulary
    if names is not None:
        segmenter.set_vocabulary(names)
    # Before anything is written: a model or an installation may not be able to.
    scores = segmenter.scores(questions.heat_map) if questions.heat_map else None
    result = segmenter.predict(
        tasks=questions.tasks,
        clicks=questions.clicks or None,
        boxes=questions.boxes or None,
        click_texts=questions.click_texts or None,
        exclusive=questions.exclusive,
        texts=questions.texts or None,
        vocabulary=None if names is None else list(names),
    )
    seconds = time.perf_counter() - start
    saved = result.save(out, overwrite=overwrite, export=questions.export)
    paths = [Path(path) for path in saved]
    if scores is not None:
        paths += save_heat_maps(scores, out)
    if questions.picture:
        paths.append(draw_overview(result, out / OVERVIEW))
    return SegmentedScan(result, paths, seconds)


def draw_overview(result: SceneResult, path: Path) -> Path:
    """Draw the scan and each answer side by side."""
    import numpy as np

    from unison3d.viewer.render import PointRenderer, contact_sheet, save_png

    scene = result.scene
    scan = np.full((len(scene), 3), 0.7) if scene.colors is None else scene.colors
    renderer = PointRenderer(scene.points, width=640, height=480)
    views = {'scan': scan, **result.colorings()}
    images = [renderer.render(colors) for colors in views.values()]
    return save_png(path, contact_sheet(images, [name.replace('_', ' ') for name in views]))
