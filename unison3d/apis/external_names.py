"""The external protocol: masks of objects in 3D, named by a model that looks at images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unison3d.errors import FileFormatError
from unison3d.io.npy import read_npz_arrays
from unison3d.lifting import View, best_views, crop_boxes
from unison3d.structures import InstanceMasks
from unison3d.vision import ImageTextModel


@dataclass(frozen=True)
class CropSettings:
    """What a mask is shown as.

    Attributes:
        views: images per mask.
        scales: crops per image.
        growth: by which the crops grow, see :func:`~unison3d.lifting.crop_boxes`.
    """

    views: int = 5
    scales: int = 3
    growth: float = 0.1


def name_masks(
    points: np.ndarray,
    masks: InstanceMasks,
    views: Sequence[View],
    model: ImageTextModel,
    names: Sequence[str],
    settings: CropSettings | None = None,
) -> Tensor:
    """Cosines of masks and names, by what images show of the masks.

    Args:
        points: (N, 3), metres, in the world frame of the cameras.
        masks: M masks, such as ``segmenter.scores(names).masks``.
        views: images with depth.
        model: what looks at them.
        names: K names.
        settings: number and size of the crops.

    Returns:
        float32, (M, K), in [-1, 1]; 0 for a mask that no image shows.

    Source:
        OpenMask3D (arXiv:2306.13631), without its refinement of the box by SAM.
    """
    settings = settings or CropSettings()
    phrases = model.encode_phrases(names)
    chosen = best_views(points, masks.masks.cpu().numpy(), views, settings.views)
    out = torch.zeros(len(masks), len(names))
    for row, mask_views in enumerate(chosen):
        crops = []
        for found in mask_views:
            image = views[found.view].image
            height, width = image.shape[:2]
            boxes = crop_boxes(
                found.box, width, height, scales=settings.scales, growth=settings.growth
            )
            crops += [image[t : b + 1, le : r + 1] for le, t, r, b in boxes]
        if crops:
            mean = model.encode_images(crops).mean(dim=0)
            out[row] = torch.nn.functional.normalize(mean, dim=0) @ phrases.t()
    return out


def read_masks(path: str | os.PathLike[str]) -> tuple[np.ndarray, InstanceMasks]:
    """Masks that :meth:`PhraseScores.save_npz` wrote, to be named elsewhere.

    Returns:
        float32 (N, 3) points in metres, and the masks with their quality; labels are -1.

    Raises:
        FileFormatError: missing, damaged, or arrays that do not belong together.
    """
    wanted = ('points', 'superpoints', 'instance_masks', 'instance_quality')
    arrays = read_npz_arrays(path, wanted)
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise FileFormatError(f'{path}: has no {missing[0]}; expected a file of PhraseScores')
    points, superpoints, masks, quality = (arrays[name] for name in wanted)
    whole = superpoints.dtype.kind in 'iu' and superpoints.shape == (len(points),)
    fits = masks.dtype == bool and masks.ndim == 2 and quality.shape == (len(masks),)
    if not whole or not fits or points.shape[1:] != (3,):
        raise FileFormatError(
            f'{path}: points {points.shape}, superpoints {superpoints.dtype} {superpoints.shape}, '
            f'masks {masks.dtype} {masks.shape}, quality {quality.shape} do not belong together; '
            'expected (N, 3), whole numbers (N,), bool (M, S) and (M,)'
        )
    if len(superpoints) and not 0 <= superpoints.min() <= superpoints.max() < masks.shape[1]:
        raise FileFormatError(
            f'{path}: superpoints run from {superpoints.min()} to {superpoints.max()}, and the '
            f'masks have {masks.shape[1]}'
        )
    return points, InstanceMasks(
        torch.from_numpy(masks),
        torch.from_numpy(superpoints.astype(np.int64)),
        torch.full((len(masks),), -1),
        torch.from_numpy(quality.astype(np.float32)),
    )
