"""Fixtures of the tests of the documentation: headings and links of a page, and its text without code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

_FENCE = re.compile(r"^\s*(```|~~~)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="session")
def drop_code() -> Callable[[str], str]:
    """Drops fenced blocks and code in backticks from a text."""
    return _drop_code


@pytest.fixture(scope="session")
def list_anchors() -> Callable[[Path], set[str]]:
    """Lists the anchors of a page's headings, as GitHub makes them."""
    return _list_anchors


@pytest.fixture(scope="session")
def make_anchor() -> Callable[[str], str]:
    """Makes the anchor of a heading: lower case, letters, digits, dashes."""
    return _make_anchor


@pytest.fixture(scope="session")
def list_links() -> Callable[[Path], list[str]]:
    """Lists the relative links of a page, pictures included."""
    return _list_links


def _drop_code(text: str) -> str:
    """Return the text without fenced blocks and without code in backticks."""
    lines, in_block = [], False
    for line in text.splitlines():
        if _FENCE.match(line):
            in_block = not in_block
        elif not in_block:
            lines.append(line)
    return re.sub(r"`[^`\n]*`", "", "\n".join(lines))


def _list_anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    anchors: set[str] = set()
    in_block = False
    for line in path.read_text("utf-8").splitlines():
        if _FENCE.match(line):
            in_block = not in_block
        elif not in_block and (heading := re.match(r"#{1,6}\s+(.+)", line)):
            anchors.add(_make_anchor(heading[1]))
    return anchors


def _make_anchor(heading: str) -> str:
    """Return the anchor of a heading: lower case, letters, digits, dashes."""
    text = unicodedata.normalize("NFC", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def _list_links(path: Path) -> list[str]:
    """Return the relative links of a page, pictures included."""
    links = _LINK.findall(_drop_code(path.read_text("utf-8")))
    return [link for link in links if not re.match(r"[a-z]+:", link)]
