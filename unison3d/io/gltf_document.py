"""The container of a glTF 2.0 file: its JSON, its buffers, and the numbers of its accessors.

Everything that a document points at is checked against what is really there before any array is
made. Files that lie outside the folder of the document are never opened.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import human_bytes, read_bytes

__all__ = ['GltfDocument']

_JSON, _BIN = 0x4E4F534A, 0x004E4942
_COMPONENTS = {5120: 'i1', 5121: 'u1', 5122: '<i2', 5123: '<u2', 5125: '<u4', 5126: '<f4'}
_WIDTHS = {'SCALAR': 1, 'VEC2': 2, 'VEC3': 3, 'VEC4': 4}
#: What a document may require and is read rightly all the same.
_UNDERSTOOD = {'KHR_mesh_quantization', 'KHR_materials_unlit', 'KHR_texture_transform',
               'EXT_texture_webp'}  # fmt: skip


class GltfDocument:
    """A glTF document with its binary parts.

    Args:
        path: ``.glb``, or ``.gltf`` with buffers inside or beside it.

    Attributes:
        content: the JSON.
        size: bytes of the file and of those beside it that were opened so far.

    Raises:
        FileFormatError: missing, truncated, not glTF 2.0, or in need of an extension that is not
            understood (such as Draco compression).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        data = read_bytes(path)
        self.size = len(data)
        self._buffers: dict[int, bytes] = {}
        self._files: dict[str, bytes] = {}
        self._stored: bytes | None = None
        text = data
        if data[:4] == b'glTF' or path.suffix.lower() == '.glb':
            text, self._stored = _split_chunks(data, path)
        try:
            self.content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FileFormatError(
                f'{path}: its JSON is not valid ({error}). It is truncated or damaged.'
            ) from error
        if not isinstance(self.content, dict) or not isinstance(self.content.get('asset'), dict):
            raise FileFormatError(f'{path}: has no "asset" entry; it is no glTF file.')
        version = str(self.content['asset'].get('version'))[:20]
        if not version.startswith('2.'):
            raise FileFormatError(f'{path}: is glTF {version}, expected 2.0. Export it again.')
        unknown = sorted(set(map(str, self.content.get('extensionsRequired', []))) - _UNDERSTOOD)
        if unknown:
            raise FileFormatError(
                f'{path}: needs {", ".join(unknown)[:200]}, which is not read. Export it without '
                'compression.'
            )

    def item(self, kind: str, index: Any) -> dict[str, Any]:
        """Entry ``index`` of a top-level list such as ``'meshes'``."""
        entries = self.content.get(kind, [])
        if (
            type(index) is not int
            or not isinstance(entries, list)
            or not (0 <= index < len(entries) and isinstance(entries[index], dict))
        ):
            raise FileFormatError(
                f'{self.path}: entry {str(index)[:40]} of "{kind}" is named and does not exist. '
                'The file is damaged.'
            )
        return entries[index]

    def view(self, index: Any) -> tuple[bytes, int, int, int]:
        """Buffer, first byte, length and stride (0 where none is stated) of a buffer view."""
        view = self.item('bufferViews', index)
        buffer = self._buffer(view.get('buffer'))
        start = self.whole(view, 'byteOffset', 0)
        length = self.whole(view, 'byteLength')
        if start + length > len(buffer):
            raise self.lie(f'buffer view {index}', start + length, len(buffer))
        return buffer, start, length, self.whole(view, 'byteStride', 0)

    def accessor(self, index: Any) -> np.ndarray:
        """(count, width) numbers; integers that stand for fractions become float32 in 0..1."""
        entry = self.item('accessors', index)
        if 'bufferView' not in entry or 'sparse' in entry:
            raise FileFormatError(
                f'{self.path}: accessor {index} is sparse, which is not read. Export it again '
                'without sparse accessors.'
            )
        code, kind = entry.get('componentType'), entry.get('type')
        if code not in _COMPONENTS or kind not in _WIDTHS:
            raise FileFormatError(
                f'{self.path}: accessor {index} has componentType {str(code)[:20]} and type '
                f'{str(kind)[:20]}, expected one of {list(_COMPONENTS)} and of {list(_WIDTHS)}.'
            )
        dtype, width = np.dtype(_COMPONENTS[code]), _WIDTHS[kind]
        buffer, start, length, stride = self.view(entry['bufferView'])
        count = self.whole(entry, 'count')
        offset = self.whole(entry, 'byteOffset', 0)
        row = dtype.itemsize * width
        stride = stride or row
        if stride < row:
            raise FileFormatError(
                f'{self.path}: accessor {index} has a stride of {stride} bytes for {row} bytes per '
                'row. The file is damaged.'
            )
        needed = offset + stride * (count - 1) + row if count else 0
        if needed > length:
            raise self.lie(f'accessor {index}', needed, length)
        if not count:
            return np.zeros((0, width), dtype)
        table = np.ndarray(
            (count, width), dtype, buffer, start + offset, (stride, dtype.itemsize)
        ).astype(dtype.newbyteorder('='))
        if not entry.get('normalized'):
            return table
        return np.maximum(table.astype(np.float32) / np.float32(np.iinfo(dtype).max), -1)

    def image(self, index: Any) -> bytes:
        """The encoded bytes of an image."""
        entry = self.item('images', index)
        if 'bufferView' in entry:
            buffer, start, length, _ = self.view(entry['bufferView'])
            return buffer[start : start + length]
        return self._resource(entry.get('uri'), f'image {index}')

    def whole(self, entry: dict[str, Any], key: str, default: int | None = None) -> int:
        """A whole number of 0 or more."""
        value = entry.get(key, default)
        if type(value) is not int or value < 0:
            raise FileFormatError(
                f'{self.path}: "{key}" is {str(value)[:40]}, expected a whole number of 0 or more. '
                'The file is damaged.'
            )
        return value

    def lie(self, what: str, needed: int, there: int) -> FileFormatError:
        """An entry that promises more than there is."""
        return FileFormatError(
            f'{self.path}: {what} needs {human_bytes(needed)}, there are {human_bytes(there)}. It '
            'is truncated or damaged; copy or export it again.'
        )

    def _buffer(self, index: Any) -> bytes:
        entry = self.item('buffers', index)
        if index not in self._buffers:
            if 'uri' in entry:
                data = self._resource(entry['uri'], f'buffer {index}')
            elif index == 0 and self._stored is not None:
                data = self._stored
            else:
                raise FileFormatError(f'{self.path}: buffer {index} has no data in this file.')
            length = self.whole(entry, 'byteLength')
            if length > len(data):
                raise self.lie(f'buffer {index}', length, len(data))
            self._buffers[index] = data[:length]
        return self._buffers[index]

    def _resource(self, uri: Any, what: str) -> bytes:
        """What a URI names: data inside the document, or a file in or below its folder."""
        if not isinstance(uri, str):
            raise FileFormatError(f'{self.path}: {what} names neither data nor a file.')
        if uri.startswith('data:'):
            head, _, body = uri.partition(',')
            try:
                return (
                    base64.b64decode(body, validate=True)
                    if head.endswith(';base64')
                    else (unquote(body).encode('latin1'))
                )
            except (binascii.Error, ValueError) as error:
                raise FileFormatError(f'{self.path}: the data of {what} is damaged.') from error
        name = unquote(uri)
        place = PurePosixPath(name)
        if (
            '://' in name
            or '\\' in name
            or '\0' in name
            or ':' in name.split('/')[0]
            or (place.is_absolute() or '..' in place.parts)
        ):
            raise FileFormatError(
                f'{self.path}: {what} is "{name[:80]}", which lies outside the folder of the file '
                'and is not opened. Copy it there, or export as .glb.'
            )
        if name not in self._files:
            self._files[name] = read_bytes(self.path.parent / place)
            self.size += len(self._files[name])
        return self._files[name]


def _split_chunks(data: bytes, path: Path) -> tuple[bytes, bytes | None]:
    """The JSON and the binary chunk of a ``.glb`` file."""
    if data[:4] != b'glTF' or len(data) < 20:
        raise FileFormatError(
            f'{path}: {len(data):,} bytes that begin with {data[:4]!r}, expected "glTF" and a '
            'header. It is truncated or no GLB file.'
        )
    _, version, length = struct.unpack_from('<4sII', data)
    if version != 2:
        raise FileFormatError(f'{path}: GLB version {version}, expected 2. Export it again.')
    if length > len(data):
        raise FileFormatError(
            f'{path}: the header promises {human_bytes(length)}, the file has '
            f'{human_bytes(len(data))}. It is truncated; copy or export it again.'
        )
    chunks: dict[int, bytes] = {}
    place = 12
    while place + 8 <= length:
        size, kind = struct.unpack_from('<II', data, place)
        place += 8
        if place + size > length:
            raise FileFormatError(
                f'{path}: a chunk of {human_bytes(size)} reaches past the end. The file is damaged.'
            )
        chunks.setdefault(kind, data[place : place + size])
        place += size
    if _JSON not in chunks:
        raise FileFormatError(f'{path}: has no JSON chunk. The file is damaged.')
    return chunks[_JSON], chunks.get(_BIN)
