"""Segment one scene in many ways, encoding it once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from unison3d.apis.answers import Answer, SceneAnswers, task_settings
from unison3d.apis.device import MEMORY_ADVICE
from unison3d.apis.model_file import SHIPPED_WEIGHTS, load_model
from unison3d.apis.phrase_scores import PhraseScores
from unison3d.apis.pretrained import write_folder
from unison3d.apis.prompts import (
    MAX_CLICK_DISTANCE,
    BoxLike,
    as_boxes,
    as_click_texts,
    make_prompts,
    object_numbers,
)
from unison3d.apis.questions import (
    TASKS,
    ClickLike,
    as_clicks,
    as_synonyms,
    as_tasks,
    as_texts,
    as_vocabulary,
)
from unison3d.apis.scene_reading import read_scene
from unison3d.apis.scene_result import SceneResult, TaskRecord
from unison3d.errors import ConfigError, VocabularyError
from unison3d.models import UnifiedSegmentor
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks import OpenVocabularyTask
from unison3d.native.memory import memory_explained
from unison3d.structures import SCANNET20, InstanceMasks, PointScene, SceneSample
from unison3d.superpoints import compute_superpoints, estimate_normals


class Segmenter:
    """Answers questions about one scene at a time.

        >>> segmenter = Segmenter.from_pretrained()
        >>> segmenter.set_scene('my_scan.ply')
        >>> result = segmenter.predict(clicks=[(1.2, .4, .5)], texts=['the chair'])
        >>> result.save('out/')

    :meth:`set_scene` does the heavy part (superpoints and network) once. Answers without a prompt
    (semantic, instance, panoptic, and open vocabulary with the same names) are computed by the
    first :meth:`predict` that asks and remembered until the next scene; a click or a sentence
    costs only its own queries.

    Args:
        model: the model; it is put in evaluation mode.
        metadata: text that came with its weights.
    """

    def __init__(self, model: UnifiedSegmentor, metadata: dict[str, str] | None = None) -> None:
        # In training mode a model draws a share of its queries, and statistics of one scene.
        self.model = model.eval()
        self.metadata = dict(metadata or {})
        self.timing: dict[str, float] = {}
        self._scene: PointScene | None = None
        self._scale = 1.0
        self._answers: SceneAnswers | None = None
        self._tree: cKDTree | None = None

    @classmethod
    def from_pretrained(
        cls, weights: str | Path | None = None, device: str | torch.device = 'auto'
    ) -> Segmenter:
        """Load weights.

        Args:
            weights: a ``.safetensors`` file, a folder that :meth:`save_pretrained` wrote, or the
                name of weights that ship, such as ``'unified-s_synth-rooms'``; None is these.
                Nothing in a file or folder is executed, and hashes beside it are checked.
            device: ``'auto'`` takes the GPU where there is one, else the CPU.

        Raises:
            CheckpointError: see :func:`~unison3d.apis.model_file.load_model`.
            ConfigError: the device cannot be used.
        """
        model, metadata = load_model(weights, device)
        metadata['weights'] = Path(SHIPPED_WEIGHTS if weights is None else weights).name
        return cls(model, metadata)

    def save_pretrained(self, folder: str | os.PathLike[str], card: str | None = None) -> Path:
        """Write a folder that :meth:`from_pretrained` reads: the same model, bit for bit.

        It has weights, config, label space and vocabulary, a model card and the hashes of all of
        them; see :mod:`unison3d.apis.pretrained`. The names of :meth:`set_vocabulary` go along.

        Args:
            folder: a new or empty folder.
            card: text of the model card; by default one with what is known, to be completed.

        Returns:
            The folder.

        Raises:
            ConfigError: the folder has files, or the model came without a description.
        """
        return write_folder(folder, self.model, self.metadata, card)

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return next(self.model.parameters()).device

    @property
    def scene(self) -> PointScene:
        """The current scene in metres, superpoints included.

        Raises:
            ConfigError: :meth:`set_scene` has not been called.
        """
        if self._scene is None:
            raise ConfigError('no scene yet: call set_scene(path_or_scene) before predict()')
        return self._scene

    @property
    def scale(self) -> float:
        """Metres per unit of the file; 1 where a scene was handed in."""
        return self._scale

    @property
    def features(self) -> SceneFeatures | None:
        """What the network made of the current scene; None for a scene without points."""
        return None if self._answers is None else self._answers.features

    @memory_explained('Reading and encoding this scan', MEMORY_ADVICE)
    @torch.no_grad()
    def set_scene(
        self,
        scene: str | os.PathLike[str] | PointScene,
        *,
        on_bad: str = 'raise',
        scale: float = 1.0,
        num_features: int = 6,
        capture: Mapping[str, Any] | None = None,
    ) -> PointScene:
        """Read, over-segment and encode a scene.

        Args:
            scene: a file or folder :meth:`PointScene.from_file` reads, a capture of posed depth
                images that :func:`~unison3d.fusion.fuse_capture` reads, or a scene.
            on_bad: ``'raise'`` or ``'drop'`` points with bad numbers (files only).
            scale: metres per unit of the file, 0.001 for millimetres (files only). Clicks are then
                given, and boxes and PLY files written, in the unit of the file; the scene and the
                arrays of a result stay in metres.
            num_features: numbers per point of a ``.bin`` file.
            capture: options of :func:`~unison3d.fusion.fuse_capture` (captures only).

        Returns:
            The scene with superpoints and normals.

        Raises:
            FileFormatError: the file is missing, damaged or of an unknown kind.
            SceneError: bad numbers, or neither a file nor a scene.
            ConfigError: an option for files together with a scene, or a scale that is no number.
        """
        start = time.perf_counter()
        scene = read_scene(scene, on_bad, scale, num_features, capture or {})
        read = time.perf_counter()
        # As in training, also where the file has normals of its own: those of a mesh are smoother.
        normals = estimate_normals(scene.points)[0]
        superpoints = scene.superpoints
        on_voxels = self.model.data_preprocessor.keys == 'voxels'
        if on_voxels:
            # The model looks at its own voxels, which are known when it has seen the scene.
            superpoints = np.zeros(len(scene), np.int64)
        elif superpoints is None:
            superpoints = compute_superpoints(scene.points, scene.colors, scene.faces)
        scene = scene.replace(normals=normals, superpoints=superpoints)
        segmented = time.perf_counter()
        features = self._encode(scene) if len(scene) else None
        answers = None if features is None else SceneAnswers(self.model, features)
        if on_voxels and features is not None:
            scene = scene.replace(superpoints=features.superpoints.cpu().numpy())
        encoded = time.perf_counter()
        # Unbalanced is twice as fast to build, and as good for a few clicks.
        tree = cKDTree(scene.points, balanced_tree=False, compact_nodes=False)
        # Together at the end: a scene that fails leaves the one before in place.
        self._scene, self._scale, self._answers, self._tree = scene, float(scale), answers, tree
        self.timing = {
            'read_s': read - start,
            'superpoints_s': segmented - read,
            'encode_s': encoded - segmented,
            'index_s': time.perf_counter() - encoded,
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

    @memory_explained('Answering this question', MEMORY_ADVICE)
    @torch.no_grad()
    def predict(
        self,
        tasks: Sequence[str] | str | None = None,
        *,
        clicks: Sequence[ClickLike] | np.ndarray | ClickLike | None = None,
        boxes: Sequence[BoxLike] | np.ndarray | BoxLike | None = None,
        click_texts: Mapping[int, str] | None = None,
        exclusive: bool = False,
        texts: Sequence[str] | str | None = None,
        vocabulary: Sequence[str] | str | None = None,
    ) -> SceneResult:
        """Answer.

        Args:
            tasks: names out of :data:`TASKS`. Default: semantic, instance and panoptic, and every
                other task whose prompt is given.
            clicks: positions (x, y, z) in the coordinates of the file, each its own object, or
                :class:`~unison3d.structures.Click` objects; a single one needs no list.
            boxes: centre, size and perhaps yaw in radians, in the coordinates of the file, as rows
                of 6 or 7 numbers that each start an object after those of the clicks, or
                :class:`~unison3d.structures.Box` objects, which may share an object with clicks.
            click_texts: sentence by object, to be understood together with its clicks and boxes
                (models with ``text_dim`` in their click task). If ``'referring'`` is asked as well,
                it answers these sentences after ``texts``.
            exclusive: a point that several clicked or boxed objects claim goes to one of them.
            texts: sentences, or one.
            vocabulary: names for the open-vocabulary task, or one name; default: those of
                :meth:`set_vocabulary`, before its first call those of the training. Upper case
                and extra spaces make no difference.

        Returns:
            The result; an empty scene gives an empty result of the right shapes.

        Raises:
            ConfigError: an unknown task, no task, or no scene.
            PromptError: a click that is no position or lies outside the scene, a box that is none
                or is empty, a sentence that is empty or no string, one about an object that does
                not exist or for a model that takes none, or a task without its prompt.
            VocabularyError: an empty or repeating vocabulary, or names no encoder here can embed.
            MissingDependencyError: a sentence or a name needs the extra ``text``.
        """
        scene = self.scene
        texts = as_texts(texts)
        vocabulary = as_vocabulary(vocabulary)
        clicks = as_clicks(clicks)
        boxes = as_boxes(boxes, 1 + max((click.object for click in clicks), default=-1))
        click_texts = as_click_texts(click_texts, object_numbers(clicks, boxes))
        given = {
            'interactive': bool(clicks or boxes),
            'referring': bool(texts),
            'open_vocabulary': vocabulary is not None,
        }
        parts = self.model.tasks
        unanswered = [name for task in parts.values() for name in getattr(task, 'unanswered', ())]
        names = as_tasks(tasks, given, parts.keys(), unanswered)
        start = time.perf_counter()
        texts += [text for text in dict.fromkeys(click_texts.values()) if text not in texts]
        prompts = make_prompts(
            scene,
            self._tree,
            self._scale,
            clicks=clicks,
            boxes=boxes,
            texts=texts,
            click_texts=click_texts,
            exclusive=bool(exclusive),
        )
        asked = self._vocabulary(vocabulary) if 'open_vocabulary' in names else []
        answers: dict[str, Answer] = {}
        if self._answers is not None:
            model_tasks = list(dict.fromkeys(TASKS[name] for name in names))
            answers = self._answers.ask(model_tasks, prompts, asked)
        sample = SceneSample(prompts=prompts)
        for answer in answers.values():
            sample.set_data(answer.fields)
        closed_set = self.model.tasks['closed_set'] if 'closed_set' in self.model.tasks else None
        return SceneResult(
            scene,
            names,
            sample,
            clicks=clicks,
            boxes=boxes,
            click_texts=click_texts,
            texts=texts,
            vocabulary=asked,
            label_space=getattr(closed_set, 'label_space', SCANNET20),
            panoptic_stuff=getattr(closed_set, 'panoptic_stuff', None),
            scale=self._scale,
            records=self._records(names, answers),
            timing={**self.timing, 'predict_s': time.perf_counter() - start},
            metadata=dict(self.metadata),
        )

    def set_vocabulary(
        self, vocabulary: Sequence[str] | Mapping[str, Sequence[str] | str] | str
    ) -> None:
        """Names that the open-vocabulary task answers from now on, where a call brings none.

        At any time, before or after :meth:`set_scene`; the scene is not encoded again.

            >>> segmenter.set_vocabulary({'sofa': ['sofa', 'couch'], 'lamp': 'lamp'})
            >>> segmenter.predict('open_vocabulary')

        Args:
            vocabulary: names, or phrases by name: the best of its phrases counts for a name. Also
                used by a later ``predict(vocabulary=...)`` that asks for the same name.

        Raises:
            ConfigError: the model has no open-vocabulary task.
            VocabularyError: no name, an empty or repeated one, one that is no string, or a name
                without phrases; the vocabulary before stays.
            MissingDependencyError: encoding the names needs the extra ``text``.
        """
        self._open_task().set_vocabulary(as_synonyms(vocabulary))

    @memory_explained('Scoring these phrases', MEMORY_ADVICE)
    @torch.no_grad()
    def scores(self, phrases: Sequence[str] | str, *, direct: bool = False) -> PhraseScores:
        """How well every point and every object of the scene fits any phrases.

        Args:
            phrases: K phrases, or one, such as ``'somewhere to sleep'``. Each is scored on its own:
                no phrase changes the numbers of another, unlike the names of a vocabulary.
            direct: cosines between what the model saw and the phrases, in [-1, 1]. By default
                chances in [0, 1], through the names that training knew: how likely an object has
                each name, times how well the name fits the phrase.

        Raises:
            ConfigError: no scene, or the model has no open-vocabulary task.
            VocabularyError: as :meth:`set_vocabulary`, or chances of a model without names.
            MissingDependencyError: encoding the phrases needs the extra ``text``.
        """
        phrases, scene = as_vocabulary(phrases), self.scene
        if phrases is None:
            raise VocabularyError('phrases is None; give one phrase or more')
        task = self._open_task()
        if self._answers is None:
            task.encoder.encode(phrases)
            masks = InstanceMasks.empty(torch.zeros(0, dtype=torch.int64), 0)
            points = instances = torch.zeros(0, len(phrases))
        else:
            points, masks, instances = self._answers.phrases(phrases, direct=direct)
        cells = points.numpy(), masks, instances.numpy()
        return PhraseScores(scene, tuple(phrases), *cells, scale=self._scale, direct=direct)

    def _open_task(self) -> OpenVocabularyTask:
        if 'open_vocabulary' not in self.model.tasks:
            raise ConfigError(
                "the model of these weights has no part for the task 'open_vocabulary'; it has "
                f'{", ".join(self.model.tasks)}'
            )
        return self.model.tasks['open_vocabulary']

    def _vocabulary(self, names: list[str] | None) -> list[str]:
        """The names that are asked, after a look whether the encoder knows them all."""
        task = self.model.tasks['open_vocabulary']
        names = list(task.test_vocabulary) if names is None else names
        task.prototypes(names)
        return names

    def _records(self, names: list[str], answers: dict[str, Answer]) -> dict[str, TaskRecord]:
        records = {}
        groups = {name: self.model.tasks[TASKS[name]].row_group for name in names}
        for name in names:
            task = self.model.tasks[TASKS[name]]
            answer = answers.get(TASKS[name]) or Answer({}, 0.0, task_settings(task))
            settings = dict(answer.settings)
            if name == 'interactive':
                settings['max_click_distance'] = MAX_CLICK_DISTANCE
            others = tuple(n for n in names if n != name and groups[n] == groups[name])
            records[name] = TaskRecord(answer.seconds, answer.reused, others, settings)
        return records
