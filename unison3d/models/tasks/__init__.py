"""Tasks: prompts to queries, losses, and answers to predictions. One file per task."""

from unison3d.models.tasks.base import Task, TaskOutput, TaskRows
from unison3d.models.tasks.click import ClickTask
from unison3d.models.tasks.closed_set import ClosedSetTask
from unison3d.models.tasks.learned_queries import LearnedQueryTask
from unison3d.models.tasks.mixed_label_sets import MixedLabelSetsTask
from unison3d.models.tasks.open_vocabulary import OpenVocabularyTask
from unison3d.models.tasks.referring import ReferringTask
from unison3d.models.tasks.scene_rows import SuperpointQueries
from unison3d.models.tasks.text import TextTask

__all__ = [
    'ClickTask',
    'ClosedSetTask',
    'LearnedQueryTask',
    'MixedLabelSetsTask',
    'OpenVocabularyTask',
    'ReferringTask',
    'SuperpointQueries',
    'Task',
    'TaskOutput',
    'TaskRows',
    'TextTask',
]
