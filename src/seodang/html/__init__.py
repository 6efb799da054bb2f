"""What the pages of this product share: the environment of their templates, type and colours.

A page is one HTML file that needs nothing else, in Korean and English, for screen (light, dark, narrow) and paper.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["count", "environment", "escape_markdown", "setting", "share", "short", "size"]

_SHARED: Final = Path(__file__).parent / "templates"
# What Markdown (or the raw HTML in it) could take for a mark; GitHub's autolinks and mentions too.
_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#|~@:&$!=]|(?<=www)\.", re.IGNORECASE)


def environment(templates: Path, *, autoescape: bool) -> Environment:
    """Return an environment that finds the templates of a folder, and page.css and figures.css besides.

    Args:
        templates: The page's own folder.
        autoescape: True for HTML: then no text of the data can be markup.

    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([templates, _SHARED]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(count=count, setting=setting, share=share, size=size, short=short)
    return made


def escape_markdown(text: str) -> str:
    """Return a text in which nothing is a mark of Markdown, HTML or GitHub's additions; it reads as it was."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", " ".join(text.split()))


def count(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}"


def setting(value: Any) -> str:
    """Return a value of params.yaml as it could stand there."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return ", ".join(map(str, value)) or "[]"
        case float():
            return f"{value:g}".replace("e-0", "e-")
    return str(value)


def share(number: float, whole: float) -> str:
    """Return a share in percent, with as many digits as a reader needs."""
    return f"{100 * number / whole:.1f}%" if whole else "–"


def size(number: int) -> str:
    """Return a number of bytes in the unit that fits it."""
    for unit, bound in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= bound:
            return f"{number / bound:.1f} {unit}"
    return f"{number} B"


def short(text: str, characters: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
