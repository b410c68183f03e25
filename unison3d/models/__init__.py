"""Networks, tasks, losses and text encoders."""

from unison3d.models.backbones import SparseUNet
from unison3d.models.data_preprocessor import ScenePreprocessor
from unison3d.models.decoders import UnifiedDecoder
from unison3d.models.heads import LinearClassifier
from unison3d.models.links import (
    ClassDistillationLink,
    ClickDistillationLink,
    ContrastiveLink,
    PromptClassLink,
    RankingLink,
)
from unison3d.models.matchers import HungarianMatcher, SparseMatcher
from unison3d.models.segmentors import UnifiedSegmentor
from unison3d.models.tasks import (
    ClickTask,
    ClosedSetTask,
    LearnedQueryTask,
    MixedLabelSetsTask,
    OpenVocabularyTask,
    SuperpointQueries,
    TextTask,
)

__all__ = [
    'ClassDistillationLink',
    'ClickDistillationLink',
    'ClickTask',
    'ClosedSetTask',
    'HungarianMatcher',
    'LearnedQueryTask',
    'LinearClassifier',
    'MixedLabelSetsTask',
    'ContrastiveLink',
    'OpenVocabularyTask',
    'PromptClassLink',
    'RankingLink',
    'ScenePreprocessor',
    'SparseMatcher',
    'SparseUNet',
    'SuperpointQueries',
    'TextTask',
    'UnifiedDecoder',
    'UnifiedSegmentor',
]
