"""The template environment and the style sheets that all pages share.

A page is one self-contained HTML file in English and Korean, for screens (light, dark, narrow) and for paper.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.i18n import LANGUAGES, N_, Language, Message, get_language, translate

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = [
    "create_environment",
    "create_markdown_functions",
    "escape_markdown",
    "format_count",
    "format_percent",
    "format_setting",
    "format_size",
    "join_languages",
    "mark_up",
    "mark_up_count",
    "mark_up_svg",
    "translate_markdown",
    "truncate",
]

_SHARED: Final = Path(__file__).parent / "templates"
# Characters with a meaning in Markdown, in raw HTML within it, or in the autolinks and mentions of GitHub.
_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#|~@:&$!=]|(?<=www)\.", re.IGNORECASE)


def create_environment(templates: Path, *, autoescape: bool) -> Environment:
    """Return an environment with the templates of a folder and the shared ones: page.css, figures.css, language.j2.

    Args:
        templates: Folder of the page's templates.
        autoescape: Whether texts are escaped for HTML, so that no text of the data can be markup.

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
    env.globals.update(_=mark_up, ngettext=mark_up_count, _svg=mark_up_svg, _attr=join_languages, N_=N_)
    env.globals.update(page_language=get_language())
    return env


def mark_up(message: str | Message, /, **values: Any) -> Markup:
    """Return a message in all languages for HTML, with escaped values; the language switch of the page shows one."""
    return _wrap("span", message, values)


def mark_up_count(singular: str, plural: str, count: float, /, **values: Any) -> Markup:
    """Return a message about a count in all languages for HTML; templates call it `ngettext`."""
    return _wrap("span", Message(singular, plural=plural, count=count), values)


def mark_up_svg(message: str | Message, /, **values: Any) -> Markup:
    """Return a message in all languages for a text element of an SVG figure, with escaped values."""
    return _wrap("tspan", message, values)


def join_languages(message: str | Message, /, **values: Any) -> str:
    """Return a message in all languages in one line, for a title or an attribute, where the switch has no effect."""
    return " · ".join(dict.fromkeys(translate(language, message, **values) for language in LANGUAGES))


def translate_markdown(language: Language, message: str | Message, /, **values: Any) -> Markup:
    """Return a message in one language as Markdown, with escaped values."""
    from markupsafe import Markup

    filled = _to_message(message).add(values)
    texts = filled.fill_values(language)
    escaped = {name: escape_markdown(value) if type(value) is str else value for name, value in texts.items()}
    text = filled.choose_text(language, texts)
    return Markup(text.format(**escaped) if escaped else text)


def create_markdown_functions(language: Language) -> dict[str, Callable[..., Markup]]:
    """Return `_` and `ngettext` for a Markdown template in one language."""

    def ngettext(singular: str, plural: str, count: float, /, **values: Any) -> Markup:
        return translate_markdown(language, Message(singular, plural=plural, count=count), **values)

    return {"_": partial(translate_markdown, language), "ngettext": ngettext}


def _to_message(message: str | Message) -> Message:
    return message if isinstance(message, Message) else Message(message)


def _wrap(tag: str, message: str | Message, values: dict[str, Any]) -> Markup:
    from markupsafe import Markup, escape

    filled = _to_message(message).add(values)
    parts = []
    for language in LANGUAGES:
        texts = filled.fill_values(language)
        escaped = {name: escape(value) if isinstance(value, str) else value for name, value in texts.items()}
        content = Markup(escape(filled.choose_text(language, texts)))
        parts.append(f'<{tag} lang="{language}">{content.format(**escaped) if escaped else content}</{tag}>')
    return Markup("".join(parts))


def escape_markdown(text: str) -> str:
    """Return a text in one line, with the characters escaped that Markdown, HTML or GitHub would interpret."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", " ".join(text.split()))


def format_count(number: int) -> str:
    """Return a number with thousands separators."""
    return f"{number:,}"


def format_setting(value: Any) -> str:
    """Return a parameter in the notation of params.yaml."""
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
    """Return a share in percent with one decimal; – if the total is 0."""
    return f"{100 * number / total:.1f}%" if total else "–"


def format_size(number: int) -> str:
    """Return a number of bytes in a readable unit, such as 1.2 MB."""
    for unit, bound in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= bound:
            return f"{number / bound:.1f} {unit}"
    return f"{number} B"


def truncate(text: str, characters: int) -> str:
    """Return a text shortened to at most `characters` characters."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
