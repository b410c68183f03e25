"""Clicks, boxes and sentences that a user, or a data transform, asks about one scene."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Click:
    """One click of a user.

    Attributes:
        position: x, y, z in the coordinates of the file the user opened, in its unit: metres,
            unless the file was opened with a scale.
        positive: True adds to the object, False says "not this".
        object: index of the object the click belongs to; several clicks may share it.
    """

    position: tuple[float, float, float]
    positive: bool = True
    object: int = 0


def _no_ids() -> Tensor:
    return torch.zeros(0, dtype=torch.int64)


@dataclass
class Prompts:
    """Prompts of one scene as tensors.

    An object is what some clicks and boxes mean together. Objects are dense in ``0..O-1``.

    Attributes:
        click_superpoints: int64, (P,). Superpoint under each click.
        click_positive: bool, (P,).
        click_objects: int64, (P,). Object of each click.
        click_targets: int64, (O,). Ground-truth instance of each object, -1 if unknown.
        texts: T sentences.
        text_embeddings: float32, (T, D) unit vectors, or None where they are not computed yet.
        text_tokens: int64, (T, L). The sentences as published info files have them; an encoder
            that reads tokens takes these instead of ``texts``. None where there are none.
        text_targets: bool, (T, M) over the ground-truth instances, or None if unknown.
        text_kinds: T words for the kind of each sentence, such as ``'relation'``, for reports; an
            empty list where kinds are not known.
        boxes: float32, (B, 7): centre x, y, z, size x, y, z in the coordinates of the points that
            the model gets, metres, and yaw about z in radians.
        box_objects: int64, (B,). Object of each box.
        click_texts: int64, (O,). Sentence that describes each object besides its clicks, an index
            into ``texts``, -1 for none. None is none for all.
        exclusive: a point that several objects claim goes to one of them.
    """

    click_superpoints: Tensor = field(default_factory=_no_ids)
    click_positive: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    click_objects: Tensor = field(default_factory=_no_ids)
    click_targets: Tensor = field(default_factory=_no_ids)
    texts: list[str] = field(default_factory=list)
    text_embeddings: Tensor | None = None
    text_targets: Tensor | None = None
    text_kinds: list[str] = field(default_factory=list)
    boxes: Tensor = field(default_factory=lambda: torch.zeros(0, 7))
    box_objects: Tensor = field(default_factory=_no_ids)
    click_texts: Tensor | None = None
    exclusive: bool = False
    text_tokens: Tensor | None = None

    def __post_init__(self) -> None:
        num_clicks = len(self.click_superpoints)
        if len(self.click_positive) != num_clicks or len(self.click_objects) != num_clicks:
            raise ValueError(
                f'{num_clicks} click superpoints, {len(self.click_positive)} signs and '
                f'{len(self.click_objects)} object ids: the three must have equal length'
            )
        if tuple(self.boxes.shape) != (len(self.box_objects), 7):
            raise ValueError(
                f'boxes are {tuple(self.boxes.shape)} for {len(self.box_objects)} object ids, '
                'expected one row of 7 numbers each'
            )
        for objects in (self.click_objects, self.box_objects):
            if len(objects) and int(objects.max()) >= self.num_objects:
                raise ValueError('click_targets needs one entry (-1 if unknown) per object')
        if self.text_embeddings is not None and len(self.text_embeddings) != len(self.texts):
            raise ValueError(
                f'{len(self.text_embeddings)} sentence embeddings for {len(self.texts)} sentences'
            )
        if self.text_tokens is not None and len(self.text_tokens) != len(self.texts):
            raise ValueError(
                f'{len(self.text_tokens)} rows of tokens for {len(self.texts)} sentences'
            )
        if self.click_texts is not None:
            if len(self.click_texts) != self.num_objects:
                raise ValueError(
                    f'{len(self.click_texts)} sentence indices for {self.num_objects} objects'
                )
            if len(self.click_texts) and int(self.click_texts.max()) >= self.num_texts:
                raise ValueError(
                    f'click_texts names sentence {int(self.click_texts.max())} of {self.num_texts}'
                )

    @property
    def num_clicks(self) -> int:
        """Number of clicks, P."""
        return len(self.click_superpoints)

    @property
    def num_objects(self) -> int:
        """Number of objects that are clicked or boxed, O."""
        return len(self.click_targets)

    @property
    def num_texts(self) -> int:
        """Number of sentences, T."""
        return len(self.texts)

    def with_clicks(self, superpoints: Tensor, positive: Tensor, objects: Tensor) -> Prompts:
        """The same prompts and further clicks on their objects.

        Args:
            superpoints: int64, (P',).
            positive: bool, (P',).
            objects: int64, (P',), in ``0..O-1``.
        """
        return dataclasses.replace(
            self,
            click_superpoints=torch.cat([self.click_superpoints, superpoints]),
            click_positive=torch.cat([self.click_positive, positive]),
            click_objects=torch.cat([self.click_objects, objects]),
        )

    def to(self, device: str | torch.device, non_blocking: bool = False) -> Prompts:
        """The same prompts on another device."""
        moved = {
            name: value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return dataclasses.replace(
            self, texts=list(self.texts), text_kinds=list(self.text_kinds), **moved
        )
