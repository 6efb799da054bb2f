"""The script of the pictures in docs/images. Run: pytest -n 0 -m slow tests/service/test_screenshots.py"""

from __future__ import annotations

import re
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.constants import ROOT
from tests.fixtures.browser import Browser
from tests.fixtures.serving import serve_app

from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.web_app import create_app

sys.path.insert(0, str(ROOT / "tools"))
from take_screenshots import SCREENSHOTS, take

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("screenshot", SCREENSHOTS, ids=lambda screenshot: screenshot.name)
def test_each_picture_shows_the_answers_of_the_service(browser: Browser, served: ServiceContext, tmp_path, screenshot):
    base = replace(served.model, tag="base:0123456789ab", names=("base",))
    context = replace(served, other_models=(ServiceContext(base, served.engine),))
    with serve_app(create_app(context, keys=ApiKeys({}))) as running:
        file = take(browser, running.url, screenshot, tmp_path)
    assert struct.unpack(">II", file.read_bytes()[16:24]) == ((750, 1624) if screenshot.is_phone else (1280, 900))


def test_the_pages_show_these_pictures():
    pages = [(ROOT / "docs" / name).read_text("utf-8") for name in ("serving.md", "serving.ko.md")]
    shown = {Path(name).name for page in pages for name in re.findall(r"images/(ui[\w.-]*\.png)", page)}
    assert shown == {screenshot.name for screenshot in SCREENSHOTS}
