"""Stanford rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unison3d.datasets.processed_dataset import ProcessedSegDataset
from unison3d.errors import ConfigError, FileFormatError
from unison3d.registry import DATASETS
from unison3d.structures import S3DIS

#: Area 5 is the test set of the literature.
TRAIN_AREAS = (1, 2, 3, 4, 6)
#: Classes that count as stuff in panoptic scores: all but table to board.
PANOPTIC_STUFF = (0, 1, 2, 3, 4, 5, 6, 12)


@DATASETS.register_module()
class S3DISSegDataset(ProcessedSegDataset):
    """Processed S3DIS; the name of a room starts with its area, such as ``Area_1_office_3``.

    All 13 classes have instances. Published systems use no superpoints here, so cells of 5 cm
    stand in for them.

    Args:
        data_root: folder of the four folders.
        areas: of 1 .. 6, the areas to take.
        superpoints: as in the base class.
        **kwargs: of the base class.
    """

    LABEL_SPACE = S3DIS.name

    def __init__(
        self,
        data_root: str,
        *,
        areas: Sequence[int] = TRAIN_AREAS,
        superpoints: str = 'voxels',
        metainfo: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if not areas or not set(areas) <= set(range(1, 7)):
            raise ConfigError(f'S3DISSegDataset: areas is {areas}, expected some of 1 to 6.')
        self.areas = tuple(areas)
        metainfo = {'panoptic_stuff': PANOPTIC_STUFF, **(metainfo or {})}
        super().__init__(data_root, superpoints=superpoints, metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One entry per room of the areas."""
        starts = tuple(f'Area_{area}_' for area in self.areas)
        rooms = [info for info in super().load_data_list() if info['name'].startswith(starts)]
        if not rooms:
            raise FileFormatError(
                f'{self.data_root}: has no room of the areas {self.areas}. Names have to start '
                'like "Area_1_".'
            )
        return rooms
