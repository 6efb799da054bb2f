"""What the pages of this product share: the environment of their templates, type and colours.

A page is one HTML file that needs nothing else, in Korean and English, for screen (light, dark, narrow) and paper.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.i18n import LANGUAGES, Message, get_language, translate

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = [
    "create_environment",
    "escape_markdown",
    "format_count",
    "format_percent",
    "format_setting",
    "format_size",
    "join_languages",
    "mark_up",
    "mark_up_svg",
    "truncate",
]

_SHARED: Final = Path(__file__).parent / "templates"
# What Markdown (or the raw HTML in it) could take for a mark; GitHub's autolinks and mentions too.
_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#|~@:&$!=]|(?<=www)\.", re.IGNORECASE)


def create_environment(templates: Path, *, autoescape: bool) -> Environment:
    """Return an environment that finds the templates of a folder, and page.css and figures.css besides.

    Args:
        templates: The page's own folder.
        autoescape: True for HTML: then no text of the data can be markup.

    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader([templates, _SHARED]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters.update(
        count=format_count, setting=format_setting, share=format_percent, size=format_size, short=truncate
    )
    env.globals.update(_=mark_up, _svg=mark_up_svg, _attr=join_languages, page_language=get_language())
    return env


def mark_up(message: str, /, **values: Any) -> Markup:
    """Return a message in all languages for HTML; the switch of the page shows one. Values are escaped."""
    return _wrap("span", message, values)


def mark_up_svg(message: str, /, **values: Any) -> Markup:
    """Return a message in all languages for a text element of an SVG figure."""
    return _wrap("tspan", message, values)


def join_languages(message: str, /, **values: Any) -> str:
    """Return a message in all languages side by side, for a title or an attribute, where nothing can be hidden."""
    return " · ".join(dict.fromkeys(translate(language, message, **values) for language in LANGUAGES))


def _wrap(tag: str, message: str, values: Mapping[str, Any]) -> Markup:
    from markupsafe import Markup, escape

    parts = []
    for language in LANGUAGES:
        # A value may be a Message or a text in all languages, {"en": ..., "ko": ...}.
        texts = {
            name: value.translate(language) if isinstance(value, Message) else value for name, value in values.items()
        }
        escaped = {name: escape(value) if isinstance(value, str) else value for name, value in texts.items()}
        parts.append(
            f'<{tag} lang="{language}">{Markup(escape(translate(language, message))).format(**escaped)}</{tag}>'
        )
    return Markup("".join(parts))


def escape_markdown(text: str) -> str:
    """Return a text in which nothing is a mark of Markdown, HTML or GitHub's additions; it reads as it was."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", " ".join(text.split()))


def format_count(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}"


def format_setting(value: Any) -> str:
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


def format_percent(number: float, total: float) -> str:
    """Return a share in percent, with as many digits as a reader needs."""
    return f"{100 * number / total:.1f}%" if total else "–"


def format_size(number: int) -> str:
    """Return a number of bytes in the unit that fits it."""
    for unit, bound in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= bound:
            return f"{number / bound:.1f} {unit}"
    return f"{number} B"


def truncate(text: str, characters: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
