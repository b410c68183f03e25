"""Networks, tasks, losses and text encoders."""

from unison3d.models.backbones import SparseUNet
from unison3d.models.data_preprocessor import ScenePreprocessor
from unison3d.models.decoders import UnifiedDecoder
from unison3d.models.matchers import SparseMatcher
from unison3d.models.segmentors import UnifiedSegmentor
from unison3d.models.tasks import (
    ClickTask,
    ClosedSetTask,
    OpenVocabularyTask,
    SuperpointQueries,
    TextTask,
)

__all__ = [
    'ClickTask',
    'ClosedSetTask',
    'OpenVocabularyTask',
    'ScenePreprocessor',
    'SparseMatcher',
    'SparseUNet',
    'SuperpointQueries',
    'TextTask',
    'UnifiedDecoder',
    'UnifiedSegmentor',
]
