"""Hooks of the documentation site: adapt links that only work in the repository.

The pages link to their translation and to files outside docs/. The site switches languages itself and holds no other
files.
"""

from __future__ import annotations

import re
from typing import Any

_LANGUAGE_LINK = re.compile(r"\[(?:한국어|English)\]\([\w-]+(?:\.ko)?\.md\)(?: · )?")
_OUTSIDE_LINK = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page without its language link, and with the text of links to files outside docs/."""
    return _OUTSIDE_LINK.sub(r"\1", _LANGUAGE_LINK.sub("", markdown))
