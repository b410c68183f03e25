"""Query selection: fewer rows in the decoder, an answer for every superpoint all the same."""

import pytest
import torch

from unison3d.errors import ConfigError
from unison3d.models.decoders import QueryBlock, UnifiedDecoder
from unison3d.models.decoders.query_selection import answering_queries, select_queries
from unison3d.models.tasks import SuperpointQueries


def test_every_object_keeps_its_best_query_before_any_gets_a_second():
    # Superpoints 0-3 are one object, 4-5 another, 6 is alone.
    logits = torch.full((7, 7), -3.0)
    logits[:4, :4], logits[4:6, 4:6], logits[6, 6] = 1.0, 1.0, 1.0
    logits[2, :4] = 2.0
    logits[5, 4:6] = 1.5
    assert select_queries(logits, 3).tolist() == [2, 5, 6]
    # The seconds of the two objects come next, the third of the larger one after them.
    assert select_queries(logits, 5).tolist() == [0, 2, 4, 5, 6]
    assert select_queries(logits, 7).tolist() == list(range(7))


def test_a_claim_that_is_not_returned_does_not_remove_a_query():
    logits = torch.full((3, 3), -3.0)
    logits[0] = 5.0
    logits[1, 1] = logits[2, 2] = 1.0
    logits[2, 1] = logits[1, 2] = 0.5
    assert select_queries(logits, 2).tolist() == [0, 1]


def test_the_most_similar_query_answers():
    embeddings = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
    kept = torch.tensor([0, 2, 4])
    assert answering_queries(embeddings, kept).tolist() == [0, 0, 1, 1, 2]


@pytest.fixture(scope='module')
def decoder():
    torch.manual_seed(0)
    return UnifiedDecoder(8, 16, 2, 2, 16, embedding_dim=6).eval()


@torch.no_grad()
def test_selected_rows_are_those_of_a_block_without_the_others(decoder):
    features, prompt = torch.randn(30, 8), torch.randn(2, 8)
    memory = decoder.encode(features)
    rows, clicks = QueryBlock(features, max_rows=9), QueryBlock(prompt)
    chosen, asked = decoder(memory, [rows, clicks], all_layers=False)
    embeddings = decoder.out_norm(decoder.query_proj(features))
    kept = select_queries(embeddings @ memory.mask_features.t(), 9)
    alone, asked_alone = decoder(memory, [QueryBlock(features[kept]), clicks], all_layers=False)
    assert len(chosen[-1].mask_logits) == 9
    torch.testing.assert_close(chosen[-1].mask_logits, alone[-1].mask_logits)
    torch.testing.assert_close(chosen[-1].class_embeddings, alone[-1].class_embeddings)
    torch.testing.assert_close(chosen[-1].semantic_embeddings[kept], alone[-1].semantic_embeddings)
    assert len(chosen[-1].semantic_embeddings) == 30
    torch.testing.assert_close(asked[-1].mask_logits, asked_alone[-1].mask_logits)


@torch.no_grad()
def test_training_and_small_scenes_decode_all_rows(decoder):
    features = torch.randn(9, 8)
    memory = decoder.encode(features)
    every = decoder(memory, [QueryBlock(features, max_rows=4)], all_layers=True)[0]
    assert [len(layer.mask_logits) for layer in every] == [9, 9, 9]
    small = decoder(memory, [QueryBlock(features, max_rows=9)], all_layers=False)[0][-1]
    assert torch.equal(small.mask_logits, every[-1].mask_logits)


def test_impossible_numbers_are_refused():
    with pytest.raises(ConfigError, match='max_queries_test is 0'):
        SuperpointQueries(8, max_queries_test=0)
    decoder = UnifiedDecoder(8, 16, 2, 1, 16, embedding_dim=None)
    features = torch.randn(5, 8)
    with pytest.raises(ConfigError, match='max_queries_test'):
        decoder(decoder.encode(features), [QueryBlock(features, max_rows=2)], all_layers=False)
