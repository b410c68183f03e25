"""What is exported reads back as the same labels."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import ConfigError, FileFormatError
from unison3d.structures import PointScene
from unison3d.viewer.exporting import FORMATS, export_labels, import_labels
from unison3d.viewer.label_edits import Draw, Merge, Recolor, Rename, SetVisible
from unison3d.viewer.label_source import from_scene
from unison3d.viewer.labels import SceneLabels


def make_scene(origin: float = 0.0) -> PointScene:
    """A bumpy sheet of 10 x 10 points with faces."""
    x, y = np.meshgrid(np.arange(10.0), np.arange(10.0))
    points = np.stack([x, y, np.sin(x * 7 + y)], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(9)[:, None] * 10 + np.arange(9)).reshape(-1, 1)
    return PointScene(
        points,
        colors=np.random.default_rng(0).random((100, 3)).astype(np.float32),
        faces=np.concatenate([corner + [0, 1, 10], corner + [1, 11, 10]]).astype(np.int32),
        superpoints=np.arange(100) // 7,
        origin=np.array([origin, 0, 0]),
        name='my room',
    )


def make_labels() -> SceneLabels:
    labels = SceneLabels(100)
    labels.apply(Draw(np.arange(33), name='chair'))
    labels.apply(Draw(np.arange(30, 50), name='tmp'))
    labels.apply(Draw(np.arange(60, 75), name='Stuhl, "gr\u00fcn"', score=0.25))
    labels.apply(Merge(1, (2,)))
    labels.apply(Draw(np.arange(80, 81), name='chair'))
    labels.apply(Recolor(3, (9, 8, 7)))
    labels.apply(SetVisible(4, False))
    return labels


@pytest.mark.parametrize('origin', [0.0, 500_000.0])
@pytest.mark.parametrize('format', FORMATS)
def test_every_format_reads_back(tmp_path, format, origin):
    scene, labels = make_scene(origin), make_labels()
    path = tmp_path / f'labels{FORMATS[format]}'
    files = export_labels(scene, labels, path, format)
    assert all(file.is_file() for file in files)
    again = SceneLabels(100)
    again.apply(import_labels(path, scene))
    names = {item.id: item.name for item in labels.objects}
    found = {item.id: item.name for item in again.objects}
    expected = [names.get(number) for number in labels.ids.tolist()]
    assert [found.get(number) for number in again.ids.tolist()] == expected
    assert len(again.objects) == 3
    # The two chairs stay two.
    assert len(np.unique(again.ids)) == 4
    if format == 'npz':
        assert again.objects == labels.objects
    if format == 'coco':
        assert [item.score for item in again.objects] == [1, 0.25, 1]


def test_a_scan_of_our_own_opens_with_its_labels(tmp_path):
    scene, labels = make_scene(), make_labels()
    export_labels(scene, labels, tmp_path / 'scan', 'scannet')
    opened = PointScene.from_file(tmp_path / 'scan')
    assert len(opened.faces) == len(scene.faces)
    # Superpoints are cut where two objects share one.
    pairs = np.unique(np.stack([scene.superpoints, labels.ids], axis=1), axis=0)
    assert opened.superpoints.max() + 1 == len(pairs)
    edit = from_scene(opened)
    assert [item.name for item in edit.objects] == [item.name for item in labels.objects]
    assert [item.origin for item in edit.objects] == ['file'] * 3


@pytest.mark.parametrize('format', FORMATS)
def test_no_labels_and_labels_of_another_scan(tmp_path, format):
    scene, labels = make_scene(), SceneLabels(100)
    path = tmp_path / f'labels{FORMATS[format]}'
    export_labels(scene, labels, path, format)
    labels.apply(Rename(labels.apply(Draw(np.arange(5))).created[0], 'one'))
    export_labels(scene, labels, path, format)
    other = scene.select(np.arange(99))
    with pytest.raises(FileFormatError, match=r'99|positions|points'):
        import_labels(path, other)


def test_formats_are_checked(tmp_path):
    scene, labels = make_scene(), make_labels()
    with pytest.raises(ConfigError, match='not known'):
        export_labels(scene, labels, tmp_path / 'a.xyz', 'xyz')
    with pytest.raises(ConfigError, match=r'ends in \.ply'):
        export_labels(scene, labels, tmp_path / 'a.txt', 'ply')
    with pytest.raises(ConfigError, match='labels are read from'):
        import_labels(tmp_path / 'a.txt', scene)
