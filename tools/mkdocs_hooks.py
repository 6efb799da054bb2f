"""Hooks of the documentation site: adapt links that only work in the repository.

The pages link to their translation and to files outside docs/. The site switches languages itself and holds no other
files.
"""

from __future__ import annotations

import re
from typing import Any

_LANGUAGE_LINK = re.compile(r"\[(?:한국어|English)\]\([\w-]+(?:\.ko)?\.md\)(?: · )?")
_OUTSIDE_LINK = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")
_ENGLISH_SECTION = re.compile(r"\[([^\]]+)\]\(([\w-]+)\.md#([\w-]+)\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page without its language link, and with the text of links to files outside docs/.

    A section of an English page gets its address: the site would look for it on the page's translation.
    """
    markdown = _OUTSIDE_LINK.sub(r"\1", _LANGUAGE_LINK.sub("", markdown))
    if page.file.src_uri.endswith(".ko.md"):
        markdown = _ENGLISH_SECTION.sub(r'<a href="../../\2/#\3">\1</a>', markdown)
    return markdown
