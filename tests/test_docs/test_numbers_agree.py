"""The same number in the metafiles, the model card and the tables of the READMEs."""

from __future__ import annotations

import re

import pytest
import yaml
from conftest import REPO_ROOT

CARD = REPO_ROOT / 'unison3d' / 'assets' / 'weights' / 'MODEL_CARD.md'
UNIFIED = REPO_ROOT / 'configs' / 'unified' / 'README.md'
ONEFORMER3D = REPO_ROOT / 'configs' / 'oneformer3d' / 'README.md'
FRONT = REPO_ROOT / 'README.md'
ROOMS = 'procedural, 100 held-out rooms'
#: Metric of the metafile: the row of the tables, and the place in its cells "a / b / c".
MEASURED = {
    'mIoU': ('semantic', 0),
    'AP50': ('instance', 0),
    'PQ': ('panoptic', 0),
    'click IoU@1': ('interactive', 0),
    'referring acc@0.5': ('referring', 1),
    'unseen AP50': ('open vocabulary, unseen names', 0),
}
PUBLISHED = {
    'uniseg3d_scannet': (UNIFIED, 'UniSeg3D, published', 'click AP'),
    'uniseg3d_scannet-finetune': (UNIFIED, 'UniSeg3D, two stages, published', 'click AP'),
    'oneformer3d_1xb4_scannet': (ONEFORMER3D, 'ScanNet val', 'AP50'),
    'oneformer3d_1xb4_scannet200': (ONEFORMER3D, 'ScanNet200 val', 'AP50'),
    'oneformer3d_1xb2_s3dis-area-5': (ONEFORMER3D, 'S3DIS Area 5', 'AP50'),
}


def models() -> dict[str, dict]:
    """Entries of all metafiles by name."""
    paths = (REPO_ROOT / 'configs').glob('*/metafile.yml')
    metas = [yaml.safe_load(path.read_text('utf-8')) for path in paths]
    return {model['Name']: model for meta in metas for model in meta['Models']}


MODELS = models()


def metrics(name: str) -> dict[str, float]:
    return MODELS[name]['Results'][0]['Metrics']


def row_of(path, first: str, column: str) -> dict[str, str]:
    """Cells of the row that begins so, by column, in the table that has a column."""
    header = None
    for line in path.read_text('utf-8').splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        if not line.startswith('|'):
            header = None
        elif header is None:
            header = cells
        elif column in header and cells[0].startswith(first):
            return dict(zip(header, cells, strict=True))
    raise AssertionError(f'{path}: no row {first!r} in a table with {column!r}')


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r'\d+\.\d+', cell)]


def measured(path, row: str) -> dict[str, str]:
    """A row of the table of procedural rooms."""
    return row_of(path, row, ROOMS)


@pytest.mark.parametrize('path', [UNIFIED, FRONT], ids=['configs', 'front'])
def test_tables_of_the_shipped_weights_are_those_of_the_card(path):
    for row in (*(row for row, _ in MEASURED.values()), 'open vocabulary, seen names'):
        assert measured(path, row) == measured(CARD, row)
    means = re.compile(r'^\| mean +\| .*$', re.MULTILINE)
    shown = means.findall(path.read_text('utf-8'))
    assert shown
    assert shown == means.findall(CARD.read_text('utf-8'))[: len(shown)]


def test_the_metafile_has_the_numbers_of_the_card():
    shown = metrics('unified-s_synth-rooms')
    assert shown.keys() == MEASURED.keys()
    for name, (row, place) in MEASURED.items():
        percent = 100 * numbers(measured(CARD, row)[ROOMS])[place]
        assert shown[name] == pytest.approx(percent, abs=1e-9), name


def test_the_history_of_the_card_ends_with_its_numbers():
    column = 'procedural mIoU / AP / PQ / IoU@1'
    _, rooms, shifted, real, _ = row_of(CARD, 'shipped', column).values()
    order = [('semantic', 0), ('instance', 1), ('panoptic', 0), ('interactive', 0)]
    for cell, profile in ((rooms, ROOMS), (shifted, 'shifted, 50 rooms')):
        assert numbers(cell) == [numbers(measured(CARD, row)[profile])[i] for row, i in order]
    assert numbers(real) == numbers(' '.join(row_of(CARD, 'mean', 'click IoU@1').values()))


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_numbers_are_those_of_the_table(name):
    path, first, column = PUBLISHED[name]
    shown = row_of(path, first, column)
    for metric, value in metrics(name).items():
        assert numbers(shown[metric.removesuffix(' (published)')])[0] == value, metric


@pytest.mark.parametrize('name', MODELS)
def test_parameters_are_those_of_the_tables(name):
    exact = MODELS[name]['Metadata']['Parameters']
    link = f'[`{name}.py`]'
    if 'oneformer3d' in name:
        assert row_of(ONEFORMER3D, link, 'parameters')['parameters'] == f'{exact:,}'
        return
    said = row_of(UNIFIED, link, 'what it is')['what it is']
    if name == 'unified-s_synth-rooms':
        said += CARD.read_text('utf-8').partition('| parameters |')[2].partition('\n')[0]
    for number in re.findall(r'(\d+(?:\.\d+)?) M\b', said):
        digits = len(number.partition('.')[2])
        assert number == f'{exact / 1e6:.{digits}f}'
