"""The objects that a model finds in a scene, as one row of numbers each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.models.decoders import LayerOutput
from unison3d.models.postprocess import PostprocessConfig, distinct_proposals, select_proposals
from unison3d.models.scene_batch import SceneFeatures


@dataclass
class SceneObjects:
    """N objects of a scene without names, best first.

    Attributes:
        masks: bool, (N, S).
        scores: float32, (N,) in [0, 1]. Quality of each mask.
        rows: int64, (N,). Row of the decoder's answer that each comes from.
        embeddings: (N, D) from the decoder.
        class_embeddings: (N, E) in the space of the text embeddings, of length one.
        features: (N, C). Mean superpoint feature.
        input_mean: (N, C_in). Mean of what the network was given (colour, height, ...).
        input_std: (N, C_in). Its standard deviation over the superpoints of the object.
        centers: float32, (N, 3). Mean position, metres from the middle of the floor.
        low: float32, (N, 3). Lowest corner of the box around the object, as ``centers``.
        high: float32, (N, 3). Highest corner.
    """

    masks: Tensor
    scores: Tensor
    rows: Tensor
    embeddings: Tensor
    class_embeddings: Tensor
    features: Tensor
    input_mean: Tensor
    input_std: Tensor
    centers: Tensor
    low: Tensor
    high: Tensor

    def __len__(self) -> int:
        return len(self.masks)


def find_objects(
    layer: LayerOutput,
    quality: Tensor,
    features: SceneFeatures,
    config: PostprocessConfig,
    max_objects: int,
) -> SceneObjects:
    """Keep the best of all masks that show different things.

    No gradient flows through the choice or from the result.

    Args:
        layer: the decoder's answer to the rows of the scene, with class embeddings.
        quality: float, (Q,). Predicted IoU of each mask.
        features: the scene.
        config: thresholds for proposals.
        max_objects: keep at most this many.
    """
    with torch.no_grad():
        proposals, rows = select_proposals(
            layer.mask_logits, quality.clamp(0.0, 1.0), features.superpoints, config
        )
        kept = distinct_proposals(proposals, config)[:max_objects]
        masks, rows = proposals.superpoint_masks[kept], rows[kept]
        share = masks.float() * features.superpoint_sizes
        share = share / share.sum(dim=1, keepdim=True).clamp(min=1.0)
        inputs = features.superpoint_inputs.float()
        mean = share @ inputs
        variance = (share @ inputs**2 - mean**2).clamp(min=0.0)
        low, high = features.extents()
        inside = masks[:, :, None]
        return SceneObjects(
            masks=masks,
            scores=proposals.scores[kept].float(),
            rows=rows,
            embeddings=layer.embeddings[rows].float(),
            class_embeddings=F.normalize(layer.class_embeddings[rows].float(), dim=1),
            features=share @ features.superpoint_features.float(),
            input_mean=mean,
            input_std=variance.sqrt(),
            centers=share @ features.positions,
            low=torch.where(inside, low, torch.inf).amin(dim=1),
            high=torch.where(inside, high, -torch.inf).amax(dim=1),
        )
