"""Questions in words to an encoded scene."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unison3d.apis.phrase_scores import FITS
from unison3d.viewer.label_source import from_result
from unison3d.viewer.session_answers import SentenceAnswer, VocabularyAnswer

if TYPE_CHECKING:
    from unison3d.apis import Segmenter

__all__ = ['ask_sentence', 'ask_vocabulary']

#: Weaker masks of a vocabulary are left out.
MIN_SCORE = 0.1

#: Words of somebody who means certain objects.
_CERTAIN = re.compile(r'\b(the|this|these|those|all|every|each|both)\b')

ObjectsInside = Callable[[np.ndarray], tuple[int, ...]]


def ask_sentence(
    segmenter: Segmenter, sentence: str, objects_inside: ObjectsInside
) -> SentenceAnswer:
    """Which objects a sentence or an open phrase means; see :meth:`SceneSession.ask`.

    A text that names nothing is a phrase, such as "somewhere to sleep"; one that speaks of
    something certain ("the couch") only where the reader of sentences finds nothing.
    """
    nameless = _is_nameless(segmenter, sentence)
    if nameless and not _CERTAIN.search(sentence.lower()):
        return _ask_phrase(segmenter, sentence, objects_inside)
    result = segmenter.predict('referring', texts=sentence)
    masks, superpoints = result.text_masks, result.scene.superpoints
    score, rows = float(masks.scores[0]), masks.superpoint_masks[0].numpy()
    if nameless and not rows.any():
        return _ask_phrase(segmenter, sentence, objects_inside)
    heat = result.sample.get('pred_text_scores')
    heat = rows * np.float32(score) if heat is None else heat[0].numpy().astype(np.float32)
    mask = rows[superpoints]
    return SentenceAnswer(result.texts[0], heat, superpoints, mask, score, objects_inside(mask))


def _is_nameless(segmenter: Segmenter, text: str) -> bool:
    """Whether a text has none of the names that the model can answer phrases through."""
    tasks = segmenter.model.tasks
    if 'open_vocabulary' not in tasks or not text.strip():
        return False
    task = tasks['open_vocabulary']
    words = _words(text)
    names = {_words(name) for name in (*task.vocabulary, *task.test_vocabulary)} - {''}
    named = any(re.search(rf'\b{name}(s|es)?\b', words) for name in names)
    return bool(task.vocabulary) and not named


def _words(text: str) -> str:
    """Lower case, without punctuation."""
    return ' '.join(re.findall(r'\w+', text.lower()))


def _ask_phrase(segmenter: Segmenter, phrase: str, objects_inside: ObjectsInside) -> SentenceAnswer:
    scores = segmenter.scores(phrase)
    heat, superpoints = scores.superpoint_scores[:, 0], scores.scene.superpoints
    mask = (heat >= FITS)[superpoints]
    best = float(heat.max(initial=0.0))
    return SentenceAnswer(
        scores.phrases[0],
        heat,
        superpoints,
        mask,
        best,
        objects_inside(mask),
        open=True,
        threshold=FITS,
    )


def ask_vocabulary(segmenter: Segmenter, names: Sequence[str] | str) -> VocabularyAnswer:
    """What there is of some names; see :meth:`SceneSession.vocabulary`."""
    if isinstance(names, str):
        names = [name.strip() for name in names.split(',') if name.strip()]
    result = segmenter.predict('open_vocabulary', vocabulary=list(names))
    loaded = from_result(result, 'open_vocabulary', MIN_SCORE)
    return VocabularyAnswer(
        tuple(result.vocabulary), result.open_semantic, loaded.ids, loaded.objects
    )
