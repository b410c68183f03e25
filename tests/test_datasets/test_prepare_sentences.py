"""ScanRefer, Nr3D and Sr3D in the info files."""

from __future__ import annotations

import json

import pytest
from test_datasets.scannet_samples import TRAIN, write_raw_scan

from unison3d.cli.main import main
from unison3d.datasets.prepare import read_infos
from unison3d.datasets.prepare.referit3d import read_referit3d
from unison3d.datasets.prepare.scanrefer import read_scanrefer
from unison3d.errors import FileFormatError

NR3D = (
    'assignmentid,stimulus_id,utterance,instance_type,scan_id,target_id\n'
    f'77,x,"the ""tall"" chair,\nnear the wall",chair,{TRAIN},1\n'
    f'78,x,the floor,floor,{TRAIN},0\n'
)
SR3D = f'stimulus_id,scan_id,target_id,utterance,reference_type\ns,{TRAIN},2,a chair,horizontal\n'


def sentence(object_id, text, scan=TRAIN, ann_id='0'):
    return {
        'scene_id': scan,
        'object_id': str(object_id),
        'object_name': 'chair',
        'ann_id': ann_id,
        'description': text,
        'token': text.split(),
    }


@pytest.fixture
def files(tmp_path):
    scanrefer = [
        *(sentence(2, 'second'), sentence(1, 'first'), sentence(1, 'first again', ann_id='4')),
        *(sentence(0, 'the floor'), sentence(88, 'nothing'), sentence(1, 'far', 'scene9999_00')),
    ]
    (tmp_path / 'ScanRefer_filtered_train.json').write_text(json.dumps(scanrefer))
    (tmp_path / 'nr3d.csv').write_text(NR3D)
    (tmp_path / 'sr3d.csv').write_text(SR3D)
    return tmp_path


def test_sentences_go_to_their_objects(files, capsys):
    write_raw_scan(files)
    names = ['ScanRefer_filtered_train.json', 'nr3d.csv', 'sr3d.csv']
    words = ['--root', str(files), '--out', str(files / 'out'), '--sentences']
    assert main(['prepare', 'scannet', *words, *(str(files / name) for name in names)]) == 0
    # The floor twice and an object that is not there; the other scan does not count.
    assert '5 sentences of 1 scans; 3 left out' in capsys.readouterr().out
    (entry,) = read_infos(files / 'out' / 'scannet_infos_train.pkl')['data_list']
    assert entry['text_info'] == {
        '2': {
            'text': ['second', 'a chair'],
            'label_id': 2,
            'source': ['scanrefer', 'sr3d'],
            'ann_id': ['0', '0'],
        },
        '1': {
            'text': ['first', 'first again', 'the "tall" chair,\nnear the wall'],
            'label_id': 2,
            'source': ['scanrefer', 'scanrefer', 'nr3d'],
            'ann_id': ['0', '4', '77'],
        },
    }


def test_readers_say_where(files):
    (files / 'a.json').write_text(json.dumps([sentence(1, 'x'), {'scene_id': TRAIN}]))
    with pytest.raises(FileFormatError, match='entry 1'):
        read_scanrefer(files / 'a.json')
    (files / 'a.json').write_text('{}')
    with pytest.raises(FileFormatError, match='expected a list'):
        read_scanrefer(files / 'a.json')
    (files / 'a.csv').write_text(NR3D.replace(f'{TRAIN},0', f'{TRAIN},zero'))
    with pytest.raises(FileFormatError, match=r'line 4 .*zero'):
        read_referit3d(files / 'a.csv')
    (files / 'a.csv').write_text('utterance,scan_id\nx,y\n')
    with pytest.raises(FileFormatError, match='line 1 has no column target_id'):
        read_referit3d(files / 'a.csv')
    (files / 'a.csv').write_text(SR3D + ',3,a chair\n')
    with pytest.raises(FileFormatError, match='line 3'):
        read_referit3d(files / 'a.csv')


def test_a_damaged_file_shows_before_the_work(files, capsys):
    write_raw_scan(files)
    words = ['--root', str(files), '--out', str(files / 'out'), '--sentences']
    assert main(['prepare', 'scannet', *words, str(files / 'nothing.csv')]) == 3
    assert main(['prepare', 'scannet', *words, str(files / 'sr3d.txt')]) == 3
    assert not (files / 'out').exists()
