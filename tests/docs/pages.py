"""The pages of the documentation, their headings and their links."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OTHER_PAGES = (
    "README.md",
    "README.ko.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "data/README.md",
    "models/primer-base/README.md",
)
_FENCE = re.compile(r"^\s*(```|~~~)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def list_pages() -> list[Path]:
    """Return the Markdown pages of the repository that users read."""
    return sorted([*(ROOT / name for name in OTHER_PAGES), *(ROOT / "docs").rglob("*.md")])


def drop_code(text: str) -> str:
    """Return the text without fenced blocks and without code in backticks."""
    lines, in_block = [], False
    for line in text.splitlines():
        if _FENCE.match(line):
            in_block = not in_block
        elif not in_block:
            lines.append(line)
    return re.sub(r"`[^`\n]*`", "", "\n".join(lines))


def list_anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    anchors: set[str] = set()
    in_block = False
    for line in path.read_text("utf-8").splitlines():
        if _FENCE.match(line):
            in_block = not in_block
        elif not in_block and (heading := re.match(r"#{1,6}\s+(.+)", line)):
            anchors.add(make_anchor(heading[1]))
    return anchors


def make_anchor(heading: str) -> str:
    """Return the anchor of a heading: lower case, letters, digits, dashes."""
    text = unicodedata.normalize("NFC", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def list_links(path: Path) -> list[str]:
    """Return the relative links of a page, pictures included."""
    links = _LINK.findall(drop_code(path.read_text("utf-8")))
    return [link for link in links if not re.match(r"[a-z]+:", link)]
