"""How well names fit a phrase that need not be a name: "somewhere to sleep" and "bed"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.models.text import TextEncoder

# A sentence encoder takes 'counter' or 'cart' for the thing more surely with an article.
_SPOKEN = 'a {}'
# Cosine at which a name fits as likely as not, and how steep that is: a logistic regression over
# the phrases of benchmarks/phrase_list.py that are there to choose by, made with the withheld names
# too; names of training alone, as `benchmarks/phrases.py --fit` takes them, give 0.258 and 22.4.
_MIDDLE, _STEEPNESS = 0.27, 20.0
# A name this near to the best one fits as well as not, however far that one is: the encoder finds
# 'bed' best for "somewhere to sleep", and no name near.
_NEAR_BEST = 0.8


def name_fits(encoder: TextEncoder, phrases: Sequence[str], names: Sequence[str]) -> Tensor:
    """The chance that a thing of each name is what each phrase means.

    A phrase that is one of the names fits it and its kinds, the names that end with it ('chair' and
    'office chair'), and needs no language model. Other phrases are compared with all names by
    cosine, after the mean of the names is taken away: what all things of a home share says nothing.
    Some name always fits best, also where the phrase makes no sense. A single name has nothing to
    be compared with, and its cosine counts as it is.

    Args:
        encoder: of phrases and names.
        phrases: L phrases.
        names: K names that an object can have, at least one.

    Returns:
        float32 (L, K) in [0, 1]. A row need not sum to one: many may fit.

    Raises:
        PromptError: a phrase is empty or no string.
        VocabularyError, MissingDependencyError: the encoder does not know a phrase.
    """
    keys = [encoder.canonical(phrase) for phrase in phrases]
    known = [encoder.canonical(name) for name in names]
    rows = {
        key: torch.tensor([float(f' {name}'.endswith(f' {key}')) for name in known])
        for key in keys
        if key in known
    }
    free = [key for key in dict.fromkeys(keys) if key not in rows]
    if free:
        # First, so that an encoder that knows a few names only says which phrase it lacks.
        meant = encoder.encode_unit(free)
        things = encoder.encode_unit([_SPOKEN.format(name) for name in known])
        middle = torch.tensor(_MIDDLE)
        if len(known) > 1:
            mean = things.mean(dim=0)
            meant, things = F.normalize(meant - mean, dim=1), F.normalize(things - mean, dim=1)
        cosines = meant @ things.T
        if len(known) > 1:
            middle = (_NEAR_BEST * cosines.amax(dim=1, keepdim=True)).clamp(max=_MIDDLE)
        rows.update(zip(free, (_STEEPNESS * (cosines - middle)).sigmoid(), strict=True))
    return torch.stack([rows[key] for key in keys]) if keys else torch.zeros(0, len(names))
