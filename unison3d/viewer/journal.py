"""An append-only file of edits that survives a crash.

    >>> labels = SceneLabels(len(scene))
    >>> journal = Journal.open('room.labels.jsonl', labels, SceneIdentity.of(scene))
    >>> labels.apply(Rename(3, 'sofa'))        # on disk when this returns

Every line is a JSON object with a CRC. The first tells which scan it belongs to; then come edits,
undos and redos with a running number, or one snapshot that stands for all before it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from unison3d.errors import FileFormatError, SceneError, SceneWarning
from unison3d.io import atomic_path, atomic_write
from unison3d.io.file_lock import FileLock
from unison3d.viewer.edit_codec import (
    decode_entry,
    decode_ids,
    decode_objects,
    encode_entry,
    encode_ids,
    encode_objects,
)
from unison3d.viewer.journal_lines import MAX_LINE, JournalLines, make_line, read_lines
from unison3d.viewer.label_edits import Edit, Redo, Undo
from unison3d.viewer.labels import SceneLabels

if TYPE_CHECKING:
    from unison3d.structures import PointScene

__all__ = ['Journal', 'JournalError', 'SceneIdentity']

VERSION = 1
#: Bytes. A larger journal is compacted when it is opened.
COMPACT_ABOVE = 1 << 26


class JournalError(FileFormatError):
    """A journal is damaged in the middle: :meth:`Journal.recover` goes on with what is left."""


@dataclass(frozen=True)
class SceneIdentity:
    """Which scan labels belong to.

    Attributes:
        name: for messages; a renamed scan stays the same scan.
        num_points: N.
        sha256: of the positions, float32 (N, 3), and their origin.
    """

    name: str
    num_points: int
    sha256: str

    @classmethod
    def of(cls, scene: PointScene) -> SceneIdentity:
        """The identity of a scene."""
        digest = hashlib.sha256(np.ascontiguousarray(scene.points, '<f4'))
        digest.update(np.ascontiguousarray(scene.origin, '<f8'))
        return cls(scene.name, len(scene), digest.hexdigest())


class Journal:
    """Edits of one :class:`SceneLabels`, on disk before they count.

    Made by :meth:`open` or :meth:`recover`. An edit whose line cannot be written is not made.

    Attributes:
        path: the file.
        num_saved: number of the last entry that is safely on disk.
        notes: what was found when the file was opened, one sentence each.
    """

    def __init__(
        self, path: Path, labels: SceneLabels, identity: SceneIdentity, lock: FileLock
    ) -> None:
        self.path = path
        self.num_saved = 0
        self.notes: tuple[str, ...] = ()
        self._labels, self._identity, self._lock = labels, identity, lock
        self._file: IO[bytes] | None = None
        self._broken = False

    # ------------------------------------------------------------------ opening

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], labels: SceneLabels, identity: SceneIdentity
    ) -> Journal:
        """Replay a journal into new labels, and write down what follows; or start one.

        Args:
            path: the file; it is made if missing.
            labels: labels nobody has edited yet.
            identity: of their scene.

        Raises:
            JournalError: a line in the middle is damaged. The file is left as it is.
            FileFormatError: no journal, or one of a newer version.
            SceneError: the journal belongs to another scan, or the labels are not new.
            ConfigError: another process has it open.

        Warns:
            SceneWarning: the last line was torn by a crash and was left out.
        """
        return cls._open(Path(path), labels, identity, cls._replay)

    @classmethod
    def recover(
        cls, path: str | os.PathLike[str], labels: SceneLabels, identity: SceneIdentity
    ) -> Journal:
        """Open a damaged journal with what is left of it.

        The file stays aside under a name with ``damaged``; a snapshot of the labels takes its
        place. Entries that no longer fit, since one before them is lost, are counted in
        :attr:`notes`. A journal that is not damaged is opened as always.

        Raises: see :meth:`open`.
        """
        try:
            cls.open(path, SceneLabels(identity.num_points), identity).close()
        except JournalError:
            return cls._open(Path(path), labels, identity, cls._replay_what_fits)
        return cls.open(path, labels, identity)

    @classmethod
    def _open(
        cls, path: Path, labels: SceneLabels, identity: SceneIdentity, replay: Any
    ) -> Journal:
        if labels.version or labels.num_points != identity.num_points:
            raise SceneError(
                f'{path}: a journal needs new labels of {identity.num_points:,} points; these '
                f'have {labels.num_points:,} and {labels.version} edits.'
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
        except OSError as error:
            raise FileFormatError(
                f'{path}: labels cannot be saved here ({error}). Give an output folder that can '
                'be written.'
            ) from error
        journal = cls(path, labels, identity, lock)
        try:
            if path.exists():
                replay(journal, read_lines(path))
            if journal._file is None:
                journal._start_file(snapshot=bool(labels.version))
            elif path.stat().st_size > COMPACT_ABOVE:
                journal.compact()
            labels.attach(journal._record)
        except BaseException:
            journal._close_files()
            raise
        for note in journal.notes:
            warnings.warn(f'{path}: {note}', SceneWarning, stacklevel=3)
        return journal

    def _replay(self, lines: JournalLines) -> None:
        if lines.damaged or (lines.bodies and 'unison3d_labels' not in lines.bodies[0][1]):
            raise JournalError(self._damage_message(lines))
        if not lines.bodies:
            # A crash came before the header was whole: nothing was ever saved here.
            if lines.torn:
                self._drop_torn(lines)
            return
        self._check_header(lines.bodies[0][1])
        for line, body in lines.bodies[1:]:
            self._replay_line(line, body)
        self._reopen()
        if lines.torn:
            self._drop_torn(lines)

    def _replay_line(self, line: int, body: dict[str, Any]) -> None:
        where = f'{self.path}, line {line}'
        try:
            number = body['n']
            if 'ids' in body:
                self._restore(body)
            elif number != self.num_saved + 1:
                raise JournalError(
                    f'{where}: entry {number} follows entry {self.num_saved}, so lines are '
                    f'missing. {_HOW_TO_RECOVER}'
                )
            else:
                self._replay_entry(decode_entry(body['edit'], self._identity.num_points))
            self.num_saved = number
        except JournalError:
            raise
        except (KeyError, TypeError, ValueError, FileFormatError, SceneError) as error:
            raise JournalError(f'{where}: {error} {_HOW_TO_RECOVER}') from error

    def _replay_entry(self, entry: Edit | Undo | Redo) -> None:
        if isinstance(entry, Edit):
            self._labels.apply(entry)
        elif (self._labels.undo if isinstance(entry, Undo) else self._labels.redo)() is None:
            raise SceneError(f'there is nothing to {type(entry).__name__.lower()}.')

    def _restore(self, body: dict[str, Any]) -> None:
        ids = decode_ids(body['ids'], self._identity.num_points)
        objects = decode_objects(body['objects'])
        self._labels.restore(ids, objects, int(body['next_id']), int(body['version']))

    def _replay_what_fits(self, lines: JournalLines) -> None:
        if lines.bodies and 'unison3d_labels' in lines.bodies[0][1]:
            self._check_header(lines.bodies.pop(0)[1])
        else:
            self.notes += (
                'the line that tells the scan is damaged as well: look whether these labels are '
                'of this scan.',
            )
        left_out = undoable = redoable = 0
        for line, body in lines.bodies:
            try:
                number, step = int(body['n']), body.get('edit', {}).get('kind')
                if number != self.num_saved + 1:
                    # Across a gap, the top of the undo stack may be another edit than it was.
                    undoable = redoable = 0
                if (step == 'undo' and not undoable) or (step == 'redo' and not redoable):
                    raise SceneError('its edit is lost.')
                self.num_saved = number - 1
                # New objects get the ids they had, so that later entries mean the right ones.
                self._labels.reserve_ids(int(body.get('next', 1)))
                self._replay_line(line, body)
            except (KeyError, TypeError, ValueError, AttributeError, FileFormatError, SceneError):
                left_out, undoable, redoable = left_out + 1, 0, 0
                continue
            if step in ('undo', 'redo'):
                sign = 1 if step == 'redo' else -1
                undoable, redoable = undoable + sign, redoable - sign
            else:
                undoable, redoable = undoable + 1, 0
        aside = _free_name(self.path, 'damaged')
        # A copy: at no moment is there neither the old file nor a new one under this name.
        with atomic_path(aside) as temporary:
            shutil.copyfile(self.path, temporary)
        self.notes += (
            f'{len(lines.damaged) or "no"} damaged lines; {left_out} entries after them no longer '
            f'fit and were left out. The damaged file is {aside.name}.',
        )

    def _check_header(self, body: dict[str, Any]) -> None:
        version = body['unison3d_labels']
        if version != VERSION:
            raise FileFormatError(
                f'{self.path}: a journal of version {version}, and {VERSION} is read. Install the '
                'newer unison3d that wrote it, or give another path.'
            )
        mine = self._identity
        if (body.get('num_points'), body.get('sha256')) != (mine.num_points, mine.sha256):
            raise SceneError(
                f'{self.path}: these labels belong to "{body.get("scene")}" with '
                f'{body.get("num_points")} points, and this is "{mine.name}" with '
                f'{mine.num_points} points at other positions. Open that scan, or give another '
                'path for the labels of this one.'
            )
        most, most_bytes = body.get('undo_limits', self._labels.undo_limits)
        self._labels.undo_limits = most, most_bytes

    def _drop_torn(self, lines: JournalLines) -> None:
        aside = _free_name(self.path, 'torn')
        with atomic_write(aside) as file:
            file.write(lines.torn)
        with open(self.path, 'r+b') as file:
            file.truncate(lines.end)
            os.fsync(file.fileno())
        self.notes += (
            f'the last line was cut off by a crash ({len(lines.torn):,} bytes) and was left out; '
            f'it had not been reported as saved. The bytes are in {aside.name}.',
        )

    def _damage_message(self, lines: JournalLines) -> str:
        places = ', '.join(map(str, lines.damaged[:5])) or '1'
        return (
            f'{self.path}: line {places} of the journal is damaged (its checksum does not fit); '
            f'{len(lines.bodies)} other lines can be read. {_HOW_TO_RECOVER}'
        )

    # ------------------------------------------------------------------ writing

    def _start_file(self, snapshot: bool) -> None:
        with atomic_write(self.path) as file:
            file.write(make_line(self._header()))
            if snapshot:
                file.write(make_line(self._snapshot()))
        self._reopen()

    def _header(self) -> dict[str, Any]:
        scene = self._identity
        return {
            'unison3d_labels': VERSION,
            'scene': scene.name,
            'num_points': scene.num_points,
            'sha256': scene.sha256,
            'undo_limits': list(self._labels.undo_limits),
        }

    def _snapshot(self) -> dict[str, Any]:
        version, ids, objects = self._labels.snapshot()
        return {
            'n': self.num_saved,
            'version': version,
            'next_id': self._labels.next_id,
            'objects': encode_objects(objects),
            'ids': encode_ids(ids),
        }

    def _reopen(self) -> None:
        if self._file is not None:
            self._file.close()
        # Unbuffered: what is written has left the process.
        self._file = open(self.path, 'ab', buffering=0)

    def _record(self, entry: Edit | Undo | Redo) -> None:
        body = {'n': self.num_saved + 1, 'next': self._labels.next_id, 'edit': encode_entry(entry)}
        line = make_line(body)
        if len(line) >= MAX_LINE:
            raise FileFormatError(
                f'{self.path}: an edit of {len(line):,} bytes; a line holds {MAX_LINE:,}.'
            )
        if self._file is None or self._broken:
            raise FileFormatError(
                f'{self.path}: an earlier line could not be written whole, so nothing more is '
                'appended. Make room on the disk and open the scan again: what was saved is kept.'
            )
        end = os.fstat(self._file.fileno()).st_size
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except BaseException as error:
            self._take_back(end)
            if isinstance(error, OSError):
                raise FileFormatError(
                    f'{self.path}: the edit could not be saved, so it was not made ({error}). '
                    'Make room on the disk, or check the rights of the folder.'
                ) from error
            raise
        self.num_saved += 1

    def _take_back(self, end: int) -> None:
        """Cut a half line off, or the next one would follow damage."""
        self._broken = True
        os.ftruncate(self._file.fileno(), end)
        os.fsync(self._file.fileno())
        self._broken = False

    def compact(self) -> None:
        """Write one snapshot in place of all lines, atomically. Undo ends here.

        Raises:
            OSError: the disk; the file is as it was.
        """
        with self._labels.locked():
            self._labels.forget_undo()
            self._start_file(snapshot=True)

    def close(self) -> None:
        """Stop writing down; edits after this are in memory only."""
        with self._labels.locked():
            if self._file is not None:
                self._labels.attach(None)
            self._close_files()

    def _close_files(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.release()


_HOW_TO_RECOVER = (
    'The file is left as it is. Journal.recover (or --recover) keeps it aside under '
    'another name and goes on with every edit that can still be read.'
)


def _free_name(path: Path, word: str) -> Path:
    number = 1
    while (aside := path.with_name(f'{path.name}.{word}-{number}')).exists():
        number += 1
    return aside
