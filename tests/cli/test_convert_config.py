"""``unison3d convert --config``: a published file becomes one that ``unison3d infer`` can use."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import scene_inputs, tiny_config

from unison3d.apis import Segmenter
from unison3d.apis.converted_model import _plain, complete_weights
from unison3d.cli.main import main
from unison3d.convert import get_system, translate_back
from unison3d.engine import read_weights
from unison3d.errors import ConfigError
from unison3d.io import write_ply
from unison3d.registry import MODELS
from unison3d.structures import PointScene

CLASSES, WIDTH = 20, 12
EMBEDDINGS = torch.nn.functional.normalize(
    torch.randn(CLASSES, 1, WIDTH, generator=torch.Generator().manual_seed(3)), dim=2
)


def model_config(system: str) -> dict:
    """A small model of the published kind."""
    config = tiny_config()
    config['decoder'] |= {'position_encoding': False, 'embedding_dim': WIDTH}
    config['data_preprocessor']['point_features'] = ['color', 'centered_xyz']
    closed_set = {'type': 'ClosedSetTask', 'postprocess': {'min_points': 5}}
    if system == 'uniseg3d':
        closed_set |= {'num_prototypes': 1, 'embedding_dim': WIDTH}
        text = {'type': 'TextTask', 'embedding_dim': WIDTH}
        config['tasks'] = {'closed_set': closed_set, 'click': {'type': 'ClickTask'}, 'text': text}
        config['links'] = {'contrastive': {'type': 'ContrastiveLink'}}
    else:
        config['decoder']['embedding_dim'] = None
        closed_set |= {'linear_head': {}, 'quality_weight': None}
        closed_set['queries'] = {'type_embedding': False}
        closed_set['postprocess']['panoptic_quality'] = False
        config['tasks'] = {'closed_set': closed_set}
    return config


@pytest.fixture(scope='module', params=['uniseg3d', 'oneformer3d'])
def release(request, tmp_path_factory):
    """Name of the system, folder with weights, config and scan, and the model behind them."""
    system, folder = request.param, tmp_path_factory.mktemp('release')
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(model_config(system)))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith('running_var'):
                value.uniform_(0.5, 1.5)
    published = translate_back(get_system(system), model.state_dict()).tensors
    torch.save({'state_dict': published}, folder / 'in.pth')
    torch.save(EMBEDDINGS, folder / 'classes.pth')
    hook = {'type': 'ClassEmbeddingsHook', 'path': str(folder / 'classes.pth')}
    lines = [f'model = {model_config(system)!r}', f'custom_hooks = [{hook!r}]']
    (folder / 'small.py').write_text('\n'.join(lines) + '\n')
    inputs = scene_inputs(2000)
    write_ply(folder / 'room.ply', inputs['points'].numpy(), colors=inputs['colors'].numpy())
    if system == 'uniseg3d':
        model.tasks['closed_set'].set_class_embeddings(EMBEDDINGS)
    return system, folder, model.eval()


def convert(folder, system: str, *words: object) -> int:
    paths = (folder / 'in.pth', folder / 'out.safetensors')
    return main(['convert', system, *map(str, (*paths, '--overwrite', *words))])


def test_convert_then_infer(release, capsys):
    system, folder, model = release
    assert convert(folder, system, '--config', folder / 'small.py') == 0
    assert 'unison3d infer' in capsys.readouterr().out
    metadata = read_weights(folder / 'out.safetensors')[1]
    assert (metadata['system'], metadata['config']) == (system, 'small')
    assert json.loads(metadata['model']) == model_config(system)

    click = ['--click', '1,1,0.5'] if system == 'uniseg3d' else []
    words = [folder / 'room.ply', '--weights', folder / 'out.safetensors', '--out', folder / 'out']
    assert main(['infer', *map(str, words), '--device', 'cpu', '--overwrite', *click]) == 0
    report = json.loads((folder / 'out' / 'result.json').read_text())
    if click:
        # Published files predict no quality of clicks.
        assert [mask['score'] for mask in report['tasks']['interactive']['masks']] == [1.0]

    scene = PointScene.from_file(folder / 'room.ply')
    answers = []
    loaded = Segmenter.from_pretrained(folder / 'out.safetensors', 'cpu')
    for segmenter in (loaded, Segmenter(model)):
        segmenter.set_scene(scene)
        answers.append(segmenter.predict(['semantic', 'instance']))
    assert (answers[0].semantic == answers[1].semantic).all()
    torch.testing.assert_close(answers[0].instances.scores, answers[1].instances.scores)

    back = folder / 'back.pth'
    words = [system, folder / 'out.safetensors', back, '--reverse', '--overwrite']
    assert main(['convert', *map(str, words)]) == 0
    ours, theirs = read_weights(back)[0], read_weights(folder / 'in.pth')[0]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_config_that_does_not_fit(release, capsys):
    system, folder, _ = release
    options = ['--config', folder / 'small.py', '--cfg-options', 'model.decoder.num_layers=1']
    assert convert(folder, system, *options) == 5
    message = capsys.readouterr().err
    assert 'decoder.self_attn_layers.1' in message
    assert 'small.py' in message
    assert convert(folder, system, *options[:2], '--keep-unused') == 2
    capsys.readouterr()
    if system == 'uniseg3d':
        # Its class embeddings are in a file of their own.
        assert convert(folder, system, *options[:3], 'custom_hooks=[]') == 2
        assert 'ClassEmbeddingsHook' in capsys.readouterr().err
    assert convert(folder, system) == 0
    assert '--config' in capsys.readouterr().out
    words = [folder / 'room.ply', '--weights', folder / 'out.safetensors', '--out', folder / 'no']
    assert main(['infer', *map(str, words)]) == 5
    assert '--config' in capsys.readouterr().err


def test_hooks_that_do_not_say_one_file(release, capsys):
    system, folder, _ = release
    hook = {'type': 'ClassEmbeddingsHook', 'path': str(folder / 'classes.pth')}
    for hooks, message in (([{'type': hook['type']}], 'no path'), ([hook, hook], 'has 2')):
        text = f'model = {model_config(system)!r}\ncustom_hooks = {hooks!r}\n'
        (folder / 'hooks.py').write_text(text)
        assert convert(folder, system, '--config', folder / 'hooks.py') == 2
        assert message in (error := capsys.readouterr().err)
        assert 'hooks.py' in error


def test_settings_that_json_has_no_word_for():
    """A path is its text; a class would become one that nothing reads back."""
    system = get_system('oneformer3d')
    with pytest.raises(ConfigError, match=r'small\.py: .*of the type type'):
        complete_weights(system, {}, {'type': PointScene}, source='small.py')
    description = json.dumps({'a': Path('b')}, default=partial(_plain, 'small.py'))
    assert json.loads(description) == {'a': 'b'}


def test_systems_without_a_whole_model():
    with pytest.raises(ConfigError, match='openscene becomes MinkUNet'):
        complete_weights(get_system('openscene'), {}, {})
