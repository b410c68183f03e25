"""`SceneSession`: one scan opened for looking, asking and correcting.

>>> model = SharedModel()
>>> session = SceneSession(PointScene.from_file('room.ply'), model, journal='room.jsonl')
>>> session.start()                       # encodes in the background
>>> session.wait()
>>> answer = session.click((1.2, 0.4, 0.5))
>>> session.labels.apply(Draw(answer.mask, name='chair'))
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unison3d.errors import PromptError
from unison3d.structures import PointScene
from unison3d.viewer.background import BackgroundWork, Progress
from unison3d.viewer.encoding import encode_scene
from unison3d.viewer.journal import Journal, SceneIdentity
from unison3d.viewer.label_source import from_result
from unison3d.viewer.labels import LabelEvent, SceneLabels
from unison3d.viewer.layers import Layer
from unison3d.viewer.prompt_store import PromptStore
from unison3d.viewer.scene_layers import known_layers, scene_layer
from unison3d.viewer.scene_outline import SceneOutline
from unison3d.viewer.session_answers import (
    MaskAnswer,
    NotReadyError,
    ObjectInfo,
    SentenceAnswer,
    VocabularyAnswer,
)
from unison3d.viewer.shared_model import SharedModel

if TYPE_CHECKING:
    from unison3d.structures import Box, Click
    from unison3d.viewer.hierarchy import PartLadder
    from unison3d.viewer.model_facts import ModelFacts

__all__ = [
    'MaskAnswer',
    'NotReadyError',
    'ObjectInfo',
    'SceneSession',
    'SentenceAnswer',
    'VocabularyAnswer',
]

#: Share of an object's points that must lie in the answer to a sentence for it to be meant.
MEANT = 0.5
_LEVELS = 'The slider from part to whole'


class SceneSession:
    """A scan, its labels, and a model that answers questions about it.

    Looking and correcting work at once; questions to the model work from the moment the scene is
    encoded, and say how far that is until then. All positions are in the frame of
    ``scene.points``, in metres. Safe to use from any thread.

    Args:
        scene: the scan.
        model: the weights.
        journal: file the edits are kept in; None keeps them in memory only.
        scale: metres per unit of the file, for exports.
        recover: go on with what is left of a damaged journal.

    Raises:
        FileFormatError, SceneError, ConfigError: see :meth:`Journal.open`.
    """

    def __init__(
        self,
        scene: PointScene,
        model: SharedModel,
        *,
        journal: str | os.PathLike[str] | None = None,
        scale: float = 1.0,
        recover: bool = False,
    ) -> None:
        self.scene = scene
        self.scale = scale
        self.labels = SceneLabels(len(scene))
        self.journal: Journal | None = None
        if journal is not None:
            door = Journal.recover if recover else Journal.open
            self.journal = door(journal, self.labels, SceneIdentity.of(scene))
        self._model = model
        self._facts: ModelFacts | None = None
        self._work = BackgroundWork(self._encode)
        #: The search for parts and wholes; :meth:`levels` starts it and waits for it.
        self.parts = BackgroundWork(self._find_parts)
        self._ladder: PartLadder | None = None
        self._lock = threading.RLock()
        self._prompts = PromptStore(self._answer)
        self._boxes: tuple[int, dict[int, np.ndarray]] = (-1, {})
        self._outline: SceneOutline | None = None
        self._outline_lock = threading.Lock()

    @property
    def outline(self) -> SceneOutline:
        """How the points are drawn, the same for all tabs; found at the first call."""
        with self._outline_lock:
            if self._outline is None:
                self._outline = SceneOutline(self.scene.points)
            return self._outline

    # ------------------------------------------------------------------ encoding

    @property
    def progress(self) -> Progress:
        """How far the encoding is."""
        return self._work.progress

    @property
    def error(self) -> BaseException | None:
        """Why the encoding failed, None where it did not."""
        return self._work.error

    def start(self) -> None:
        """Encode in the background; nothing happens when that runs or is done."""
        self._work.start()

    def cancel(self) -> None:
        """Stop encoding soon; :meth:`start` begins again."""
        self._work.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, at most some seconds; gives whether the scene is encoded."""
        return self._work.wait(timeout)

    def on_progress(self, callback: Callable[[Progress], None]) -> Callable[[], None]:
        """Be told of every step of the encoding, on its thread; returns what ends it."""
        return self._work.subscribe(callback)

    def close(self, wait: bool = True) -> None:
        """Stop the encoding and close the journal.

        Args:
            wait: until the encoding has stopped, which may take as long as one step of it.
        """
        self._work.cancel()
        self.parts.cancel()
        if self.journal is not None:
            self.journal.close()
        if wait:
            self._work.wait()
            self.parts.wait()

    def __enter__(self) -> SceneSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _encode(self) -> None:
        scene, facts = encode_scene(self.scene, self._model, self._work.report)
        with self._lock:
            self.scene, self._facts = scene, facts

    def _ready(self, what: str) -> ModelFacts:
        if self._facts is None:
            now = self.progress
            state = f'{now.text} ({now.fraction:.0%})' if now.state == 'working' else now.text
            raise NotReadyError(
                f'{what} needs the model, which has not seen "{self.scene.name}" yet: {state}. '
                'Wait until it is ready, or start it again if it failed or was cancelled.'
            )
        return self._facts

    # ------------------------------------------------------------------ clicks

    def click(self, point: Sequence[float], positive: bool = True, object: int = 0) -> MaskAnswer:
        """One more click on an object.

        Args:
            point: x, y, z.
            positive: part of the object, or not.
            object: which object is meant; clicks and boxes with the same number belong together.

        Raises:
            NotReadyError: the scene is not encoded.
            PromptError: the click is far from every point. It is not kept.
        """
        self._ready('A click')
        from unison3d.structures import Click

        return self._prompts.add(object, Click(self._to_file(point), bool(positive), 0))

    def box(
        self,
        center: Sequence[float],
        size: Sequence[float],
        yaw: float = 0.0,
        object: int = 0,
    ) -> MaskAnswer:
        """A box around an object: centre, size and turn about z in radians; else as a click."""
        self._ready('A box')
        from unison3d.structures import Box

        span = tuple(float(length) for length in size)
        return self._prompts.add(object, Box(self._to_file(center), span, float(yaw), 0))

    def undo_click(self, object: int = 0) -> MaskAnswer | None:
        """Take the last click or box of an object back; None when none is left."""
        return self._prompts.undo(object)

    def clear_clicks(self, object: int | None = None) -> None:
        """Forget the clicks and boxes of an object, or all."""
        self._prompts.clear(object)

    def num_clicks(self, object: int = 0) -> int:
        """Clicks and boxes of an object."""
        return self._prompts.count(object)

    def _answer(self, number: int, prompts: list[Click | Box]) -> MaskAnswer:
        from unison3d.structures import Box, Click

        clicks = [item for item in prompts if isinstance(item, Click)]
        boxes = [item for item in prompts if isinstance(item, Box)]
        segmenter = self._ready('A click').segmenter
        if not boxes and not any(item.positive for item in clicks):
            raise PromptError(
                'an object needs a click on it before one beside it. Click the object first.'
            )
        with self._model.use():
            result = segmenter.predict('interactive', clicks=clicks, boxes=boxes)
        masks = result.click_masks
        rows = masks.superpoint_masks[0].numpy()
        return MaskAnswer(number, rows, self.to_points(rows), float(masks.scores[0]))

    def _to_file(self, point: Sequence[float]) -> tuple[float, float, float]:
        # The segmenter got a scene and no file, so its unit is the metre.
        world = np.asarray(point, np.float64).reshape(3) + self.scene.origin
        return tuple(world.tolist())

    def to_points(self, superpoint_mask: np.ndarray) -> np.ndarray:
        """bool, (N,), of bool, (S,)."""
        self._ready('A mask')
        return superpoint_mask[self.scene.superpoints]

    # ------------------------------------------------------------------ words

    def ask(self, sentence: str) -> SentenceAnswer:
        """What a sentence means.

        Raises:
            NotReadyError: the scene is not encoded.
            PromptError: no sentence.
            ConfigError: the model understands no sentences.
            MissingDependencyError: sentences need the extra ``text``.
        """
        segmenter = self._ready('A sentence').segmenter
        from unison3d.viewer.words import ask_sentence

        with self._model.use():
            return ask_sentence(segmenter, sentence, self.objects_inside)

    def vocabulary(self, names: Sequence[str] | str) -> VocabularyAnswer:
        """Semantic and instance layers of names of one's own.

        Args:
            names: as a list, or separated by commas.

        Raises:
            NotReadyError: the scene is not encoded.
            VocabularyError: no names, or some twice.
            MissingDependencyError: names the model does not know need the extra ``text``.
        """
        segmenter = self._ready('A vocabulary').segmenter
        from unison3d.viewer.words import ask_vocabulary

        with self._model.use():
            return ask_vocabulary(segmenter, names)

    # ------------------------------------------------------------------ objects

    def load_predictions(
        self, task: str = 'panoptic', min_score: float = 0.3, source: str = ''
    ) -> LabelEvent:
        """Put the objects of the model into the labels: an edit like any other.

        Args:
            task: ``'panoptic'`` or ``'instance'``.
            min_score: weaker objects are left out.
            source: see :meth:`SceneLabels.apply`.
        """
        return self.labels.apply(
            from_result(self._ready('Loading objects').result, task, min_score), source
        )

    def objects(self) -> list[ObjectInfo]:
        """The objects of the labels with their boxes."""
        from unison3d.viewer.object_boxes import object_boxes

        version, ids, table = self.labels.snapshot()
        known, boxes = self._boxes
        if known != version:
            boxes = object_boxes(self.scene.points, ids, [item.id for item in table])
            # One assignment, so that threads see a pair that belongs together.
            self._boxes = version, boxes
        return [ObjectInfo(item, boxes.get(item.id)) for item in table]

    def objects_inside(self, mask: np.ndarray) -> tuple[int, ...]:
        """Ids of the labels with most of their points in a mask, bool (N,); the fullest first."""
        _, ids, table = self.labels.snapshot()
        numbers, counts = np.unique(ids[mask], return_counts=True)
        inside = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        shares = [(inside.get(o.id, 0) / max(o.num_points, 1), o.id) for o in table]
        shares.sort(key=lambda item: (-item[0], item[1]))
        return tuple(number for share, number in shares if share >= MEANT)

    def class_of(self, mask: np.ndarray) -> str:
        """The class that most points of a mask, bool (N,), have for the model.

        Raises:
            NotReadyError: the scene is not encoded.
            ConfigError: the model has no classes.
        """
        result = self._ready('A guess of the class').result
        counts = np.bincount(result.semantic[mask], minlength=1)
        return result.label_space.name_of(int(counts.argmax()))

    def levels(self, point: Sequence[float]) -> list[np.ndarray]:
        """From the part under a position to the whole: bool (S,) masks, each inside the next.

        Raises:
            NotReadyError: the scene is not encoded, or the search for parts was cancelled or
                failed.
        """
        self._ready(_LEVELS)
        self.parts.start()
        if not self.parts.wait():
            raise NotReadyError(f'{_LEVELS} has no parts: {self.parts.progress.text}.')
        ladder = self._ladder
        offsets = self.scene.points - np.asarray(point, np.float32)
        nearest = int(np.einsum('ij,ij->i', offsets, offsets).argmin())
        return ladder.levels(int(self.scene.superpoints[nearest]))

    def _find_parts(self) -> None:
        self._ladder = self._ready(_LEVELS).find_parts(self.parts.report)

    # ------------------------------------------------------------------ layers

    def available_layers(self) -> tuple[str, ...]:
        """Layers that can be shown now, in the order of menus; heat needs a question."""
        return known_layers(self.scene, self._facts)

    def layer(
        self,
        name: str,
        *,
        hidden: Collection[int] = (),
        dark: bool = False,
        heat: np.ndarray | None = None,
        threshold: float | None = None,
    ) -> Layer:
        """Colours of every point.

        Args:
            name: one of :data:`unison3d.viewer.layers.LAYERS`. ``'instance'`` shows the labels,
                ``'panoptic'`` the segments the model found.
            hidden: classes or objects that are switched off.
            dark: on a dark page.
            heat: float, (S,), of a :class:`SentenceAnswer`, for ``'heat'``.
            threshold: superpoints with less heat show the colours of the scan in grey.

        Raises:
            NotReadyError: the layer needs the model.
            ConfigError: no such layer, or no heat.
        """
        _, ids, objects = self.labels.snapshot()
        return scene_layer(
            name,
            self.scene,
            ids,
            objects,
            lambda: self._ready(f'The layer "{name}"'),
            hidden=hidden,
            dark=dark,
            heat=heat,
            threshold=threshold,
        )
