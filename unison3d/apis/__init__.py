"""The three-line door: load, set a scene, ask."""

from unison3d.apis.scene_result import SceneResult
from unison3d.apis.segmenter import TASKS, Segmenter

__all__ = ['TASKS', 'SceneResult', 'Segmenter']
