"""Vertex colours of glTF primitives: colour attribute, material and texture in one.

glTF multiplies the three in linear light; the result is in the usual sRGB form of pictures.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from unison3d.errors import FileFormatError
from unison3d.io.gltf_document import GltfDocument

__all__ = ['linear_to_srgb', 'srgb_to_linear', 'vertex_colors']

#: Pictures compress no better than this, so a larger claim is a lie.
_MAX_RATIO = 1100
_CLAMP, _MIRROR = 33071, 33648
#: Writes sRGB numbers into the colour attribute, where glTF wants linear ones.
_SRGB_WRITER = 'mikedh/trimesh'

_IMAGE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
                 Image.DecompressionBombError)  # fmt: skip


def srgb_to_linear(colors: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] of sRGB colours in [0, 1] (IEC 61966-2-1)."""
    return np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """sRGB colours in [0, 1] of linear light; light outside [0, 1] is cut off."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def vertex_colors(
    document: GltfDocument, primitive: dict[str, Any], count: int, pictures: dict[Any, np.ndarray]
) -> np.ndarray | None:
    """float32, (count, 3) sRGB in [0, 1]; None where neither primitive nor material has a colour.

    Args:
        document: the file.
        primitive: the entry of a mesh.
        count: number of its vertices.
        pictures: those that were decoded before, filled here.
    """
    attributes = primitive['attributes']
    material = {}
    if 'material' in primitive:
        entry = document.item('materials', primitive['material'])
        material = entry.get('pbrMetallicRoughness', {})
    factor = material.get('baseColorFactor')
    light = np.ones((count, 3))
    if factor is not None:
        light = light * np.array([float(value) for value in factor[:3]])
    if 'COLOR_0' in attributes:
        painted = document.accessor(attributes['COLOR_0'])
        if len(painted) != count or painted.shape[1] < 3 or painted.dtype.kind != 'f':
            raise FileFormatError(
                f'{document.path}: colours of shape {painted.shape} and type {painted.dtype} for '
                f'{count:,} vertices, expected 3 or 4 fractions each. The file is damaged.'
            )
        is_srgb = _SRGB_WRITER in str(document.content['asset'].get('generator'))
        light = light * (srgb_to_linear(painted[:, :3]) if is_srgb else painted[:, :3])
    texture = material.get('baseColorTexture')
    if texture is not None:
        light = light * srgb_to_linear(_sample(document, texture, attributes, count, pictures))
    elif factor is None and 'COLOR_0' not in attributes:
        return None
    return linear_to_srgb(light).astype(np.float32)


def _sample(
    document: GltfDocument,
    info: dict[str, Any],
    attributes: dict[str, Any],
    count: int,
    pictures: dict[Any, np.ndarray],
) -> np.ndarray:
    """(count, 3) in [0, 1]: the pixel under each vertex."""
    transform = info.get('extensions', {}).get('KHR_texture_transform', {})
    channel = transform.get('texCoord', info.get('texCoord', 0))
    uv = document.accessor(attributes.get(f'TEXCOORD_{channel}')).astype(np.float64)
    if uv.shape != (count, 2):
        raise FileFormatError(
            f'{document.path}: texture coordinates of shape {uv.shape} for {count:,} vertices.'
        )
    angle = float(transform.get('rotation', 0.0))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    uv = (uv * np.array(transform.get('scale', [1.0, 1.0]), float)) @ turn.T
    uv = np.nan_to_num(uv + np.array(transform.get('offset', [0.0, 0.0]), float))
    texture = document.item('textures', info.get('index'))
    if texture.get('source') is None:
        texture = texture | texture.get('extensions', {}).get('EXT_texture_webp', {})
    index = texture.get('source')
    image = document.item('images', index)
    # By its place rather than its number: many numbers may name the same bytes.
    place = image.get('bufferView', image.get('uri'))
    if place not in pictures:
        pictures[place] = _decode(document, index)
    picture = pictures[place]
    sampler = document.item('samplers', texture['sampler']) if 'sampler' in texture else {}
    column = _pixel(uv[:, 0], picture.shape[1], sampler.get('wrapS'))
    row = _pixel(uv[:, 1], picture.shape[0], sampler.get('wrapT'))
    return picture[row, column] / 255.0


def _pixel(place: np.ndarray, size: int, wrap: int | None) -> np.ndarray:
    if wrap == _CLAMP:
        place = np.clip(place, 0.0, 1.0)
    elif wrap == _MIRROR:
        place = 1.0 - np.abs(place % 2.0 - 1.0)
    else:
        place = place % 1.0
    return np.minimum((place * size).astype(np.int64), size - 1)


def _decode(document: GltfDocument, index: Any) -> np.ndarray:
    """uint8, (H, W, 3), of an image in the file."""
    data = document.image(index)
    where = f'{document.path}, image {index}'
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            if width * height > _MAX_RATIO * len(data):
                raise FileFormatError(
                    f'{where}: claims {width} x {height} pixels out of {len(data):,} bytes.'
                )
            return np.asarray(picture.convert('RGB'))
    except _IMAGE_ERRORS as error:
        raise FileFormatError(
            f'{where}: cannot be decoded ({str(error)[:120]}). It is damaged, or of a kind that is '
            'not read (PNG, JPEG and WebP are); export the file again.'
        ) from error
