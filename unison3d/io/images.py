"""Colour and depth images, checked before they are decoded."""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from unison3d.errors import FileFormatError
from unison3d.io.files import check_file, human_bytes
from unison3d.io.npy import read_npy_array

__all__ = ['StoredImage', 'image_size', 'read_color_image', 'read_depth_image']

#: A larger claim is damage or an attack; no camera of a scan has as many.
MAX_PIXELS = 200_000_000
#: As many are read from however few bytes: WebP, JPEG and GIF keep an image of one colour in almost
#: none. 8192 x 4096.
FREE_PIXELS = 2**25
#: Beyond that, pixels per byte of the file.
_MAX_RATIO = 1100
#: Bytes that a byte of a PNG can become: Deflate cannot do better, so a larger claim is a lie.
_MAX_DEFLATE = 1100
#: Numbers per pixel of a PNG, by its kind of colour.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: What decoding a damaged image can end in, over all of Pillow's formats.
_DECODE_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError),
    *(OverflowError, MemoryError, ZeroDivisionError, zlib.error),
)


@dataclass(frozen=True)
class StoredImage:
    """Where an image is: a file, or a piece of one.

    Args:
        path: the file.
        offset: first byte.
        size: bytes, or None for all of the file.
        packing: ``'image'`` for a format that Pillow or NumPy reads; ``'zlib_ushort'`` or
            ``'raw_ushort'`` for bare rows of 16-bit numbers.
        shape: height and width, for bare rows.
    """

    path: Path
    offset: int = 0
    size: int | None = None
    packing: str = 'image'
    shape: tuple[int, int] | None = None

    def __str__(self) -> str:
        return str(self.path) if self.size is None else f'{self.path}, byte {self.offset:,}'


def image_size(source: StoredImage | str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height, from the header alone.

    Raises:
        FileFormatError: missing or not an image.
    """
    source = _stored(source)
    if source.shape is not None:
        return source.shape[1], source.shape[0]
    if source.path.suffix.lower() == '.npy':
        array = read_npy_array(source.path)
        if array.ndim not in (2, 3):
            raise FileFormatError(f'{source}: shape {array.shape}, expected an image (H, W).')
        return array.shape[1], array.shape[0]
    with _open(source) as file:
        return _header(file, source).size


def read_color_image(source: StoredImage | str | os.PathLike[str]) -> np.ndarray:
    """An image as uint8 (H, W, 3); grey becomes three equal channels, alpha is left out.

    Raises:
        FileFormatError: missing, not an image, truncated, or absurdly large.
    """
    source = _stored(source)
    with _open(source) as file:
        picture = _header(file, source)
        if picture.mode.startswith('I') or picture.mode == 'F':
            raise FileFormatError(f'{source}: {picture.mode} pixels, expected 8-bit colours.')
        try:
            return np.asarray(picture.convert('RGB'))
        except _DECODE_ERRORS as error:
            raise _damaged(source, error) from error


def read_depth_image(source: StoredImage | str | os.PathLike[str]) -> np.ndarray:
    """A depth image in the numbers of the file: uint16, int32 or float32, (H, W).

    Reads 16-bit PNG and TIFF, floating TIFF, 8-bit grey, and ``.npy``.

    Raises:
        FileFormatError: missing, damaged, truncated, or with several channels.
    """
    source = _stored(source)
    if source.packing != 'image':
        return _bare_rows(source)
    if source.path.suffix.lower() == '.npy' and source.size is None:
        array = read_npy_array(source.path)
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[..., 0]
        if array.ndim != 2 or array.dtype.kind not in 'iuf':
            raise FileFormatError(
                f'{source}: shape {array.shape} and type {array.dtype}, expected depth (H, W).'
            )
        return array.astype(np.float32) if array.dtype.kind == 'f' else array
    with _open(source) as file:
        picture = _header(file, source)
        if picture.mode not in ('I', 'I;16', 'I;16B', 'I;16L', 'F', 'L'):
            raise FileFormatError(
                f'{source}: {picture.mode} pixels, expected one channel of 16-bit depth. Is it a '
                'colour image, or depth made visible?'
            )
        try:
            array = np.asarray(picture)
        except _DECODE_ERRORS as error:
            raise _damaged(source, error) from error
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder('='))


def _bare_rows(source: StoredImage) -> np.ndarray:
    assert source.shape is not None
    needed = 2 * source.shape[0] * source.shape[1]
    with _open(source) as file:
        data = file.read()
    if source.packing == 'zlib_ushort':
        unpack = zlib.decompressobj()
        try:
            # One byte more than there should be shows whether there is more.
            data = unpack.decompress(data, needed + 1)
        except zlib.error as error:
            raise _damaged(source, error) from error
    if len(data) != needed:
        raise FileFormatError(
            f'{source}: depth holds {len(data):,} bytes, expected {needed:,} for '
            f'{source.shape[1]} x {source.shape[0]} pixels. The file is damaged.'
        )
    return np.frombuffer(data, '<u2').reshape(source.shape).astype(np.uint16)


def _stored(source: StoredImage | str | os.PathLike[str]) -> StoredImage:
    return source if isinstance(source, StoredImage) else StoredImage(Path(source))


class _Bounded(io.FileIO):
    """A file that makes no room for more bytes than it has, however many are asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 'rb')
        self._end = path.stat().st_size

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._end - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def _open(source: StoredImage) -> IO[bytes]:
    path = check_file(source.path)
    try:
        if source.size is None:
            return _Bounded(path)
        with path.open('rb') as file:
            file.seek(source.offset)
            data = file.read(min(source.size, path.stat().st_size))
    except OSError as error:
        raise FileFormatError(f'{path}: cannot be read ({error.strerror or error}).') from error
    if len(data) < source.size:
        raise FileFormatError(
            f'{source}: ends after {human_bytes(len(data))} of {human_bytes(source.size)}.'
        )
    return io.BytesIO(data)


def _header(file: IO[bytes], source: StoredImage) -> Image.Image:
    try:
        picture = Image.open(file)
    except (UnidentifiedImageError, *_DECODE_ERRORS) as error:
        raise FileFormatError(
            f'{source}: not an image that can be read ({error}). It is damaged or empty.'
        ) from error
    except Image.DecompressionBombError as error:
        raise _damaged(source, error) from error
    length = source.path.stat().st_size if source.size is None else source.size
    pixels = picture.width * picture.height
    bits = _png_bits(file) if picture.format == 'PNG' else 0
    if pixels * bits > 8 * _MAX_DEFLATE * length:
        raise FileFormatError(
            f'{source}: claims {picture.width} x {picture.height} pixels out of '
            f'{human_bytes(length)}, more than compression can do. Its header is damaged.'
        )
    limit = min(max(FREE_PIXELS, _MAX_RATIO * length), MAX_PIXELS)
    if pixels > limit:
        raise FileFormatError(
            f'{source}: claims {picture.width} x {picture.height} pixels, at most {limit:,} are '
            f'read from {human_bytes(length)}. Its header is damaged.'
        )
    return picture


def _png_bits(file: IO[bytes]) -> int:
    """Bits per pixel, at least 1. Pillow tells them only for some kinds."""
    place = file.tell()
    file.seek(24)  # in the header, which is the first chunk
    depth, kind = file.read(2)
    file.seek(place)
    return max(depth * _PNG_CHANNELS.get(kind, 1), 1)


def _damaged(source: StoredImage, error: Exception) -> FileFormatError:
    return FileFormatError(
        f'{source}: the image cannot be decoded ({error}). It is truncated or damaged; copy it '
        'again.'
    )
