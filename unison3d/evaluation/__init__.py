"""Scores: pure functions in ``functional``, MMEngine metrics in ``metrics``."""

from unison3d.evaluation.metrics import (
    InstanceMetric,
    InteractiveMetric,
    OpenVocabularyMetric,
    PanopticMetric,
    ReferringMetric,
    SemanticMetric,
)

__all__ = [
    'InstanceMetric',
    'InteractiveMetric',
    'OpenVocabularyMetric',
    'PanopticMetric',
    'ReferringMetric',
    'SemanticMetric',
]
