"""One set of logits learns from another."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def distillation_loss(student: Tensor, teacher: Tensor, *, saturating: bool = False) -> Tensor:
    """Binary cross-entropy of the student with the teacher's probabilities, mean over elements.

    Args:
        student: logits, any shape.
        teacher: logits of the same shape; no gradient goes there.
        saturating: compute it from probabilities with their logarithm held above -100, as
            published. In float32 a logit above 17 is then probability 1: the value jumps and the
            gradient vanishes where the student is most wrong.
    """
    target = teacher.detach().sigmoid()
    if saturating:
        return F.binary_cross_entropy(student.sigmoid(), target)
    return F.binary_cross_entropy_with_logits(student, target)
