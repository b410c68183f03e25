"""What is reported as saved is on disk, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

from unison3d.errors import ConfigError, FileFormatError, SceneError, SceneWarning
from unison3d.structures import PointScene
from unison3d.viewer.edit_codec import (
    decode_ids,
    decode_rows,
    encode_ids,
    encode_rows,
)
from unison3d.viewer.journal import Journal, JournalError, SceneIdentity
from unison3d.viewer.label_edits import Delete, Draw, Merge, Rename, Split
from unison3d.viewer.labels import SceneLabels

SCENE = PointScene(np.random.default_rng(0).random((50, 3)).astype(np.float32), name='room')
IDENTITY = SceneIdentity.of(SCENE)


def opened(path, door=Journal.open, identity=IDENTITY):
    labels = SceneLabels(identity.num_points)
    return door(path, labels, identity), labels


def written(path):
    """A journal of seven entries, closed; and the labels as they were after each."""
    journal, labels = opened(path)
    states = [state(labels)]
    for step in (
        Draw(np.arange(10), name='chair'),
        Draw(np.arange(10, 30), name='"T\u00e4ble"'),
        Rename(1, 'sofa'),
        Split(2, np.arange(20, 40), 'leg'),
        None,
        Draw(np.arange(40, 45), name='lamp'),
        Merge(4, (1,)),
    ):
        labels.undo() if step is None else labels.apply(step)
        states.append(state(labels))
    assert journal.num_saved == 7
    journal.close()
    return states


def state(labels):
    return labels.ids.tolist(), labels.objects


def test_replay_gives_the_labels_and_their_undo_back(tmp_path):
    path = tmp_path / 'room.jsonl'
    states = written(path)
    journal, labels = opened(path)
    assert state(labels) == states[-1]
    assert (labels.version, journal.num_saved, journal.notes) == (7, 7, ())
    labels.undo()
    assert state(labels) == states[-2]
    journal.close()
    journal, labels = opened(path, Journal.recover)
    assert not list(tmp_path.glob('*damaged*'))
    assert state(labels) == states[-2]
    labels.redo()
    journal.compact()
    assert labels.undo_title is None
    labels.apply(Rename(4, 'after'))
    journal.close()
    assert len(path.read_bytes().splitlines()) == 3
    _, again = opened(path)
    assert state(again) == state(labels)
    assert again.next_id == labels.next_id
    assert again.version == labels.version


def test_cut_at_any_byte_only_the_unfinished_line_is_lost(tmp_path):
    path = tmp_path / 'room.jsonl'
    states = written(path)
    whole = path.read_bytes()
    ends = np.cumsum([len(line) for line in whole.splitlines(keepends=True)])
    for cut in range(0, len(whole), 17):
        path.write_bytes(whole[:cut])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            journal, labels = opened(path)
        complete = int((ends <= cut).sum())
        assert state(labels) == states[max(complete - 1, 0)]
        is_torn = cut not in (0, *ends.tolist())
        assert bool(journal.notes) == bool(caught) == is_torn
        labels.apply(Draw(np.arange(3)))
        journal.close()
        journal, again = opened(path)
        assert state(again) == state(labels)
        journal.close()
    aside = sorted(tmp_path.glob('*.torn-*'))
    assert aside
    assert all(whole.find(file.read_bytes()) >= 0 for file in aside)


@pytest.mark.filterwarnings('ignore::unison3d.errors.SceneWarning')
@pytest.mark.parametrize('line', range(8))
def test_damage_in_the_middle_is_said_and_the_rest_can_be_had(tmp_path, line):
    path = tmp_path / 'room.jsonl'
    states = written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[line].replace(b'n', b'm')
    lines[line] = damaged
    path.write_bytes(b''.join(lines))
    before = path.read_bytes()
    with pytest.raises(JournalError, match='recover'):
        opened(path)
    assert path.read_bytes() == before
    journal, labels = opened(path, Journal.recover)
    assert (tmp_path / 'room.jsonl.damaged-1').read_bytes() == before
    names = {item.id: item.name for item in labels.objects}
    if line == 0:
        assert state(labels) == states[-1]
    elif line == 3:  # the rename is lost and nothing else
        assert labels.ids.tolist() == states[-1][0]
    elif line == 2:  # the table is lost: its split does not fit, and the undo was of that split
        assert names == {4: 'lamp'}
        assert labels.ids[:10].tolist() == [4] * 10
        assert '2 entries' in journal.notes[-1]
    elif line == 7:
        assert state(labels) == states[-2]
    labels.apply(Draw(np.arange(3)))
    journal.close()
    _, again = opened(path)
    assert state(again) == state(labels)


def test_undo_limits_are_those_of_the_writer(tmp_path):
    path = tmp_path / 'room.jsonl'
    labels = SceneLabels(50, undo_limits=(5, 1 << 20))
    journal = Journal.open(path, labels, IDENTITY)
    for point in range(5):
        labels.apply(Draw(np.array([point])))
    while labels.undo():
        pass
    journal.close()
    labels = SceneLabels(50, undo_limits=(2, 1 << 20))
    Journal.open(path, labels, IDENTITY)
    assert not labels.ids.any()
    assert labels.undo_limits == (5, 1 << 20)


def test_a_large_journal_is_compacted_when_it_is_opened(tmp_path, monkeypatch):
    path = tmp_path / 'room.jsonl'
    states = written(path)
    monkeypatch.setattr('unison3d.viewer.journal.COMPACT_ABOVE', 100)
    _, labels = opened(path)
    assert state(labels) == states[-1]
    assert len(path.read_bytes().splitlines()) == 2


def test_a_missing_line_is_noticed(tmp_path):
    path = tmp_path / 'room.jsonl'
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b''.join(lines[:3] + lines[4:]))
    with pytest.raises(JournalError, match='line 4: entry 4 follows entry 2'):
        opened(path)


def test_a_journal_is_for_one_scan_and_one_process(tmp_path):
    path = tmp_path / 'room.jsonl'
    written(path)
    journal, labels = opened(path)
    with pytest.raises(ConfigError, match='is open in another'):
        opened(path)
    journal.close()
    moved = SceneIdentity.of(SCENE.replace(points=SCENE.points + 1))
    with pytest.raises(SceneError, match='belong to "room" with 50 points'):
        opened(path, identity=moved)
    with pytest.raises(SceneError, match='new labels'):
        Journal.open(path, labels, IDENTITY)
    (tmp_path / 'other.jsonl').write_text('{"a": 1}\n')
    for door in (Journal.open, Journal.recover):
        with pytest.raises(FileFormatError, match='not a journal'):
            opened(tmp_path / 'other.jsonl', door)
    assert (tmp_path / 'other.jsonl').read_text() == '{"a": 1}\n'


def test_an_edit_that_cannot_be_written_is_not_made(tmp_path, monkeypatch):
    path = tmp_path / 'room.jsonl'
    journal, labels = opened(path)
    labels.apply(Draw(np.arange(10)))
    size = path.stat().st_size
    real = os.fsync
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 1:
            raise OSError(28, 'No space left on device')
        real(handle)

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(FileFormatError, match='No space left'):
        labels.apply(Delete(1))
    monkeypatch.undo()
    assert labels.version == 1
    assert path.stat().st_size == size
    labels.apply(Rename(1, 'still here'))
    journal.close()
    assert opened(path)[1].objects == labels.objects


CHILD = """
import sys, numpy as np
from unison3d.viewer.journal import Journal, SceneIdentity
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.labels import SceneLabels
labels = SceneLabels(50)
journal = Journal.open(sys.argv[1], labels, SceneIdentity('room', 50, sys.argv[2]))
for step in range(100000):
    if step % 3 == 2:
        labels.undo()
    else:
        labels.apply(Draw(np.array([step % 50, (7 * step) % 50])))
    print(journal.num_saved, labels.ids.tolist(), flush=True)
"""


def test_a_killed_process_loses_nothing_that_it_reported(tmp_path):
    path = tmp_path / 'room.jsonl'
    child = subprocess.Popen(
        [sys.executable, '-c', CHILD, path, IDENTITY.sha256], stdout=subprocess.PIPE, text=True
    )
    reported = [child.stdout.readline() for _ in range(40)]
    os.kill(child.pid, signal.SIGKILL)
    reported += [line for line in child.stdout.read().splitlines(keepends=True) if line[-1] == '\n']
    child.wait()
    lines = path.read_bytes().splitlines(keepends=True)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', SceneWarning)
        journal, _ = opened(path)
    number, ids = reported[-1].split(' ', 1)
    assert journal.num_saved >= int(number) >= 40
    # The labels that were shown are those of the entries up to the number that was shown.
    copy = tmp_path / 'copy.jsonl'
    copy.write_bytes(b''.join(lines[: 1 + int(number)]))
    assert opened(copy)[1].ids.tolist() == json.loads(ids)


@pytest.mark.parametrize('seed', range(4))
def test_point_sets_come_back(seed):
    generator = np.random.default_rng(seed)
    mask = generator.random(1000) < (0, 0.01, 0.5, 1)[seed]
    rows = np.flatnonzero(mask)
    assert decode_rows(encode_rows(rows), 1000).tolist() == rows.tolist()
    ids = np.repeat(generator.integers(-1, 5, 100), 10)
    assert decode_ids(encode_ids(ids), 1000).tolist() == ids.tolist()
    if len(rows):
        with pytest.raises(FileFormatError, match='leaves'):
            decode_rows(encode_rows(rows), int(rows[-1]))
        with pytest.raises(FileFormatError, match='damaged'):
            decode_rows(encode_rows(rows)[4:], 1000)


def test_a_small_text_cannot_fill_the_memory():
    bomb = encode_ids(np.arange(100_000) % 2)
    with pytest.raises(FileFormatError, match='more than 160 bytes'):
        decode_ids(bomb, 10)
