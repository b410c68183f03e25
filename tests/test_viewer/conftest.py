"""What tests of the page share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope='module')
def browser():
    from tests.viewer_page import CHROMIUM, FLAGS, sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Folder of screenshots; they are kept where ``UNISON3D_ARTIFACTS`` names one."""
    kept = os.environ.get('UNISON3D_ARTIFACTS')
    folder = Path(kept) if kept else tmp_path_factory.mktemp('pictures')
    folder.mkdir(parents=True, exist_ok=True)
    return folder
