"""Archives that lie: about names, sizes, places, packing and number of their members."""

from __future__ import annotations

import io
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from tests.faults.good_files import npy_bytes
from tests.test_io.format_samples import POINTS

Members = dict[str, bytes]
LOCAL, CENTRAL, END = b'PK\x03\x04', b'PK\x01\x02', b'PK\x05\x06'
MANY = 10_000_000


def scan() -> Members:
    return {'points.npy': npy_bytes(POINTS)}


@cache
def _checkpoint() -> tuple[tuple[str, bytes], ...]:
    file = io.BytesIO()
    torch.save({'a': torch.arange(512.0)}, file)
    with zipfile.ZipFile(file) as archive:
        return tuple((record.filename, archive.read(record)) for record in archive.infolist())


def checkpoint() -> Members:
    return dict(_checkpoint())


def archive(members: Members | list[tuple[str, bytes]], packing: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, 'w', packing) as out:
        warnings.simplefilter('ignore')  # of names that are there twice
        for name, data in members.items() if isinstance(members, dict) else members:
            out.writestr(name, data)
    return file.getvalue()


def main_member(members: Members) -> str:
    """The one with the numbers."""
    return max(members, key=lambda name: len(members[name]))


def renamed(name: str) -> Callable[[Members], bytes]:
    def make(members: Members) -> bytes:
        old = main_member(members)
        return archive({name if key == old else key: data for key, data in members.items()})

    return make


def patched(record: bytes, offset: int, form: str, *values: int, every: bool = False) -> Callable:
    """Numbers behind the marks of the records in the archive, those of the longest member."""

    def make(members: Members) -> bytes:
        data = bytearray(archive(members))
        name = main_member(members).encode()
        place = data.find(record)
        while place >= 0:
            head = {LOCAL: 30, CENTRAL: 46, END: 22}[record]
            if every or record == END or data[place + head : place + head + len(name)] == name:
                struct.pack_into(form, data, place + offset, *values)
            place = data.find(record, place + 4)
        return bytes(data)

    return make


def bomb(size: int) -> Callable[[Members], bytes]:
    """The longest member unpacks to very much, and says so."""

    def make(members: Members) -> bytes:
        name = main_member(members)
        return archive(members | {name: members[name] + bytes(size)}, zipfile.ZIP_DEFLATED)

    return make


def quiet_bomb(members: Members) -> bytes:
    """The same, and claims to be small."""
    data, name = bytearray(bomb(MANY)(members)), main_member(members)
    for mark, offset in ((LOCAL, 22), (CENTRAL, 24)):
        head = {LOCAL: 30, CENTRAL: 46}[mark]
        place = data.find(mark)
        while place >= 0:
            if data[place + head : place + head + len(name)] == name.encode():
                struct.pack_into('<I', data, place + offset, len(members[name]))
            place = data.find(mark, place + 4)
    return bytes(data)


def overlapping(members: Members) -> bytes:
    """A thousand members that are all the same bytes of the file."""
    name = main_member(members)
    local = archive({name: members[name] + bytes(100_000)}, zipfile.ZIP_DEFLATED)
    start = local.index(CENTRAL)
    entry = local[start : local.index(END)]
    body, table = local[:start], b''
    for number in range(1000):
        new = f'{number}{name}'.encode()
        head = bytearray(entry[:46])
        struct.pack_into('<H', head, 28, len(new))
        table += bytes(head) + new
    end = struct.pack('<4s4H2IH', END, 0, 0, 1000, 1000, len(table), len(body), 0)
    return body + table + end


def nested(members: Members) -> bytes:
    """An archive in the place of the numbers, and one in that."""
    name = main_member(members)
    for _ in range(4):
        members = members | {name: archive(members, zipfile.ZIP_DEFLATED)}
    return archive(members)


def links(members: Members) -> bytes:
    """The member is a link to a file of the system."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as out:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            if name == main_member(members):
                info.create_system, info.external_attr, data = 3, 0o120777 << 16, b'/etc/passwd'
            out.writestr(info, data)
    return file.getvalue()


def zip64(size: int) -> Callable[[Members], bytes]:
    """Sizes in the extra field for large files, which lie."""

    def make(members: Members) -> bytes:
        name = main_member(members)
        data = members[name]
        extra = struct.pack('<HH2Q', 1, 16, size, len(data))
        out, table = b'', b''
        for key, body in members.items():
            lies = key == name
            more, claim = (extra, 0xFFFFFFFF) if lies else (b'', len(body))
            sizes = (zlib.crc32(body), claim if lies else len(body), claim)
            common = struct.pack('<5H3I2H', 45, 0, 0, 0, 0, *sizes, len(key), len(more))
            place = len(out)
            out += LOCAL + common + key.encode() + more + body
            table += (
                CENTRAL + struct.pack('<H', 45) + common + struct.pack('<3H2I', 0, 0, 0, 0, place)
            )
            table += key.encode() + more
        count = len(members)
        return (
            out + table + struct.pack('<4s4H2IH', END, 0, 0, count, count, len(table), len(out), 0)
        )

    return make


def tar(**member: object) -> Callable[[Members], bytes]:
    """A tape archive, as torch wrote in its first year."""

    def make(members: Members) -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode='w') as out:
            for name, data in {'sys_info': b'', 'pickle': b'', 'storages': b'', **members}.items():
                info = tarfile.TarInfo(str(member.get('prefix', '')) + name)
                info.size = len(data)
                if 'link' in member:
                    info.type, info.linkname, info.size = tarfile.SYMTYPE, str(member['link']), 0
                out.addfile(info, io.BytesIO(data))
        return file.getvalue()

    return make


def lying_array(shape: tuple[int, ...]) -> Callable[[Members], bytes]:
    def make(members: Members) -> bytes:
        name = main_member(members)
        good = npy_bytes(np.zeros((5, 3)))
        return archive(members | {name: good.replace(b'(5, 3), ', f'{shape}, '.encode()[:8])})

    return make


def doubled(members: Members) -> bytes:
    name = main_member(members)
    return archive([*members.items(), (name, members[name])])


#: How an archive lies. It is refused, or nothing but the truth is read out of it.
ARCHIVES: dict[str, Callable[[Members], bytes]] = {
    'a name that leads out': renamed('../../escaped.npy'),
    'a name that leads far out': renamed('a/../../../../../../tmp/escaped.npy'),
    'an absolute name': renamed('/tmp/unison3d_escaped.npy'),
    'a name of Windows': renamed('C:\\escaped.npy'),
    'back slashes that lead out': renamed('..\\..\\escaped.npy'),
    'a name of zeros': lambda members: renamed('QQQQ')(members).replace(b'QQQQ', bytes(4)),
    'a very long name': renamed('n' * 60_000),
    'a folder': renamed('points.npy/'),
    'a link to a file of the system': links,
    'one name twice': doubled,
    'a bomb that says so': bomb(MANY),
    'a bomb that does not': quiet_bomb,
    'a thousand members in one place': overlapping,
    'archives in archives': nested,
    'an array in it that lies': lying_array((99999,)),
    'a size of 4 GB': patched(CENTRAL, 24, '<I', 0xFFFFFFFE),
    'a packed size of 4 GB': patched(CENTRAL, 20, '<I', 0xFFFFFFFE),
    'both sizes of 2 GB': patched(CENTRAL, 20, '<2I', 0x7FFFFFFF, 0x7FFFFFFF),
    'local sizes that differ': patched(LOCAL, 18, '<2I', 1, 1),
    'a wrong checksum': patched(CENTRAL, 16, '<I', 1),
    'a local name that differs': patched(LOCAL, 30, '<3s', b'xyz'),
    'a place behind the end': patched(CENTRAL, 42, '<I', 0x7FFFFFFF),
    'a place inside of another member': patched(CENTRAL, 42, '<I', 5),
    'an encrypted member': patched(CENTRAL, 8, '<H', 1),
    'an unknown packing': patched(CENTRAL, 10, '<H', 77),
    'packed, it says': patched(CENTRAL, 10, '<H', 8),
    'packed by LZMA, it says': patched(CENTRAL, 10, '<H', 14),
    'more members than there are': patched(END, 8, '<2H', 60_000, 60_000),
    'no members': patched(END, 8, '<2H', 0, 0),
    'a table behind the end': patched(END, 16, '<I', 0x7FFFFFFF),
    'a table of 4 GB': patched(END, 12, '<I', 0xFFFFFFFE),
    'on another disk': patched(END, 4, '<2H', 7, 7),
    'zip64 of 2**62 bytes': zip64(2**62),
    'zip64 of 2**64 - 1 bytes': zip64(2**64 - 1),
    'zip64 of one byte': zip64(1),
    'the end of an archive alone': lambda members: END + bytes(18),
    'a tape archive': tar(),
    'a tape archive that leads out': tar(prefix='../../'),
    'a tape archive of links': tar(link='/etc/passwd'),
}
