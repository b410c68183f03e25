"""Images that hold little are no bombs."""

from __future__ import annotations

import pytest
from PIL import Image

from unison3d.io.images import StoredImage, image_size, read_color_image

SIDE = 4096


@pytest.mark.parametrize(
    ('kind', 'mode'),
    [
        ('png', '1'),  # an empty mask
        ('png', 'L'),
        ('png', 'I;16'),
        ('png', 'RGB'),
        ('jpg', 'RGB'),
        ('webp', 'RGB'),
    ],
)
def test_large_images_of_one_colour(tmp_path, kind, mode):
    path = tmp_path / f'a.{kind}'
    Image.new(mode, (SIDE, SIDE)).save(path, lossless=True, method=0)
    assert image_size(path) == (SIDE, SIDE)
    # A piece of a file is bounded by its own bytes.
    piece = StoredImage(path, 0, path.stat().st_size)
    assert image_size(piece) == (SIDE, SIDE)
    if mode == '1':
        image = read_color_image(piece)
        assert image.shape == (SIDE, SIDE, 3) and not image.any()
