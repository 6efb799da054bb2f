"""The page at /ui without a browser: headers, languages, and what it may load."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from tests.constants import ROOT

from seodang.service.context import ServiceContext
from seodang.service.pages.playground import render_playground
from seodang.service.pages.playground_texts import TEXTS

KEY = "0123456789abcdef"


def test_the_policy_allows_the_script_and_style_of_the_page_and_nothing_else(client):
    response = client.get("/ui")
    assert response.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in response.headers["Content-Security-Policy"]


def test_it_loads_nothing_and_has_no_markup_from_texts():
    page = render_playground().html
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert [address for address in addresses if not address.startswith(("./", "data:image/svg+xml,"))] == []
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|@import|url\(", page)
    assert not re.search(r"<[^>]+\s(on\w+|style)=", page)


def test_it_has_every_text_in_both_languages_and_uses_it():
    page = render_playground().html
    script = page.partition("<script>")[2]
    for name in TEXTS:
        (entry,) = re.findall(rf'<p data-name="{name}">(.*?)</p>', page)
        english, korean = re.findall(r'<span lang="\w\w">(.*?)</span>', entry)
        assert re.search("[가-힣]", korean), name
        assert not re.search("[가-힣]", english), name
        assert f'"{name}"' in script or name in ("promote", "reject", "inconclusive")


def test_it_has_a_sentence_for_every_error_that_its_user_cannot_correct():
    """Those with another status show the message of the service, which names the field."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src/seodang/service").rglob("*.py"))
    codes = set(re.findall(r'ApiError\(\s*(?:403|413|429|50\d),(?:(?!ApiError).)*?code="(\w+)"', source, re.DOTALL))
    assert {"queue_full", "rate_limit_exceeded", "engine_stopped", "body_too_large"} < codes
    script = render_playground().html
    names = {code: re.search(rf'^  {code}: "([\w-]+)",$', script, re.MULTILINE) for code in codes}
    assert [code for code, name in names.items() if name is None] == []
    assert {name[1] for name in names.values() if name} <= set(TEXTS)


def test_it_needs_no_key_and_holds_no_data(served: ServiceContext, build_client):
    with build_client(served, f"me:{KEY}") as client:
        page = client.get("/ui")
        assert page.status_code == 200
        assert served.model.tag not in page.text
        assert served.model.manifest.fingerprint not in page.text
        assert client.get("/").status_code == client.get("/lineage").status_code == 401


@pytest.mark.parametrize("path", ["/ui", "/v1/models", "/v1/chat/completions", "/choose"])
def test_a_page_of_another_site_may_read_nothing(client, path):
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    for response in (client.options(path, headers=headers), client.get(path, headers=headers)):
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]


def test_it_and_the_page_of_the_model_lead_to_each_other(client):
    assert 'href="./"' in client.get("/ui").text
    from seodang.service.pages.index_page import render_index_page

    assert 'href="./ui"' in render_index_page("tiny:1", None, {}, None)
