"""A UniSeg3D checkpoint becomes a model and its sentence encoder: nothing is left over."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny import collate, scene_inputs, tiny_config

from tests.test_convert.published import made_up, manifest_models
from tests.test_text.clip_samples import HEADS, SENTENCES, SIZES, as_uniseg3d, random_tower
from unison3d.cli.main import main
from unison3d.convert import get_system, translate, translate_back
from unison3d.engine import load_state, read_weights
from unison3d.models import UnifiedSegmentor
from unison3d.models.text import ClipTextEncoder, ClipTokenizer, class_prototypes
from unison3d.models.text.clip_tower import ClipTextSizes, ClipTextTower
from unison3d.structures import Prompts, SceneSample

TOWER = 'lang.text_encoder.'


@pytest.mark.parametrize(
    ('system', 'shapes'), [p for p in manifest_models() if p.values[0] in ('uniseg3d', None)]
)
def test_every_tensor_of_the_published_file_has_a_place(system, shapes):
    report = translate(get_system(system), made_up(shapes)).report
    assert report.complete
    stored = {name: shape for name, shape in shapes.items() if name.startswith(TOWER)}
    with torch.device('meta'):
        tower = ClipTextTower(ClipTextSizes()).state_dict()
    assert {n: tuple(v.shape) for n, v in as_uniseg3d(tower).items()} == stored
    dropped = {name for name, _ in report.dropped}
    translated = {name for name, _ in report.translated}
    assert stored.keys() <= dropped
    assert len(dropped | translated) == len(shapes) == 626
    assert all(not name.startswith('lang.') for name in dropped - stored.keys())


def model_config(weights) -> dict:
    """As the published model: sentences squeezed into the width of a superpoint, no positions."""
    encoder = {'type': 'ClipTextEncoder', 'weights': str(weights), 'num_heads': HEADS}
    encoder = {'type': 'CachedTextEncoder', 'encoder': encoder}
    config = tiny_config()
    config.pop('type')
    config['decoder'] |= {'embedding_dim': SIZES.dim, 'position_encoding': False}
    config['tasks'].pop('open_vocabulary')
    config['tasks']['closed_set']['text_encoder'] = encoder
    config['tasks']['text'] |= {
        'embedding_dim': SIZES.dim,
        'text_encoder': encoder,
        'wide': False,
    }
    return config


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A published file of small size: model, text MLP and text tower."""
    folder = tmp_path_factory.mktemp('published')
    tower = as_uniseg3d(random_tower())
    torch.save(tower, folder / 'tower.pth')
    torch.manual_seed(0)
    state = UnifiedSegmentor(**model_config(folder / 'tower.pth')).state_dict()
    state = {
        n: v + 0.05 * torch.randn_like(v) if v.is_floating_point() else v for n, v in state.items()
    }
    state = {n: v.abs() if n.endswith('running_var') else v for n, v in state.items()}
    published = translate_back(get_system('uniseg3d'), state).tensors
    torch.save({'meta': {'epoch': 1}, 'state_dict': {**published, **tower}}, folder / 'best.pth')
    return folder / 'best.pth'


@pytest.fixture(scope='module')
def model(checkpoint) -> UnifiedSegmentor:
    converted = checkpoint.with_name('uniseg3d.safetensors')
    assert main(['convert', 'uniseg3d', str(checkpoint), str(converted)]) == 0
    model = UnifiedSegmentor(**model_config(checkpoint)).eval()
    weights, _ = read_weights(converted)
    report = load_state(model, weights, strict=False)
    assert not report.unexpected
    assert not report.mismatched
    extra = ('quality_head', 'negative_embedding', 'class_embeddings')
    assert all(any(part in name for part in extra) for name in report.missing)
    stored = torch.load(checkpoint)['state_dict']
    assert torch.equal(model.tasks['text'].text_mlp[2].weight, stored['lang.Mlp.fc2.weight'])
    return model


def ask(model, **prompts) -> torch.Tensor:
    """Mask logits of sentences, (T, S); also checks that there is an answer for each."""
    sample = SceneSample(prompts=Prompts(texts=list(SENTENCES), **prompts))
    batch = collate(model, [scene_inputs()])
    with torch.no_grad():
        features = model.encode(batch)[0]
        logits = model.decode(features, copy.deepcopy(sample), ['text'])['text'].final.mask_logits
        model.predict_scene(features, sample, ['text'])
    assert len(sample.pred_texts.masks) == len(SENTENCES)
    return logits


def test_sentences_end_to_end(model, checkpoint):
    encoder = ClipTextEncoder(checkpoint, num_heads=HEADS)
    features = encoder.encode(SENTENCES)
    logits = ask(model)
    torch.testing.assert_close(logits, ask(model, text_embeddings=features))
    torch.testing.assert_close(logits, ask(model, text_tokens=ClipTokenizer()(SENTENCES)))
    # The published model reads features of any length; made unit length they say something else.
    unit = ask(model, text_embeddings=encoder.encode_unit(SENTENCES))
    assert (unit - logits).abs().max() > 1e-3


def test_class_names_are_compared_by_cosine(model, checkpoint):
    task = model.tasks['closed_set']
    names = task.label_space.classes
    lengths = task.class_embeddings.norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones(len(names), 1))
    encoder = ClipTextEncoder(checkpoint, num_heads=HEADS)
    bare = class_prototypes(encoder, names, ['{}'])
    torch.testing.assert_close(task.class_embeddings, bare, rtol=0, atol=2e-6)


def test_a_translated_file_that_kept_everything_has_the_tower_too(checkpoint, tmp_path):
    kept = tmp_path / 'kept.safetensors'
    words = ['convert', 'uniseg3d', str(checkpoint), str(kept), '--keep-unused']
    assert main(words) == 0
    encoder = ClipTextEncoder(kept, num_heads=HEADS)
    assert encoder.name == ClipTextEncoder(checkpoint, num_heads=HEADS).name
