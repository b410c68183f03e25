"""Segment one scene in many ways, encoding it once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from unison3d.apis.model_file import SHIPPED_WEIGHTS, load_model
from unison3d.apis.scene_result import SceneResult
from unison3d.errors import ConfigError, PromptError, VocabularyError
from unison3d.models import UnifiedSegmentor
from unison3d.models.scene_batch import SceneFeatures
from unison3d.structures import Click, PointScene, Prompts, SceneSample
from unison3d.superpoints import compute_superpoints, estimate_normals

# What a user asks for, and the task of the model that answers.
TASKS: dict[str, str] = {
    'semantic': 'closed_set',
    'instance': 'closed_set',
    'panoptic': 'closed_set',
    'interactive': 'click',
    'referring': 'text',
    'open_vocabulary': 'open_vocabulary',
}
MAX_CLICK_DISTANCE = 0.25

ClickLike = Click | Sequence[float]


class Segmenter:
    """Answers questions about one scene at a time.

        >>> segmenter = Segmenter.from_pretrained()
        >>> segmenter.set_scene('my_scan.ply')
        >>> result = segmenter.predict(clicks=[(1.2, .4, .5)], texts=['the chair'])
        >>> result.save('out/')

    :meth:`set_scene` does the heavy part (superpoints and network) once; every :meth:`predict`
    after it costs only its own queries.

    Args:
        model: a model in evaluation mode.
        metadata: text that came with its weights.
    """

    def __init__(self, model: UnifiedSegmentor, metadata: dict[str, str] | None = None) -> None:
        self.model = model
        self.metadata = dict(metadata or {})
        self.timing: dict[str, float] = {}
        self._scene: PointScene | None = None
        self._features: SceneFeatures | None = None
        self._tree: cKDTree | None = None

    @classmethod
    def from_pretrained(
        cls, weights: str | Path | None = None, device: str | torch.device = 'auto'
    ) -> Segmenter:
        """Load weights.

        Args:
            weights: ``.safetensors`` file; None is the small model that ships.
            device: ``'auto'`` takes the GPU where there is one, else the CPU.

        Raises:
            CheckpointError: see :func:`~unison3d.apis.model_file.load_model`.
        """
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        model, metadata = load_model(weights, device)
        metadata['weights'] = Path(SHIPPED_WEIGHTS if weights is None else weights).name
        return cls(model, metadata)

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return next(self.model.parameters()).device

    @property
    def scene(self) -> PointScene:
        """The current scene, superpoints included.

        Raises:
            ConfigError: :meth:`set_scene` has not been called.
        """
        if self._scene is None:
            raise ConfigError('no scene yet: call set_scene(path_or_scene) before predict()')
        return self._scene

    @torch.no_grad()
    def set_scene(
        self, scene: str | Path | PointScene, *, on_bad: str = 'raise', scale: float = 1.0
    ) -> PointScene:
        """Read, over-segment and encode a scene.

        Args:
            scene: a file or folder :meth:`PointScene.from_file` reads, or a scene.
            on_bad: ``'raise'`` or ``'drop'`` points with bad numbers (files only).
            scale: factor on the coordinates of a file, 0.001 for millimetres.

        Returns:
            The scene with superpoints and normals.
        """
        start = time.perf_counter()
        if not isinstance(scene, PointScene):
            scene = PointScene.from_file(scene, on_bad=on_bad, scale=scale)
        read = time.perf_counter()
        # As in training, also where the file has normals of its own: those of a mesh are smoother.
        normals = estimate_normals(scene.points)[0]
        superpoints = scene.superpoints
        if superpoints is None:
            superpoints = compute_superpoints(scene.points, scene.colors, scene.faces)
        scene = scene.replace(normals=normals, superpoints=superpoints)
        segmented = time.perf_counter()
        self._features = self._encode(scene) if len(scene) else None
        self._scene = scene
        self._tree = None
        self.timing = {
            'read_s': read - start,
            'superpoints_s': segmented - read,
            'encode_s': time.perf_counter() - segmented,
        }
        return scene

    def _encode(self, scene: PointScene) -> SceneFeatures:
        points = torch.from_numpy(scene.points)
        has_color = scene.colors is not None
        inputs = {
            'points': points,
            'colors': torch.from_numpy(scene.colors) if has_color else torch.zeros_like(points),
            'has_color': torch.tensor(has_color),
            'normals': torch.from_numpy(scene.normals),
            'superpoints': torch.from_numpy(scene.superpoints),
        }
        batch = self.model.data_preprocessor(
            {'inputs': {name: [tensor] for name, tensor in inputs.items()}}
        )['inputs']
        return self.model.encode(batch)[0]

    @torch.no_grad()
    def predict(
        self,
        tasks: Sequence[str] | None = None,
        *,
        clicks: Sequence[ClickLike] | None = None,
        texts: Sequence[str] | None = None,
        vocabulary: Sequence[str] | None = None,
    ) -> SceneResult:
        """Answer.

        Args:
            tasks: names out of :data:`TASKS`. Default: semantic, instance and panoptic, and every
                other task whose prompt is given.
            clicks: positions (x, y, z) in the coordinates of the file, each its own object, or
                :class:`~unison3d.structures.Click` objects.
            texts: sentences.
            vocabulary: names for the open-vocabulary task; default: those of the training.

        Returns:
            The result; an empty scene gives an empty result of the right shapes.

        Raises:
            ConfigError: an unknown task, or no scene.
            PromptError: a click outside the scene, an empty sentence, or a task without its prompt.
            VocabularyError: an empty or repeating vocabulary, or names no encoder here can embed.
        """
        scene = self.scene
        texts = _checked_texts(texts)
        vocabulary = _checked_vocabulary(vocabulary)
        clicks = _as_clicks(clicks)
        names = self._task_names(tasks, clicks, texts, vocabulary)
        start = time.perf_counter()
        prompts = self._prompts(clicks, texts)
        sample = SceneSample(prompts=prompts)
        if vocabulary is not None:
            sample.vocabulary = vocabulary
        if self._features is not None:
            model_tasks = list(dict.fromkeys(TASKS[name] for name in names))
            sample = self.model.predict_scene(
                self._features, sample.to(self.device), model_tasks
            ).to('cpu')
        timing = {**self.timing, 'predict_s': time.perf_counter() - start}
        return SceneResult(scene, names, clicks, texts, sample, timing, self.metadata)

    def _task_names(
        self,
        tasks: Sequence[str] | None,
        clicks: list[Click],
        texts: list[str],
        vocabulary: list[str] | None,
    ) -> list[str]:
        given = {
            'interactive': bool(clicks),
            'referring': bool(texts),
            'open_vocabulary': vocabulary is not None,
        }
        if tasks is None:
            return [name for name in TASKS if given.get(name, True)]
        if isinstance(tasks, str):
            tasks = [tasks]
        for name in tasks:
            if name not in TASKS:
                raise ConfigError(f'unknown task {name!r}; choose from {", ".join(TASKS)}')
        for name, prompt in (('interactive', 'a click'), ('referring', 'a sentence')):
            if name in tasks and not given[name]:
                raise PromptError(f'the task {name!r} needs {prompt}; give one or leave it out')
        return [name for name in TASKS if name in tasks]

    def _prompts(self, clicks: list[Click], texts: list[str]) -> Prompts:
        prompts = Prompts(texts=texts)
        if clicks:
            ids = sorted({click.object for click in clicks})
            prompts.click_superpoints = self._clicked_superpoints(clicks)
            prompts.click_positive = torch.tensor([click.positive for click in clicks])
            prompts.click_objects = torch.tensor([ids.index(click.object) for click in clicks])
            prompts.click_targets = torch.full((len(ids),), -1, dtype=torch.int64)
        return prompts

    def _clicked_superpoints(self, clicks: list[Click]) -> torch.Tensor:
        scene = self.scene
        if len(scene) == 0:
            raise PromptError(f'scene "{scene.name}" has no points, so nothing can be clicked')
        positions = scene.to_local([click.position for click in clicks])
        if self._tree is None:
            self._tree = cKDTree(scene.points)
        distances, nearest = self._tree.query(positions)
        for click, distance in zip(clicks, distances, strict=True):
            if not distance <= MAX_CLICK_DISTANCE:
                low, high = scene.bounds + scene.origin
                raise PromptError(
                    f'click {tuple(click.position)} lies {distance:.2f} m from the nearest point '
                    f'of "{scene.name}", at most {MAX_CLICK_DISTANCE} m are allowed. The scene '
                    f'spans {np.round(low, 2).tolist()} to {np.round(high, 2).tolist()} metres; '
                    'use the coordinates of the file.'
                )
        return torch.from_numpy(scene.superpoints[nearest])


def _as_clicks(clicks: Sequence[ClickLike] | None) -> list[Click]:
    """Bare positions become objects of their own, after those that name one."""
    made: list[Click] = []
    following = 1 + max((c.object for c in clicks or [] if isinstance(c, Click)), default=-1)
    for click in clicks or []:
        if not isinstance(click, Click):
            click = Click(tuple(float(value) for value in click), object=following)
            following += 1
        if len(click.position) != 3 or not np.isfinite(click.position).all():
            raise PromptError(
                f'click {tuple(click.position)} is not a position; expected three finite numbers '
                'x, y, z in metres'
            )
        made.append(click)
    return made


def _checked_texts(texts: Sequence[str] | None) -> list[str]:
    if isinstance(texts, str):
        texts = [texts]
    for text in texts or []:
        if not text.strip():
            raise PromptError('a sentence is empty; describe the object or leave the sentence out')
    return [text.strip() for text in texts or []]


def _checked_vocabulary(vocabulary: Sequence[str] | None) -> list[str] | None:
    if vocabulary is None:
        return None
    names = [name.strip() for name in vocabulary]
    if not names or not all(names):
        raise VocabularyError('the vocabulary is empty or holds an empty name; name the classes')
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise VocabularyError(f'the vocabulary names {repeated} more than once')
    return names
