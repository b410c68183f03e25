"""A small hand-made room, so that transforms are tested without the generator."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

#: name, semantic class, footprint (x0, y0, x1, y1), height of the top
OBJECTS = (
    ('chair', 4, (0.3, 0.3, 0.8, 0.8), 0.45),
    ('chair', 4, (3.0, 0.3, 3.5, 0.8), 0.45),
    ('coffee table', 6, (1.5, 1.5, 2.3, 2.1), 0.4),
    ('laptop', 20, (3.2, 2.6, 3.6, 2.9), 0.75),
)
SENTENCES = (
    ('the coffee table', (2,), 'unique'),
    ('the chair near the coffee table', (0,), 'relation'),
    ('the red chair', (1,), 'color'),
    ('the chairs', (0, 1), 'multiple'),
    ('the chair on the left', (0,), 'view'),
    ('the piano', (), 'none'),
    ('the laptop', (3,), 'unique'),
)


def fake_scene(seed: int = 0, points_per_object: int = 400) -> SimpleNamespace:
    """What ``make_scene`` returns: a floor of 4 m x 3 m, a wall, four boxes seen from above."""
    rng = np.random.default_rng(seed)
    parts = []

    def add(low, high, count, semantic, instance):
        parts.append((rng.uniform(low, high, (count, 3)), semantic, instance))

    add((0, 0, 0), (4, 3, 0.01), 3000, 1, -1)
    add((0, 3, 0), (4, 3.01, 2), 2000, 0, -1)
    add((0, 0, 2.4), (4, 3, 2.41), 300, 20, -1)  # a ceiling: no class, no instance
    for instance, (_, semantic, (x0, y0, x1, y1), top) in enumerate(OBJECTS):
        add((x0, y0, top - 0.01), (x1, y1, top), points_per_object, semantic, instance)
    points = np.concatenate([part[0] for part in parts]).astype(np.float32)
    order = rng.permutation(len(points))
    semantic = np.concatenate([np.full(len(p), s) for p, s, _ in parts])[order]
    instances = np.concatenate([np.full(len(p), i) for p, _, i in parts])[order]
    return SimpleNamespace(
        faces=None,
        points=points[order],
        colors=rng.uniform(0, 1, points.shape).astype(np.float32),
        normals=np.tile(np.float32([0, 0, 1]), (len(points), 1)),
        semantic=semantic.astype(np.int64),
        instances=instances.astype(np.int64),
        parts=np.zeros(len(points), np.int64),
        instance_names=[name for name, *_ in OBJECTS],
        instance_semantic=np.array([semantic for _, semantic, *_ in OBJECTS]),
        sentences=[SimpleNamespace(text=t, targets=g, kind=k) for t, g, k in SENTENCES],
    )


def fake_results(seed: int = 0, embeddings: bool = True) -> dict:
    """A sample as it enters the pipeline, with a generator of its own."""
    scene = fake_scene(seed)
    cell = np.floor(scene.points / 0.3).astype(np.int64)
    keys = np.unique(cell, axis=0, return_inverse=True)[1].reshape(-1)
    results = {
        'name': f'fake_{seed}',
        'points': scene.points,
        'colors': scene.colors,
        'normals': scene.normals,
        'superpoints': keys,
        'semantic': scene.semantic,
        'instances': scene.instances,
        'instance_semantic': scene.instance_semantic,
        'instance_names': scene.instance_names,
        'sentences': [
            {'text': s.text, 'targets': list(s.targets), 'kind': s.kind} for s in scene.sentences
        ],
        'rng': np.random.default_rng(seed),
    }
    if embeddings:
        # Row t holds t, so that a test sees which sentence a vector belongs to.
        results['sentence_embeddings'] = np.tile(
            np.arange(len(SENTENCES), dtype=np.float32)[:, None], (1, 5)
        )
    return results


def empty_results() -> dict:
    """A sample without points, objects or sentences."""
    return {
        'name': 'empty',
        'points': np.zeros((0, 3), np.float32),
        'colors': None,
        'normals': np.zeros((0, 3), np.float32),
        'superpoints': np.zeros(0, np.int64),
        'semantic': np.zeros(0, np.int64),
        'instances': np.zeros(0, np.int64),
        'instance_semantic': np.zeros(0, np.int64),
        'instance_names': [],
        'sentences': [],
        'rng': np.random.default_rng(0),
    }


def texts(results: dict) -> list[str]:
    """The sentences that are left."""
    return [sentence['text'] for sentence in results['sentences']]


def check_embeddings(results: dict) -> None:
    """Every vector still stands beside its sentence."""
    order = [text for text, *_ in SENTENCES]
    rows = [order.index(text) for text in texts(results)]
    np.testing.assert_array_equal(results['sentence_embeddings'][:, 0], rows)
