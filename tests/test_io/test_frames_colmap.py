from __future__ import annotations

import numpy as np
import pytest

from tests.test_io.frame_samples import COLMAP_LENSES, colmap_binary, colmap_text, write
from unison3d.errors import FileFormatError
from unison3d.io.frames import read_raw_frames

EXPECTED = {
    'SIMPLE_PINHOLE': None,
    'PINHOLE': None,
    'SIMPLE_RADIAL': (0.1, 0, 0, 0),
    'RADIAL': (0.1, -0.02, 0, 0),
    'OPENCV': (0.1, -0.02, 0.001, 0.002),
}


@pytest.mark.parametrize('files', [colmap_text, colmap_binary])
@pytest.mark.parametrize('model', COLMAP_LENSES)
def test_camera_models(files, model, tmp_path):
    lens = read_raw_frames(write(tmp_path, files(model))).frames[0].lens
    # COLMAP counts pixel centres from 0.5.
    np.testing.assert_allclose(lens.K, [[40, 0, 23.5], [0, 40, 17.5], [0, 0, 1]])
    assert lens.distortion == EXPECTED[model]


@pytest.mark.parametrize('files', [colmap_text, colmap_binary])
def test_points_and_names_with_blanks(files, tmp_path):
    raw = read_raw_frames(write(tmp_path, files()))
    assert [frame.name for frame in raw.frames] == ['view 0.png', 'view 1.png', 'view 2.png']
    np.testing.assert_allclose(raw.points, [[1, 2, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(raw.colors, [[255, 0, 7], [1, 2, 3]])


def test_other_models_are_refused(tmp_path):
    files = colmap_text()
    files['sparse/0/cameras.txt'] = b'7 OPENCV_FISHEYE 48 36 40 40 24 18 0 0 0 0\n'
    with pytest.raises(FileFormatError, match='OPENCV_FISHEYE.*image_undistorter'):
        read_raw_frames(write(tmp_path, files))


def test_missing_images_are_skipped(tmp_path):
    files = colmap_text()
    del files['images/view 1.png']
    raw = read_raw_frames(write(tmp_path, files))
    assert list(raw.skipped) == ['view 1.png']
    assert len(raw.frames) == 2
