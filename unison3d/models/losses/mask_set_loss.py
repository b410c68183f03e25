"""Class, mask and quality terms of queries that have been given targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.models.losses.mask_losses import bce_loss, dice_loss


@dataclass
class MaskTargets:
    """Targets of the rows of one scene and layer.

    Attributes:
        class_logits: (R, K), background last; None without class supervision.
        labels: int64, (R,), -1 is not supervised.
        mask_logits: (P, S) of the supervised rows.
        masks: bool, (P, S), their targets.
    """

    class_logits: Tensor | None
    labels: Tensor | None
    mask_logits: Tensor
    masks: Tensor


class MaskSetLoss:
    """``class CE + mask BCE + mask dice``, averaged over the scenes that have any.

    Args:
        class_loss_weight: weight of the cross-entropy.
        bce_weight: weight of the mask cross-entropy.
        dice_weight: weight of the dice term.
        background_weight: class weight of the background in the cross-entropy.
        dice_final: factor on dice at the last layer.
        dice_auxiliary: factor on dice at the other layers; ``'4/B'`` is the published rule, which
            depends on the batch size and equals 1 at the published batch of 4.
        average: mask terms are averaged over the scenes that have any (``'supervised'``) or over
            all scenes of the batch (``'batch'``, OneFormer3D trained on instances alone).

    Source:
        UniSeg3D (arXiv:2407.03263); factors from its released configuration.
    """

    def __init__(
        self,
        class_loss_weight: float = 0.5,
        bce_weight: float = 1.0,
        dice_weight: float = 1.0,
        background_weight: float = 0.1,
        dice_final: float = 4.0,
        dice_auxiliary: float | str = 1.0,
        average: Literal['supervised', 'batch'] = 'supervised',
    ) -> None:
        if average not in ('supervised', 'batch'):
            raise ConfigError(f"average is {average!r}, expected 'supervised' or 'batch'")
        if isinstance(dice_auxiliary, str) and dice_auxiliary != '4/B':
            raise ConfigError(f"dice_auxiliary is {dice_auxiliary!r}, expected a number or '4/B'")
        self.average = average
        self.class_loss_weight = class_loss_weight
        self.bce_weight = bce_weight
        self.dice_weight = dice_weight
        self.background_weight = background_weight
        self.dice_final = dice_final
        self.dice_auxiliary = dice_auxiliary

    def __call__(self, scenes: list[MaskTargets], *, final: bool, batch_size: int) -> Tensor:
        """Loss of one layer.

        Args:
            scenes: the scenes of the batch that have rows.
            final: whether this is the last layer.
            batch_size: scenes of the batch, with or without rows.
        """
        if not scenes:
            return torch.zeros(())
        zero = scenes[0].mask_logits.sum() * 0
        classified = [scene for scene in scenes if scene.class_logits is not None]
        class_terms = [
            class_loss(scene.class_logits, scene.labels, self.background_weight)
            for scene in classified
        ]
        class_terms = [term for term in class_terms if term is not None]
        if class_terms:
            class_term = torch.stack(class_terms).mean()
        else:
            # The parameters of the classes take part: the processes of a run have to agree.
            class_term = sum((scene.class_logits.sum() for scene in classified), zero) * 0
        supervised = [scene for scene in scenes if len(scene.mask_logits)]
        if not supervised:
            return self.class_loss_weight * class_term + zero
        count = len(supervised) if self.average == 'supervised' else batch_size
        bce = torch.stack([bce_loss(s.mask_logits, s.masks) for s in supervised]).sum() / count
        dice = torch.stack([dice_loss(s.mask_logits, s.masks) for s in supervised]).sum() / count
        factor = self.dice_final if final else self.dice_auxiliary
        if factor == '4/B':
            factor = 4 / batch_size
        return (
            self.class_loss_weight * class_term
            + self.bce_weight * bce
            + self.dice_weight * factor * dice
        )


def class_loss(logits: Tensor, labels: Tensor, background_weight: float) -> Tensor | None:
    """Cross-entropy with a lighter background, the last class; None where nothing is supervised.

    Args:
        logits: (R, K).
        labels: int64, (R,), -1 is not supervised.
        background_weight: weight of the background; the others have 1.
    """
    if not bool((labels >= 0).any()):
        return None
    weight = logits.new_ones(logits.shape[1])
    weight[-1] = background_weight
    return F.cross_entropy(logits, labels, weight, ignore_index=-1)
