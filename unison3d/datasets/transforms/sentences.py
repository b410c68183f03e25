"""Choose the sentences of a sample."""

from __future__ import annotations

import numpy as np

from unison3d.datasets.transforms.sample_edit import keep_sentences, sample_rng
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SampleSentences:
    """Choose sentences and add ``text_targets`` bool (T, M).

    Args:
        max_texts: sentences per sample, drawn without replacement such that kinds come about
            equally often. None keeps all in their order, as for testing.
    """

    def __init__(self, max_texts: int | None = None) -> None:
        self.max_texts = max_texts

    def __call__(self, results: dict) -> dict:
        sentences = results.setdefault('sentences', [])
        if self.max_texts is not None:
            rng = sample_rng(results)
            order = rng.permutation(len(sentences))
            # The n-th sentence of its kind goes to round n; rounds are filled one after another.
            seen: dict[str, int] = {}
            rounds = np.zeros(len(sentences), np.int64)
            for row in order:
                kind = sentences[row].get('kind', '')
                rounds[row] = seen[kind] = seen.get(kind, -1) + 1
            chosen = order[np.argsort(rounds[order], kind='stable')][: self.max_texts]
            results['sentences'] = [sentences[row] for row in chosen]
            if results.get('sentence_embeddings') is not None:
                results['sentence_embeddings'] = results['sentence_embeddings'][chosen]
        else:
            keep_sentences(results, [True] * len(sentences))
        sentences = results['sentences']
        targets = np.zeros((len(sentences), len(results['instance_names'])), bool)
        for row, sentence in enumerate(sentences):
            targets[row, sentence['targets']] = True
        results['text_targets'] = targets
        return results
