"""Metrics of the six tasks for MMEngine's evaluator; the arithmetic is in ``functional``."""

from unison3d.evaluation.metrics.instance import InstanceMetric
from unison3d.evaluation.metrics.interactive import InteractiveMetric
from unison3d.evaluation.metrics.open_vocabulary import OpenVocabularyMetric
from unison3d.evaluation.metrics.panoptic import PanopticMetric
from unison3d.evaluation.metrics.referring import ReferringMetric
from unison3d.evaluation.metrics.semantic import SemanticMetric

__all__ = [
    'InstanceMetric',
    'InteractiveMetric',
    'OpenVocabularyMetric',
    'PanopticMetric',
    'ReferringMetric',
    'SemanticMetric',
]
