"""Own data with own classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unison3d.datasets.processed_dataset import ProcessedSegDataset
from unison3d.errors import ConfigError
from unison3d.registry import DATASETS
from unison3d.structures.label_space import LabelSpace, spread_colors


@DATASETS.register_module()
class CustomSegDataset(ProcessedSegDataset):
    """Own scans in the processed form, with classes named in the config.

    Args:
        data_root: folder of the four folders.
        classes: names; those without instances (walls, floors) come first.
        num_stuff: how many of the classes have no instances.
        raw_ids: id of each class in the semantic files. None takes 1, 2, 3, ... (0 is no class).
        palette: red, green, blue (0..255) of each class. None takes well-spread colours.
        **kwargs: of the base class.
    """

    def __init__(
        self,
        data_root: str,
        *,
        classes: Sequence[str],
        num_stuff: int = 0,
        raw_ids: Sequence[int] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        classes = tuple(str(name).lower() for name in classes)
        if not classes or len(set(classes)) < len(classes) or not 0 <= num_stuff <= len(classes):
            raise ConfigError(
                f'CustomSegDataset: {len(classes)} classes, {len(set(classes))} of them different, '
                f'num_stuff {num_stuff}. Give one class or more, each once, and at most as many '
                'stuff classes.'
            )
        space = LabelSpace(
            name='custom',
            classes=classes,
            stuff=tuple(range(num_stuff)),
            palette=spread_colors(len(classes)) if palette is None else np.asarray(palette),
            raw_ids=tuple(range(1, len(classes) + 1)) if raw_ids is None else tuple(raw_ids),
        )
        super().__init__(data_root, label_space=space, **kwargs)
