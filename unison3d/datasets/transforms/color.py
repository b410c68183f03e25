"""Transforms of colours."""

from __future__ import annotations

import numpy as np

from unison3d.datasets.transforms.sample_edit import keep_sentences, mentions, sample_rng
from unison3d.registry import TRANSFORMS

_COLOR_WORDS = tuple(
    'black white gray grey silver red green blue yellow orange purple violet pink brown beige tan '
    'cream turquoise teal cyan navy maroon dark light bright pale wooden metallic colored '
    'coloured color colour'.split()
)


@TRANSFORMS.register_module()
class ColorAugment:
    """Vary contrast, tint, brightness and noise of the colours, or take them away.

    A scene that loses its colours has ``colors=None`` as a scan without colours has, and its
    sentences that speak of colours are left out.

    Args:
        contrast_prob: probability of stretching the colours to the full range, by a random part.
        tint: largest shift of each channel.
        brightness: the colours get a factor in [1 - brightness, 1 + brightness].
        saturation: the distance from grey gets a factor in [1 - saturation, 1 + saturation].
        jitter_std: deviation of independent noise.
        drop_prob: probability of losing all colours.
    """

    def __init__(
        self,
        contrast_prob: float = 0.2,
        tint: float = 0.05,
        brightness: float = 0.15,
        saturation: float = 0.2,
        jitter_std: float = 0.01,
        drop_prob: float = 0.1,
    ) -> None:
        self.contrast_prob = contrast_prob
        self.tint = tint
        self.brightness = brightness
        self.saturation = saturation
        self.jitter_std = jitter_std
        self.drop_prob = drop_prob

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        colors = results.get('colors')
        drop, stretch = rng.random(2) < (self.drop_prob, self.contrast_prob)
        if drop:
            results['colors'] = None
            if results.get('sentences'):
                sentences = results['sentences']
                keep = [not mentions(sentence['text'], _COLOR_WORDS) for sentence in sentences]
                keep_sentences(results, keep)
            return results
        if colors is None or len(colors) == 0:
            return results
        if stretch:
            low, high = colors.min(0), colors.max(0)
            full = (colors - low) / np.maximum(high - low, np.float32(1e-3))
            colors = colors + np.float32(rng.random()) * (full - colors)
        grey = colors.mean(1, keepdims=True)
        colors = grey + np.float32(1 + rng.uniform(-self.saturation, self.saturation)) * (
            colors - grey
        )
        colors = colors * np.float32(1 + rng.uniform(-self.brightness, self.brightness))
        colors = colors + rng.uniform(-self.tint, self.tint, 3).astype(np.float32)
        noise = rng.standard_normal(colors.shape, dtype=np.float32)
        results['colors'] = (colors + noise * np.float32(self.jitter_std)).clip(0, 1)
        return results
