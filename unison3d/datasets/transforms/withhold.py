"""Hide classes from training, so that the test on unseen classes is honest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unison3d.datasets.transforms.sample_edit import (
    keep_instances,
    keep_sentences,
    mentions,
)
from unison3d.registry import TRANSFORMS
from unison3d.structures.label_space import SCANNET20


@TRANSFORMS.register_module()
class WithholdClasses:
    """Take every trace of some object names out of the labels; the points stay.

    Their points get no class and no instance and are marked in ``ignore``, so that training does
    not learn them as background either. Sentences that mention or target them go.

    Args:
        names: object names as in ``instance_names``. None takes the withheld names of the
            procedural catalogue.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        if names is None:
            from unison3d.synth.catalog import withheld_names

            names = withheld_names()
        self.names = tuple(names)

    def __call__(self, results: dict) -> dict:
        hidden = np.array([name in self.names for name in results['instance_names']], bool)
        points = np.append(hidden, False)[results['instances']]
        ignore = results.get('ignore')
        results['ignore'] = points if ignore is None else ignore | points
        no_class = results.get('num_classes', SCANNET20.num_classes)
        results['semantic'] = np.where(points, no_class, results['semantic'])
        if results.get('sentences'):
            sentences = results['sentences']
            keep_sentences(results, [not mentions(s['text'], self.names) for s in sentences])
        return keep_instances(results, ~hidden)
