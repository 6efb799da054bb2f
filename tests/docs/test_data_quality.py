from __future__ import annotations

import re

from tests.constants import ROOT


def read_rules(name: str) -> list[tuple[str, ...]]:
    """Return id, action, bound and Korean reason of each rule on a page."""
    lines = (ROOT / "docs" / name).read_text("utf-8").splitlines()
    pattern = re.compile(r"\| `([a-z-]+)` \| (reject|warn|repair|off) \| (.*?) \| (?:.* \| )?(.+) \|$")
    return [match.groups() for line in lines if (match := pattern.match(line))]


def test_both_pages_list_the_same_rules():
    assert read_rules("data-quality.ko.md") == read_rules("data-quality.md")
    assert len(read_rules("data-quality.md")) > 60
