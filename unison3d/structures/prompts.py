"""Clicks and sentences that a user, or a data transform, asks about one scene."""

from __future__ import annotations

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


@dataclass
class Prompts:
    """Prompts of one scene as tensors.

    Attributes:
        click_superpoints: int64, (P,). Superpoint under each click.
        click_positive: bool, (P,).
        click_objects: int64, (P,). Object of each click, dense in ``0..O-1``.
        click_targets: int64, (O,). Ground-truth instance of each object, -1 if unknown.
        texts: T sentences.
        text_embeddings: float32, (T, D) unit vectors, or None where they are not computed yet.
        text_targets: bool, (T, M) over the ground-truth instances, or None if unknown.
    """

    click_superpoints: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    click_positive: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    click_objects: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    click_targets: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    texts: list[str] = field(default_factory=list)
    text_embeddings: Tensor | None = None
    text_targets: Tensor | None = None

    def __post_init__(self) -> None:
        num_clicks = len(self.click_superpoints)
        if len(self.click_positive) != num_clicks or len(self.click_objects) != num_clicks:
            raise ValueError(
                f'{num_clicks} click superpoints, {len(self.click_positive)} signs and '
                f'{len(self.click_objects)} object ids: the three must have equal length'
            )
        if num_clicks and int(self.click_objects.max()) >= self.num_objects:
            raise ValueError('click_targets needs one entry (-1 if unknown) per clicked object')
        if self.text_embeddings is not None and len(self.text_embeddings) != len(self.texts):
            raise ValueError(
                f'{len(self.text_embeddings)} sentence embeddings for {len(self.texts)} sentences'
            )

    @property
    def num_clicks(self) -> int:
        """Number of clicks, P."""
        return len(self.click_superpoints)

    @property
    def num_objects(self) -> int:
        """Number of clicked objects, O."""
        return len(self.click_targets)

    @property
    def num_texts(self) -> int:
        """Number of sentences, T."""
        return len(self.texts)

    def to(self, device: str | torch.device, non_blocking: bool = False) -> Prompts:
        """The same prompts on another device."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=non_blocking)

        return Prompts(
            move(self.click_superpoints),
            move(self.click_positive),
            move(self.click_objects),
            move(self.click_targets),
            list(self.texts),
            move(self.text_embeddings),
            move(self.text_targets),
        )
