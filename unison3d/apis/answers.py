"""Asks a model about one encoded scene, and remembers what prompts cannot change."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unison3d.models import UnifiedSegmentor
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.tasks import OpenVocabularyTask
from unison3d.models.tasks.base import Task, TaskOutput
from unison3d.models.tasks.scene_rows import ROW_GROUP
from unison3d.structures import InstanceMasks, Prompts, SceneSample

# Answers that are remembered: one vocabulary more forgets the oldest.
MAX_KEPT_ANSWERS = 8
# Mask logits (Q * S) of a decoder pass that stay in memory for the next vocabulary, 256 MB.
MAX_KEPT_LOGITS = 2**26


@dataclass
class Answer:
    """The answer of one task of the model.

    Attributes:
        fields: the ``pred_*`` fields of :class:`SceneSample`, on the CPU.
        seconds: what it takes on an encoded scene: the decoder pass, also where another task or an
            earlier call shares it, and the task's own part.
        settings: see :func:`task_settings`.
        reused: it was computed by an earlier call.
    """

    fields: dict[str, Tensor | InstanceMasks]
    seconds: float
    settings: dict[str, Any]
    reused: bool = False

    def copy(self, *, reused: bool) -> Answer:
        """The same answer, which its reader may change."""
        fields = {name: _clone(value) for name, value in self.fields.items()}
        return Answer(fields, self.seconds, self.settings, reused)


class SceneAnswers:
    """Answers about one encoded scene.

    Rows of different kinds never see each other in the decoder, so each kind has a pass of its
    own: the pass over the superpoints is made once per scene and serves every task that asks for
    these rows, and a click costs only its own. A remembered answer is given again until the
    settings of its task change.

    Args:
        model: the model, in evaluation mode.
        features: the scene.
    """

    def __init__(self, model: UnifiedSegmentor, features: SceneFeatures) -> None:
        self._model = model
        self._features = features
        self._kept: dict[tuple[str, tuple[str, ...]], Answer] = {}
        self._scene_pass: tuple[TaskOutput, float] | None = None

    @property
    def features(self) -> SceneFeatures:
        """The scene."""
        return self._features

    @torch.no_grad()
    def ask(
        self, tasks: Sequence[str], prompts: Prompts, vocabulary: Sequence[str] = ()
    ) -> dict[str, Answer]:
        """Answer.

        Args:
            tasks: names of tasks of the model.
            prompts: clicks and sentences.
            vocabulary: names for the open-vocabulary task.
        """
        # Prompts first: a sentence that cannot be encoded is found before the long part.
        ordered = sorted(tasks, key=lambda name: not self._model.tasks[name].prompted)
        return {name: self._answer(name, prompts, tuple(vocabulary)) for name in ordered}

    @torch.no_grad()
    def phrases(
        self, phrases: Sequence[str], *, direct: bool
    ) -> tuple[Tensor, InstanceMasks, Tensor]:
        """Of the open-vocabulary task, on the CPU.

        :meth:`OpenVocabularyTask.cosines` where ``direct`` is set, else its ``phrase_chances``.
        """
        task = self._model.tasks['open_vocabulary']
        output = self._decode('open_vocabulary', SceneSample(prompts=Prompts()))[0]
        score = task.cosines if direct else task.phrase_chances
        points, masks, instances = score(output, self._features, phrases)
        masks = InstanceMasks(
            masks.superpoint_masks.cpu(),
            masks.superpoints.cpu(),
            masks.labels.cpu(),
            masks.scores.cpu(),
        )
        return points.cpu(), masks, instances.cpu()

    def _answer(self, name: str, prompts: Prompts, vocabulary: tuple[str, ...]) -> Answer:
        task = self._model.tasks[name]
        if task.prompted:
            return self._compute(name, SceneSample(prompts=prompts))
        if not isinstance(task, OpenVocabularyTask):
            vocabulary = ()
        answer = self._kept.pop((name, vocabulary), None)
        reused = answer is not None and answer.settings == task_settings(task)
        if not reused:
            sample = SceneSample(prompts=Prompts())
            if vocabulary:
                sample.vocabulary = list(vocabulary)
            answer = self._compute(name, sample)
        # Back at the young end; the oldest leaves.
        self._kept[name, vocabulary] = answer
        if len(self._kept) > MAX_KEPT_ANSWERS:
            del self._kept[next(iter(self._kept))]
        return answer.copy(reused=reused)

    def _compute(self, name: str, sample: SceneSample) -> Answer:
        task = self._model.tasks[name]
        sample = sample.to(self._features.device)
        output, seconds = self._decode(name, sample)
        start = self._now()
        task.predict(output, self._features, sample)
        sample = sample.to('cpu')
        seconds += self._now() - start
        fields = {key: value for key, value in sample.items() if key.startswith('pred_')}
        return Answer(fields, seconds, task_settings(task))

    def _decode(self, name: str, sample: SceneSample) -> tuple[TaskOutput, float]:
        """The decoder's output for the rows of a task, and the seconds it took."""
        shared = self._model.tasks[name].row_group == ROW_GROUP
        if shared and self._scene_pass is not None:
            return self._scene_pass
        start = self._now()
        # A tenth faster than without gradients alone; what the tasks make of it are normal tensors.
        with torch.inference_mode():
            output = self._model.decode(self._features, sample, [name])[name]
        made = output, self._now() - start
        if shared and output.final.mask_logits.numel() <= MAX_KEPT_LOGITS:
            self._scene_pass = made
        return made

    def _now(self) -> float:
        """Seconds, after everything that was sent to a GPU is done."""
        if self._features.device.type == 'cuda':
            torch.cuda.synchronize(self._features.device)
        return time.perf_counter()


def task_settings(task: Task) -> dict[str, Any]:
    """What besides the weights decides an answer, ready for JSON."""
    settings: dict[str, Any] = {}
    if hasattr(task, 'label_space'):
        settings['label_space'] = task.label_space.name
    for name in (
        'logit_scale',
        'novelty',
        'names_per_object',
        'max_objects',
        'presence_calibration',
        'presence_threshold',
        'pick_threshold',
    ):
        if hasattr(task, name):
            settings[name] = getattr(task, name)
    if getattr(task, 'synonyms', None):
        settings['synonyms'] = dict(task.synonyms)
    if hasattr(task, 'postprocess'):
        settings.update(dataclasses.asdict(task.postprocess))
    return settings


def _clone(value: Tensor | InstanceMasks) -> Tensor | InstanceMasks:
    if isinstance(value, Tensor):
        return value.clone()
    return InstanceMasks(
        value.superpoint_masks.clone(),
        value.superpoints,
        value.labels.clone(),
        value.scores.clone(),
    )
