"""Scores of sentences, in total and by what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError
from unison3d.evaluation.functional.semantic import nan_mean

__all__ = ['referring_summary']


def referring_summary(
    ious: ArrayLike,
    num_targets: ArrayLike | None = None,
    *,
    distractors: ArrayLike | None = None,
    answered: ArrayLike | None = None,
    kinds: Sequence[str] | None = None,
) -> dict[str, float]:
    """Mean IoU and accuracy of sentences.

    Args:
        ious: (T,). IoU per sentence, see :func:`~unison3d.evaluation.functional.mask_iou`.
        num_targets: integers, (T,). True objects per sentence. When given, the scores of sentences
            without, with one and with several targets are reported apart as well.
        distractors: integers, (T,). Other objects of the class of the target, negative where that
            is not known. Splits the sentences with one target into those whose object is the only
            one of its class (``unique``) and the rest, which ScanRefer calls "multiple".
        answered: bool, (T,). Sentences for which something was predicted. Needs ``num_targets``.
        kinds: T names of what a sentence says, empty for none.

    Returns:
        ``miou``, ``acc25``, ``acc50`` (share of sentences with IoU above 0.25 and 0.5), then for
        each part that occurs ``<score>_zero``, ``_single``, ``_multiple``, ``_unique``,
        ``_distractors`` and ``_kind_<kind>``. With ``answered``, shares of sentences:

        - ``zero_acc``: without target and answered with nothing ("not in this scene").
        - ``false_positive_rate``: the rest of these, answered with a mask.
        - ``false_negative_rate``: of those with a target, answered with nothing.

    Raises:
        SceneError: the arrays differ in length.

    Source:
        ScanRefer (arXiv:1912.08830) for accuracy and unique objects, Multi3DRefer
        (arXiv:2309.05251) for zero and several targets.
    """
    ious = np.asarray(ious, dtype=np.float64)
    groups = {'': np.ones(len(ious), dtype=np.bool_)}
    given = {'num_targets': num_targets, 'distractors': distractors, 'answered': answered}
    for name, values in (given | {'kinds': kinds}).items():
        if values is not None and len(np.asarray(values)) != len(ious):
            raise SceneError(f'{len(ious)} IoU values and {len(np.asarray(values))} {name}.')
    if num_targets is not None:
        targets = np.asarray(num_targets)
        groups |= {'_zero': targets == 0, '_single': targets == 1, '_multiple': targets > 1}
        if distractors is not None:
            others = np.asarray(distractors)
            groups['_unique'] = (targets == 1) & (others == 0)
            groups['_distractors'] = (targets == 1) & (others > 0)
    if kinds is not None:
        names = np.array(kinds, dtype=str)
        groups |= {f'_kind_{name}': names == name for name in sorted(set(names) - {''})}
    summary = {}
    for suffix, chosen in groups.items():
        if suffix and not chosen.any():
            continue
        values = ious[chosen]
        summary[f'miou{suffix}'] = nan_mean(values)
        summary[f'acc25{suffix}'] = nan_mean(values > 0.25)
        summary[f'acc50{suffix}'] = nan_mean(values > 0.5)
    if answered is not None and num_targets is not None:
        summary |= _presence(np.asarray(answered, dtype=np.bool_), np.asarray(num_targets) > 0)
    return summary


def _presence(answered: NDArray[np.bool_], present: NDArray[np.bool_]) -> dict[str, float]:
    values = {}
    if not present.all():
        values['zero_acc'] = nan_mean(~answered[~present])
        values['false_positive_rate'] = nan_mean(answered[~present])
    if present.any():
        values['false_negative_rate'] = nan_mean(~answered[present])
    return values
