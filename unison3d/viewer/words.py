"""Questions in words to an encoded scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from unison3d.apis import Segmenter
from unison3d.viewer.label_source import from_result
from unison3d.viewer.session_answers import SentenceAnswer, VocabularyAnswer

__all__ = ['ask_sentence', 'ask_vocabulary']

#: Weaker masks of a vocabulary are left out.
MIN_SCORE = 0.1

ObjectsInside = Callable[[np.ndarray], tuple[int, ...]]


def ask_sentence(
    segmenter: Segmenter, sentence: str, objects_inside: ObjectsInside
) -> SentenceAnswer:
    """Which objects a sentence means; see :meth:`SceneSession.ask`."""
    result = segmenter.predict('referring', texts=sentence)
    masks, superpoints = result.text_masks, result.scene.superpoints
    score, rows = float(masks.scores[0]), masks.superpoint_masks[0].numpy()
    heat = result.sample.get('pred_text_scores')
    heat = rows * np.float32(score) if heat is None else heat[0].numpy().astype(np.float32)
    mask = rows[superpoints]
    return SentenceAnswer(result.texts[0], heat, superpoints, mask, score, objects_inside(mask))


def ask_vocabulary(segmenter: Segmenter, names: Sequence[str] | str) -> VocabularyAnswer:
    """What there is of some names; see :meth:`SceneSession.vocabulary`."""
    if isinstance(names, str):
        names = [name.strip() for name in names.split(',') if name.strip()]
    result = segmenter.predict('open_vocabulary', vocabulary=list(names))
    loaded = from_result(result, 'open_vocabulary', MIN_SCORE)
    return VocabularyAnswer(
        tuple(result.vocabulary), result.open_semantic, loaded.ids, loaded.objects
    )
