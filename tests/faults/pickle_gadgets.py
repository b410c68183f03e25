"""Pickles that do something when they are read by the standard reader: each leaves a file."""

from __future__ import annotations

import builtins
import codecs
import ctypes
import dbm.dumb
import functools
import gzip
import importlib
import io
import operator
import os
import pathlib
import pickle
import pty
import runpy
import shutil
import subprocess
import tempfile
import time
import timeit
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch


class Call:
    """Pickles as a call; a part may be another one."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple:
        return self.call

    def __call__(self) -> None:
        """Never: what it gives is called in its place. The pickler asks for something callable."""


def calling(function: Any, *args: Any) -> Callable[[str], bytes]:
    """``'FILE'`` and ``'touch FILE'`` in the arguments become those of the file to leave."""

    def make(file: str, protocol: int = 2) -> bytes:
        def fill(value: Any) -> Any:
            if isinstance(value, str):
                return value.replace('FILE', file)
            if isinstance(value, (list, tuple)):
                return type(value)(fill(item) for item in value)
            if isinstance(value, Call):
                return Call(fill(value.call[0]), *fill(value.call[1]))
            return value

        return pickle.dumps(Call(fill(function), *fill(args)), protocol=protocol)

    return make


def opcodes(text: bytes) -> Callable[[str], bytes]:
    return lambda file: text.replace(b'FILE', file.encode())


def wrapped(around: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    """Opcodes around a call of the shell, which leaves one object on the stack."""
    return lambda file: around(b"cos\nsystem\n(S'touch FILE'\ntR".replace(b'FILE', file.encode()))


def scripted(function: Any) -> Callable[[str], bytes]:
    """Runs a program that lies beside the folder of the file."""

    def make(file: str) -> bytes:
        script = Path(file).parent.parent / 'payload.py'
        script.write_text(f'open({file!r}, "w")')
        return pickle.dumps(Call(function, str(script)), protocol=2)

    return make


TOUCH, WRITE = 'touch FILE', "open('FILE', 'w')"
ARRAY = (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\nt"
         b"cnumpy\ndtype\n(S'O8'\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n(l")  # fmt: skip
TENSOR = b'ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nctorch\nTensor\n('

#: What a reader has to refuse; all of them work with ``pickle.loads``.
GADGETS: dict[str, Callable[[str], bytes]] = {
    'os.system': calling(os.system, TOUCH),
    'os.popen': opcodes(b"cos\npopen\n(S'touch FILE'\ntR."),
    'os.mkdir': calling(os.mkdir, 'FILE'),
    'os.open': calling(os.open, 'FILE', os.O_CREAT | os.O_WRONLY),
    'os.mknod': calling(os.mknod, 'FILE'),
    'os.symlink': calling(os.symlink, '/etc/passwd', 'FILE'),
    'os.spawnlp': calling(os.spawnlp, os.P_WAIT, 'touch', 'touch', 'FILE'),
    'os.execlp': calling(os.execlp, 'touch', 'touch', 'FILE'),
    'subprocess.run': calling(subprocess.run, ['touch', 'FILE']),
    'subprocess.call': calling(subprocess.call, ['touch', 'FILE']),
    'subprocess.check_output': calling(subprocess.check_output, ['touch', 'FILE']),
    'subprocess.getoutput': calling(subprocess.getoutput, TOUCH),
    'pty.spawn': calling(pty.spawn, ['touch', 'FILE']),
    'builtins.eval': calling(eval, WRITE),
    'builtins.exec': calling(exec, WRITE),
    'exec of compile': calling(exec, Call(compile, WRITE, 'x', 'exec')),
    'builtins.open': calling(open, 'FILE', 'w'),
    'getattr chain': calling(Call(getattr, Call(builtins.__import__, 'os'), 'system'), TOUCH),
    'importlib chain': calling(Call(getattr, Call(importlib.import_module, 'os'), 'mkdir'), 'FILE'),
    'io.FileIO': calling(io.FileIO, 'FILE', 'w'),
    'pathlib.Path.touch': lambda file: pickle.dumps(
        Call(Call(getattr, pathlib.Path(file), 'touch')), protocol=2),
    'tempfile.mkstemp': lambda file: pickle.dumps(
        Call(tempfile.mkstemp, '', 'x', str(Path(file).parent)), protocol=2),
    'shutil.copyfile': calling(shutil.copyfile, __file__, 'FILE'),
    'codecs.open': calling(codecs.open, 'FILE', 'w'),
    'gzip.open': calling(gzip.open, 'FILE', 'w'),
    'zipfile.ZipFile': calling(zipfile.ZipFile, 'FILE', 'w'),
    'dbm.dumb.open': calling(dbm.dumb.open, 'FILE', 'n'),
    'logging.FileHandler': opcodes(b"clogging\nFileHandler\n(S'FILE'\ntR."),
    'timeit.timeit': calling(timeit.timeit, WRITE, 'pass', time.perf_counter, 1),
    'runpy.run_path': scripted(runpy.run_path),
    'functools.partial': calling(Call(functools.partial, os.system, TOUCH)),
    'operator.methodcaller': calling(Call(operator.methodcaller, 'system', TOUCH),
                                     Call(importlib.import_module, 'os')),
    'operator.attrgetter': calling(Call(Call(operator.attrgetter, 'system'),
                                        Call(importlib.import_module, 'os')), TOUCH),
    'list of map': opcodes(b"cbuiltins\nlist\n(cbuiltins\nmap\n(cos\nsystem\n(S'touch FILE'\n"
                           b'ltRtR.'),
    'ctypes': calling(Call(getattr, Call(ctypes.CDLL, None), 'mkdir'),
                      Call(codecs.encode, 'FILE', 'utf-8'), 0o755),
    'pickle.loads': lambda file: pickle.dumps(
        Call(pickle.loads, calling(os.system, TOUCH)(file)), protocol=2),
    'numpy.savetxt': calling(np.savetxt, 'FILE', [1.0]),
    'numpy.save': calling(np.save, 'FILE', [1.0]),
    'numpy.memmap': calling(np.memmap, 'FILE', 'u1', 'w+', 0, 8),
    'torch.save': calling(torch.save, [1], 'FILE'),
    'torch.load': lambda file: pickle.dumps(Call(
        functools.partial(torch.load, weights_only=False),
        Call(io.BytesIO, calling(os.system, TOUCH)(file))), protocol=2),
    'torch._tensor._rebuild_from_type_v2': wrapped(
        lambda call: TENSOR + call.split(b'\n', 2)[2][1:-2] + b't}tR.'),
    'copyreg.__newobj__': opcodes(b"ccopyreg\n__newobj__\n(cnumpy\nmemmap\nS'FILE'\nS'u1'\nS'w+'\n"
                                    b'I0\nI8\ntR.'),
    'opcode INST': opcodes(b"(S'touch FILE'\nios\nsystem\n."),
    'opcode OBJ': opcodes(b"(clogging\nFileHandler\nS'FILE'\no."),
    'opcode NEWOBJ': opcodes(b"\x80\x02cnumpy\nmemmap\n(S'FILE'\nS'u1'\nS'w+'\nI0\nI8\nt\x81."),
    'opcode NEWOBJ_EX': opcodes(b"\x80\x04cnumpy\nmemmap\n(S'FILE'\nt(S'mode'\nS'w+'\nS'shape'\nI8"
                                b'\nd\x92.'),
    'opcode BUILD': opcodes(b'cfunctools\npartial\n(cbuiltins\nlen\ntR(cos\nsystem\n'
                            b"(S'touch FILE'\nt}}tb(tR."),
    'a dotted name': opcodes(b"\x80\x04\x8c\x06shutil\x8c\x09os.system\x93(S'touch FILE'\ntR."),
    'thrown away': wrapped(lambda call: call + b'0N.'),
    'a key': wrapped(lambda call: b'}' + call + b'Ns.'),
    'in a list of lists': wrapped(lambda call: b'(lp0\n(l' + call + b'aa.'),
    'in a dictionary of order': wrapped(
        lambda call: b'ccollections\nOrderedDict\n((lp0\n((lp1\n' + b"S'a'\na" + call + b'aatR.'),
    'in an array of objects': wrapped(lambda call: ARRAY + call + b'atb.'),
    'in the shape of an array': wrapped(
        lambda call: b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(' + call
        + b"tS'b'\ntR."),
    'behind a frame': wrapped(lambda call: b'\x80\x04\x95' + (len(call) + 1).to_bytes(8, 'little')
                              + call + b'.'),
    'after half a pickle': wrapped(lambda call: b'(lp0\nI1\na' + call + b'a'),
}  # fmt: skip


def content_of_checkpoint(gadget: bytes) -> bytes:
    """The gadget as a value by name, as a checkpoint has it: tried as it is, and like this."""
    body = gadget.rstrip(b'.')
    if body[:1] == b'\x80':
        body = body[2:]
    return b'\x80\x02}X\x01\x00\x00\x00a' + body + b's.'


#: What makes room for gigabytes; much of it ``torch.load`` calls even where it reads tensors alone.
HUNGRY: dict[str, Callable[[str], bytes]] = {
    'FloatTensor': calling(torch.FloatTensor, 400_000_000),
    'DoubleTensor': calling(torch.DoubleTensor, 400_000_000),
    'Tensor': calling(torch.Tensor, 400_000_000),
    'UntypedStorage': calling(torch.storage.UntypedStorage, 1_600_000_000),
    'FloatStorage': calling(torch.FloatStorage, 400_000_000),
    'bytearray': calling(bytearray, 1_600_000_000),
    'by way of another': calling(
        torch._tensor._rebuild_from_type_v2, torch.FloatTensor, torch.Tensor, (400_000_000,), {}
    ),
}
