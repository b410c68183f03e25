"""The text tower against other implementations, from every kind of file."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.test_text.clip_samples import (
    HEADS,
    SENTENCES,
    SIZES,
    as_open_clip,
    as_uniseg3d,
    random_tower,
)
from unison3d.errors import CheckpointError, ConfigError, MissingDependencyError, PromptError
from unison3d.models.text import CachedTextEncoder, ClipTextEncoder, ClipTokenizer
from unison3d.models.text.clip_tower import ClipTextSizes
from unison3d.registry import TEXT_ENCODERS

TOKEN_SIZES = ClipTextSizes(100, 9, 32, 2, 48, 24)


@pytest.fixture(scope='module')
def tensors():
    return random_tower()


@pytest.fixture(scope='module')
def weights(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp('clip') / 'epoch_1.pth'
    torch.save({'state_dict': as_uniseg3d(tensors)}, path)
    return path


@pytest.fixture(scope='module')
def encoder(weights) -> ClipTextEncoder:
    return ClipTextEncoder(weights, num_heads=HEADS)


@pytest.fixture
def token_weights(tmp_path):
    """A tower of 100 tokens: a file of a few kilobytes."""
    torch.save(random_tower(TOKEN_SIZES), tmp_path / 'tokens.bin')
    return tmp_path / 'tokens.bin'


def by_transformers(tensors, tokens, activation='gelu'):
    transformers = pytest.importorskip('transformers')
    config = transformers.CLIPTextConfig(
        vocab_size=SIZES.vocab_size,
        hidden_size=SIZES.width,
        intermediate_size=SIZES.hidden,
        projection_dim=SIZES.dim,
        num_hidden_layers=SIZES.num_layers,
        num_attention_heads=HEADS,
        max_position_embeddings=SIZES.context_length,
        hidden_act=activation,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    model = transformers.CLIPTextModelWithProjection(config).eval()
    state = {'text_projection.weight': tensors['text_projection'].T}
    names = {
        'token_embedding': 'embeddings.token_embedding',
        'ln_final': 'final_layer_norm',
        'ln_1': 'layer_norm1',
        'ln_2': 'layer_norm2',
        'attn.out_proj': 'self_attn.out_proj',
        'mlp.c_fc': 'mlp.fc1',
        'mlp.c_proj': 'mlp.fc2',
    }
    for name, value in tensors.items():
        block = re.match(r'transformer\.resblocks\.(\d+)\.', name)
        prefix = f'encoder.layers.{block[1]}.' if block else ''
        bare = name.removeprefix(block[0] if block else '')
        if bare.startswith('attn.in_proj'):
            for part, rows in zip('qkv', value.chunk(3)):
                state[f'{prefix}self_attn.{part}_proj.{bare.rpartition("_")[2]}'] = rows
        elif bare == 'positional_embedding':
            state['embeddings.position_embedding.weight'] = value
        elif bare != 'text_projection':
            module, _, kind = bare.rpartition('.')
            state[f'{prefix}{names[module]}.{kind}'] = value
    own = model.state_dict()
    under = 'text_model.' if any(name.startswith('text_model.') for name in own) else ''
    state = {n if n.startswith('text_proj') else under + n: v for n, v in state.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert all('position_ids' in name for name in missing)
    with torch.no_grad():
        return model(input_ids=tokens).text_embeds


def by_torch(tensors, tokens):
    """The same network from the encoder layer that comes with torch."""
    x = tensors['token_embedding.weight'][tokens] + tensors['positional_embedding']
    mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
    names = (('attn.', 'self_attn.'), ('mlp.c_fc', 'linear1'), ('mlp.c_proj', 'linear2'))
    names += (('ln_', 'norm'),)
    for index in range(SIZES.num_layers):
        layer = nn.TransformerEncoderLayer(
            SIZES.width, HEADS, SIZES.hidden, 0.0, 'gelu', batch_first=True, norm_first=True
        )
        prefix = f'transformer.resblocks.{index}.'
        state = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
        for old, new in names:
            state = {name.replace(old, new): value for name, value in state.items()}
        layer.load_state_dict(state)
        x = layer(x, src_mask=mask, is_causal=True)
    ends = x[torch.arange(len(x)), tokens.argmax(1)]
    norm = tensors['ln_final.weight'], tensors['ln_final.bias']
    ends = nn.functional.layer_norm(ends, (SIZES.width,), *norm)
    return (ends @ tensors['text_projection']).detach()


def test_equals_transformers(encoder, tensors):
    tokens = ClipTokenizer()(SENTENCES)
    expected = by_transformers(tensors, tokens)
    torch.testing.assert_close(encoder.encode(SENTENCES), expected, rtol=1e-5, atol=1e-5)


def test_equals_transformers_with_the_activation_of_openai(weights, tensors):
    encoder = ClipTextEncoder(weights, num_heads=HEADS, activation='quick_gelu')
    expected = by_transformers(tensors, ClipTokenizer()(SENTENCES), 'quick_gelu')
    torch.testing.assert_close(encoder.encode(SENTENCES), expected, rtol=1e-5, atol=1e-5)


def test_equals_layers_of_torch(encoder, tensors):
    expected = by_torch(tensors, ClipTokenizer()(SENTENCES))
    torch.testing.assert_close(encoder.encode(SENTENCES), expected, rtol=1e-5, atol=1e-5)
    # Otherwise the end token, the cut or the mask could be anything.
    assert (expected[0] - expected[1]).abs().max() > 0.1


def test_equals_open_clip(encoder, weights):
    try:
        import open_clip  # noqa: F401
    except (ImportError, RuntimeError) as error:
        pytest.skip(f'open_clip cannot be imported: {error}')
    other = ClipTextEncoder(weights, num_heads=HEADS, use_open_clip=True)
    assert other.name == encoder.name
    torch.testing.assert_close(
        other.encode(SENTENCES), encoder.encode(SENTENCES), rtol=1e-5, atol=1e-5
    )


def test_open_clip_is_named_where_it_is_missing(weights, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'open_clip', None)
    monkeypatch.setitem(sys.modules, 'open_clip.transformer', None)
    with pytest.raises(MissingDependencyError, match='openclip'):
        ClipTextEncoder(weights, num_heads=HEADS, use_open_clip=True).encode(['chair'])


@pytest.mark.parametrize(
    'content',
    [
        lambda t: as_open_clip(t),
        lambda t: as_open_clip(t, 'text.'),
        lambda t: {'state_dict': {f'module.{n}': v for n, v in as_open_clip(t).items()}},
        lambda t: {f'published.{n}': v for n, v in as_uniseg3d(t).items()},
        lambda t: {'epoch': 3, 'state_dict': as_open_clip({**t, 'attn_mask': _mask(77)})},
    ],
    ids=['open_clip', 'text part', 'training', 'translated', 'older open_clip'],
)
def test_every_layout_gives_the_same_encoder(encoder, tensors, tmp_path, content):
    torch.save(content(tensors), tmp_path / 'open_clip_pytorch_model.bin')
    other = ClipTextEncoder(tmp_path / 'open_clip_pytorch_model.bin', num_heads=HEADS)
    assert other.name == encoder.name
    assert torch.equal(other.encode(SENTENCES), encoder.encode(SENTENCES))


def test_safetensors(encoder, tensors, tmp_path):
    save_file(as_open_clip(tensors), tmp_path / 'open_clip_model.safetensors')
    other = ClipTextEncoder(tmp_path / 'open_clip_model.safetensors', num_heads=HEADS)
    assert other.name == encoder.name


def test_objects_beside_the_weights_are_passed_over(token_weights, tmp_path):
    from collections import Counter
    from pathlib import PurePosixPath

    content = {
        'state_dict': torch.load(token_weights),
        'meta': {'counter': Counter('aab'), 'path': PurePosixPath('x')},
    }
    torch.save(content, tmp_path / 'runner.pth')
    expected = ClipTextEncoder(token_weights, num_heads=HEADS).name
    assert ClipTextEncoder(tmp_path / 'runner.pth', num_heads=HEADS).name == expected


def _mask(size: int) -> torch.Tensor:
    return torch.full((size, size), -torch.inf).triu(1)


def test_width_and_length_of_vectors(encoder, weights):
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (3, encoder.dim) == (3, 24)
    assert vectors.dtype == torch.float32
    assert not encoder.unit_rows
    assert (vectors.norm(dim=1) - 1).abs().min() > 0.1
    unit = ClipTextEncoder(weights, num_heads=HEADS, normalize=True)
    assert unit.unit_rows
    expected = nn.functional.normalize(vectors, dim=1)
    torch.testing.assert_close(unit.encode(SENTENCES), expected)
    torch.testing.assert_close(encoder.encode_unit(SENTENCES), expected)
    assert encoder.encode([]).shape == (0, 24)


def test_a_vector_does_not_depend_on_its_neighbours(encoder, weights):
    together = encoder.encode(SENTENCES)
    alone = torch.cat([encoder.encode([sentence]) for sentence in SENTENCES])
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-6)
    pairs = ClipTextEncoder(weights, num_heads=HEADS, batch_size=2).encode(SENTENCES[::-1])
    torch.testing.assert_close(pairs.flip(0), together, rtol=0, atol=2e-6)


def test_half_precision_around_it_changes_nothing(encoder):
    expected = encoder.encode(SENTENCES)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(encoder.encode(SENTENCES), expected)


def test_features_can_be_trained_on(encoder):
    head = nn.Linear(SIZES.dim, 2)
    head(encoder.encode(SENTENCES)).sum().backward()
    assert head.weight.grad.abs().sum() > 0


def test_the_name_says_what_changes_a_vector(token_weights, tmp_path):
    def name(path, **options):
        return ClipTextEncoder(path, **{'num_heads': HEADS, **options}).name

    torch.save(random_tower(TOKEN_SIZES, seed=1), tmp_path / 'other.bin')
    options = ({}, {'normalize': True}, {'num_heads': 4}, {'repair_text': True})
    names = [name(token_weights, **o) for o in (*options, {'activation': 'quick_gelu'})]
    names.append(name(tmp_path / 'other.bin'))
    assert len(set(names)) == len(names)
    assert name(token_weights, batch_size=1) == names[0]


def test_cached_in_a_file(encoder, weights, tmp_path):
    config = dict(
        type='CachedTextEncoder',
        encoder=dict(type='ClipTextEncoder', weights=str(weights), num_heads=HEADS),
        cache_dir=str(tmp_path),
    )
    first = TEXT_ENCODERS.build(config).encode(SENTENCES)
    # Of any length, and not rounded to half precision.
    torch.testing.assert_close(first, encoder.encode(SENTENCES), rtol=0, atol=2e-6)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    again = CachedTextEncoder(encoder, tmp_path)
    assert torch.equal(again.encode(SENTENCES), first)
    assert not again.unit_rows
    assert file.stat().st_mtime_ns == before
    # What CLIP cleans away is no other sentence.
    assert torch.equal(again.encode(['  LAMP&nbsp;']), first[:1])


def test_tokens(encoder):
    tokens = ClipTokenizer()(SENTENCES)
    expected = encoder.encode(SENTENCES)
    assert torch.equal(encoder.encode_tokens(tokens), expected)
    assert torch.equal(encoder.encode_tokens(tokens.numpy().astype(np.int32)), expected)
    short = encoder.encode_tokens(tokens[:1, :5])
    torch.testing.assert_close(short, expected[:1], rtol=0, atol=2e-6)
    assert encoder.encode_tokens(tokens[:0]).shape == (0, 24)


def test_tokens_of_a_tower_with_another_vocabulary(token_weights):
    encoder = ClipTextEncoder(token_weights, num_heads=HEADS)
    features = encoder.encode_tokens(torch.tensor([[98, 5, 99, 0], [98, 5, 99, 7]]))
    # What follows the end has no effect.
    torch.testing.assert_close(features[0], features[1])
    with pytest.raises(ConfigError, match='100 tokens'):
        encoder.encode(['chair'])


@pytest.mark.parametrize(
    ('tokens', 'word'),
    [
        (torch.ones(3, dtype=torch.int64), 'shape'),
        (torch.ones(2, 10, dtype=torch.int64), 'at most 9'),
        (torch.ones(2, 5), 'whole numbers'),
        (torch.full((1, 3), 100), '100 is no token'),
        (torch.full((1, 3), -1), '-1 is no token'),
        (torch.tensor([[98, 99], [0, 0]]), 'row 1 of 2'),
    ],
)
def test_tokens_that_are_none(token_weights, tokens, word):
    with pytest.raises(PromptError, match=word):
        ClipTextEncoder(token_weights, num_heads=HEADS).encode_tokens(tokens)


def _without(name):
    return lambda t: {n: v for n, v in t.items() if n != name}


def _with(name, value):
    return lambda t: {**t, name: value}


BLOCK = 'transformer.resblocks.1.'


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (_without(f'{BLOCK}ln_2.bias'), ['1 missing', f'{BLOCK}ln_2.bias']),
        (_without('text_projection'), ['text_projection', 'missing', 'Hugging Face']),
        (_with(f'{BLOCK}ls_1.gamma', torch.ones(32)), ['1 unexpected', f'{BLOCK}ls_1.gamma']),
        (_with('transformer.resblocks.7.ln_1.bias', torch.ones(32)), ['missing', 'unexpected']),
        (_with(f'{BLOCK}ln_1.bias', torch.ones(31)), ['another shape', '(31,)', '(32,)']),
        (_with(f'{BLOCK}ln_1.bias', torch.ones(32).long()), ['not numbers']),
        (_with(f'{BLOCK}ln_1.bias', torch.full((32,), torch.nan)), ['not finite']),
        (_with('attn_mask', torch.zeros(9, 9)), ['not causal']),
        (_with('attn_mask', _mask(9).T), ['not causal']),
        (lambda t: {'input_conv.0.weight': torch.ones(2)}, ['no CLIP text tower', 'input_conv']),
        (lambda t: {}, ['no CLIP text tower']),
    ],
)
def test_files_that_are_no_tower(tmp_path, change, words):
    path = tmp_path / 'weights.pth'
    torch.save(change(random_tower(TOKEN_SIZES)), path)
    with pytest.raises(CheckpointError) as caught:
        ClipTextEncoder(path, num_heads=HEADS).encode(['chair'])
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_a_file_that_does_not_exist_says_where_to_get_one(tmp_path):
    with pytest.raises(CheckpointError, match='laion/CLIP-convnext_large_d_320'):
        ClipTextEncoder(tmp_path / 'none.bin').encode(['chair'])
    with pytest.raises(ConfigError, match='laion/CLIP-convnext_large_d_320'):
        ClipTextEncoder()


@pytest.mark.parametrize(
    ('options', 'word'),
    [
        ({'num_heads': 5}, 'num_heads=5'),
        ({'num_heads': 0}, 'num_heads=0'),
        ({}, 'one head per 64 channels'),
        ({'activation': 'relu'}, 'gelu, quick_gelu'),
        ({'batch_size': 0}, 'batch_size=0'),
        ({'device': 'abacus'}, "device='abacus'"),
    ],
)
def test_options_that_cannot_be(token_weights, options, word):
    with pytest.raises(ConfigError, match=word):
        ClipTextEncoder(token_weights, **options).encode_tokens(torch.tensor([[98, 99]]))
