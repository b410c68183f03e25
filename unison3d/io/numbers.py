"""Numbers written as text, as the ascii forms of PLY and PCD hold them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError

__all__ = ['cast_numbers', 'parse_numbers']


def parse_numbers(body: bytes, path: Path) -> np.ndarray:
    """float64 of all blank-separated numbers. Whole numbers are exact up to 2**53.

    Raises:
        FileFormatError: a word that is no number; its line is named.
    """
    body = body.strip()
    if not body:  # np.fromstring makes a number out of nothing here
        return np.zeros(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error', DeprecationWarning)
            return np.fromstring(body.decode('ascii'), dtype=np.float64, sep=' ')
    except (DeprecationWarning, ValueError):
        pass
    for number, line in enumerate(body.split(b'\n'), start=1):
        try:
            np.array(line.split(), dtype=np.float64)
        except ValueError as error:
            text = line.decode('ascii', errors='replace').strip()[:60]
            raise FileFormatError(
                f'{path}: line {number} after the header is not numbers: "{text}". '
                'The file is damaged, or it is binary and its format line is wrong.'
            ) from error
    return np.array(body.split(), dtype=np.float64)


def cast_numbers(values: np.ndarray, dtype: np.dtype, path: Path) -> np.ndarray:
    """The type of the header, if the numbers fit in it.

    Raises:
        FileFormatError: a fraction or a number out of range where a whole-number type is promised.
    """
    if dtype.kind == 'f':
        with np.errstate(over='ignore'):
            return values.astype(dtype)
    info = np.iinfo(dtype)
    # The largest 64-bit numbers round up as floats, hence one more and less than.
    fits = (values >= info.min) & (values < float(info.max + 1)) & (values == np.rint(values))
    if not fits.all():
        raise FileFormatError(
            f'{path}: {values[~fits][0]:g} stands where the header promises type {dtype.name}. '
            'The file is damaged or its header is wrong.'
        )
    return values.astype(dtype)
