from __future__ import annotations

import pytest
from tiny import tiny_model

from tests.test_apis.api_samples import HashEncoder
from unison3d.apis import Segmenter


@pytest.fixture(scope='module')
def segmenter():
    model = tiny_model()
    model.tasks['text']._text_encoder = HashEncoder()
    return Segmenter(model)
