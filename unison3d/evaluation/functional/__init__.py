"""Scores as pure functions: arrays in, numbers out. No torch, no files."""

from unison3d.evaluation.functional.clicks import (
    clicks_to_reach,
    clicks_until,
    iou_at_click,
    iou_at_clicks,
)
from unison3d.evaluation.functional.instance import (
    InstanceEvaluator,
    InstanceResult,
    constant_scores,
    instance_result,
)
from unison3d.evaluation.functional.instance_matching import (
    SCANNET_THRESHOLDS,
    SceneMatches,
    decode_scannet_ids,
    match_instances,
)
from unison3d.evaluation.functional.overlap import (
    dense_labels,
    distinct_masks,
    expand_masks,
    mask_overlaps,
    overlaps_and_sizes,
)
from unison3d.evaluation.functional.panoptic import (
    PanopticCounts,
    PanopticEvaluator,
    PanopticResult,
    match_panoptic,
)
from unison3d.evaluation.functional.prompts import (
    PROMPT_THRESHOLDS,
    mask_iou,
    prompt_ap,
    prompt_summary,
)
from unison3d.evaluation.functional.referring import referring_summary
from unison3d.evaluation.functional.semantic import (
    SemanticEvaluator,
    SemanticResult,
    class_points,
    confusion_matrix,
    nan_mean,
    points_result,
    semantic_result,
)
from unison3d.evaluation.functional.superpoints import (
    achievable_accuracy,
    adjusted_rand_index,
    boundary_points,
    boundary_recall,
)

__all__ = [
    'PROMPT_THRESHOLDS',
    'SCANNET_THRESHOLDS',
    'InstanceEvaluator',
    'InstanceResult',
    'PanopticCounts',
    'PanopticEvaluator',
    'PanopticResult',
    'SceneMatches',
    'SemanticEvaluator',
    'SemanticResult',
    'achievable_accuracy',
    'adjusted_rand_index',
    'boundary_points',
    'boundary_recall',
    'class_points',
    'clicks_to_reach',
    'clicks_until',
    'confusion_matrix',
    'constant_scores',
    'decode_scannet_ids',
    'dense_labels',
    'distinct_masks',
    'expand_masks',
    'instance_result',
    'iou_at_click',
    'iou_at_clicks',
    'mask_iou',
    'mask_overlaps',
    'match_instances',
    'match_panoptic',
    'nan_mean',
    'overlaps_and_sizes',
    'points_result',
    'prompt_ap',
    'prompt_summary',
    'referring_summary',
    'semantic_result',
]
