"""Text from data, in logs and in artifacts: it is shown as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_MAX_VALUE: Final = 120  # characters
_BLOCK: Final = re.compile(r"^(#{1,6}|[-+=]+|\d+[.)])(?=\s|$)")  # begins a heading, a list or a line


def escape_log_line(line: str) -> str:
    """Return a line without "[/", which `prefect deployment run --watch` takes for markup and crashes on."""
    return line.rstrip().replace("[/", "[ /")


def shorten_value(value: object) -> str:
    """Return the text of a parameter on a line of a log; that of a long list ends with its number of items."""
    text = str(value)
    if len(text) <= _MAX_VALUE:
        return text
    rest = f" ({len(value)})" if isinstance(value, list) else ""
    return f"{text[:_MAX_VALUE]} …{rest}"


def escape_markdown(text: str) -> str:
    """Return a text on one line that Markdown and HTML show as it is: no links, pictures or tags from data."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*\[\]|~!]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", plain)
    escaped = _BLOCK.sub(lambda mark: f"&#{ord(mark[0][0])};{mark[0][1:]}", escaped)
    return escaped.replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")


def escape_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table artifact; Prefect's page reads the text of a cell as Markdown with HTML."""
    return [
        {name: escape_markdown(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in rows
    ]
