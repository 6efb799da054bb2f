"""The page at `/`: card and routes, nothing from outside, no markup from the data."""

import re

import pytest

from seodang.service.pages.index_page import ROUTES, render_card, render_index_page

CARD = """---
license: apache-2.0
---

# tiny&#58;1

This is <code>tiny</code>.

| source | rows |
| --- | ---: |
| own&#95;data | 12 |

---

# tiny&#58;1

<code>tiny</code>를 튜닝한 모델입니다.
"""
LINEAGE = {"base": {"name": "tiny-base", "licence": "Apache-2.0"}, "git_commit": "0123456789abcdef"}
_LOADS = re.compile(r"<(script|img|iframe|link|object|embed)|src=|url\(|@import", re.IGNORECASE)


def test_it_has_the_card_in_both_languages_and_every_route():
    page = render_index_page("tiny:1", "tiny:bento", LINEAGE, CARD)
    assert '<section class="card" lang="en">' in page
    assert "튜닝한 모델입니다" in page.partition('<section class="card" lang="ko">')[2]
    assert "<td>own_data</td>" in page
    assert "This is <code>tiny</code>." in page
    assert "license: apache" not in page
    for _method, path, _purpose in ROUTES:
        assert f"<code>{path}</code>" in page
    for value in ("tiny:bento", "tiny-base", "Apache-2.0", "0123456789ab<"):
        assert value in page


@pytest.mark.parametrize(
    "attack",
    [
        "<script src=https://example.org/x.js></script>",
        "![x](https://example.org/x.png)",
        "<img src=x onerror=alert(1)>",
        "<iframe src=https://example.org></iframe>",
        "<style>@import url(https://example.org/x.css)</style>",
        "[x](javascript:alert(1))",
        "<code onclick=alert(1)>x</code>",
    ],
)
def test_it_loads_nothing_and_runs_nothing_whatever_the_data_say(attack):
    page = render_index_page(attack, attack, {"base": {"name": attack, "licence": attack}}, CARD + attack)
    tags = re.findall(r"<[^>]*>", page.partition("</style>")[2])
    assert not [
        tag for tag in tags if _LOADS.search(tag) or "onerror" in tag or "onclick" in tag or "javascript" in tag
    ]


def test_a_card_of_one_language_is_shown_in_both():
    parts = render_card("# Only English\n")
    assert parts["en"] == parts["ko"] == "<h1>Only English</h1>\n"


def test_a_model_without_a_card_says_so():
    assert "packaged without a card" in render_index_page("tiny:1", None, {}, None)


def test_only_a_route_that_a_browser_can_open_is_a_link():
    page = render_index_page("tiny:1", "tiny:bento", LINEAGE, CARD)
    assert 'href="./v1/models"' in page
    assert "{id}" in page
    assert not re.search(r'href="[^"]*\{', page)
