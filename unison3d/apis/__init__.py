"""The three-line door: load, set a scene, ask."""

from unison3d.apis.questions import TASKS
from unison3d.apis.scene_result import SceneResult, TaskRecord
from unison3d.apis.segmenter import Segmenter

__all__ = ['TASKS', 'SceneResult', 'Segmenter', 'TaskRecord']
