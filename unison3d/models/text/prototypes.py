"""Class names to prototypes: the vectors that a closed set of classes is compared with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import CheckpointError, VocabularyError
from unison3d.io.tensor_files import read_tensor
from unison3d.models.text.base import TextEncoder

#: The sentences around a name of the published recipe; with and without full stop, as published.
PUBLISHED_TEMPLATES: tuple[str, ...] = (
    'a photo of a {}.',
    'This is a photo of a {}',
    'There is a {} in the scene',
    'There is the {} in the scene',
    'a photo of a {} in the scene',
    'a photo of a small {}.',
    'a photo of a medium {}.',
    'a photo of a large {}.',
    'This is a photo of a small {}.',
    'This is a photo of a medium {}.',
    'This is a photo of a large {}.',
    'There is a small {} in the scene.',
    'There is a medium {} in the scene.',
    'There is a large {} in the scene.',
)
_SYNONYM_BREAK = re.compile(r'[,/]|_or_')
_UNIT_TOLERANCE = 1e-2


def split_synonyms(name: str) -> list[str]:
    """The synonyms of a class name such as ``'sofa, couch'``, ``'tv/screen'``, ``'cup_or_mug'``.

    Raises:
        VocabularyError: nothing is left of the name.
    """
    synonyms = [part.strip() for part in _SYNONYM_BREAK.split(name)]
    synonyms = [part for part in synonyms if part]
    if not synonyms:
        raise VocabularyError(f'Class name {name!r} is empty, expected at least one word.')
    return synonyms


def class_prototypes(
    encoder: TextEncoder,
    names: Sequence[str],
    templates: Sequence[str] = PUBLISHED_TEMPLATES,
) -> Tensor:
    """One prototype per synonym of every class.

    The sentences of a synonym are encoded, made unit length, averaged over the templates and made
    unit length again. A class with fewer synonyms than another repeats its first.

    Args:
        encoder: gives E numbers per sentence.
        names: K class names; comma, slash and ``_or_`` stand between synonyms.
        templates: sentences with ``{}`` in place of the name.

    Returns:
        float32, (K, P, E), unit vectors. P is the largest number of synonyms of a class.

    Raises:
        VocabularyError: there are no names, a name is empty, or a template has no place for it.

    Source:
        OMG-Seg (arXiv:2401.10229), with the sentences of ViLD (arXiv:2104.13921).
    """
    if isinstance(names, str) or not names:
        raise VocabularyError(f'Class names: got {names!r}, expected a list of at least one name.')
    if not templates or any('{}' not in template for template in templates):
        raise VocabularyError(
            f'Templates: got {list(templates)}, expected sentences with {{}} where the name goes.'
        )
    classes = [split_synonyms(name) for name in names]
    synonyms = list(dict.fromkeys(synonym for group in classes for synonym in group))
    sentences = [t.replace('{}', synonym) for synonym in synonyms for t in templates]
    vectors = encoder.encode_unit(sentences).unflatten(0, (len(synonyms), len(templates)))
    of_synonym = F.normalize(vectors.mean(dim=1), dim=-1)
    most = max(map(len, classes))
    rows = [
        synonyms.index(synonym)
        for group in classes
        for synonym in group + group[:1] * (most - len(group))
    ]
    return of_synonym[torch.tensor(rows)].unflatten(0, (len(classes), most))


def read_class_prototypes(path: str | Path) -> Tensor:
    """Prototypes of a file such as the published ``scannet_cls_embedding.pth``.

    Args:
        path: one tensor, (K, P, E), of unit vectors; (20, P, 768) in the published file.

    Returns:
        float32, (K, P, E), the numbers of the file.

    Raises:
        CheckpointError: missing, damaged, or it holds something else.
    """
    tensor = read_tensor(path)
    if tensor.ndim != 3 or not tensor.is_floating_point() or not tensor.numel():
        raise CheckpointError(
            f'{path}: a tensor of shape {[*tensor.shape]} and type {tensor.dtype}, expected '
            'numbers of shape (classes, prototypes, width).'
        )
    prototypes = tensor.detach().to(torch.float32).contiguous()
    error = (prototypes.norm(dim=-1) - 1).abs().max()
    if not error < _UNIT_TOLERANCE:
        raise CheckpointError(
            f'{path}: a vector whose length is off one by {float(error):.3g}, expected unit '
            'vectors. These are not class prototypes, or the file is damaged.'
        )
    return prototypes
