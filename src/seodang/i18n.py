"""User-facing text in the user's language. Code holds the English text; locale/<language>/*.po hold the others.

`_` translates at once, for messages on a terminal and for errors. A `Message` is translated at display: it goes into
JSON reports and HTML pages, which hold both languages.

The language is SEODANG_LANG, else LANG, else English. tools/catalogue.py extracts, checks and compiles the catalogue.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

__all__ = ["LANGUAGES", "N_", "Language", "Message", "_", "get_language", "translate"]

Language = Literal["en", "ko"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "ko")
_DOMAIN: Final = "seodang"
_LOCALE: Final = Path(__file__).parent / "locale"


def get_language() -> Language:
    """Return the language of the terminal: SEODANG_LANG, else LANG, else English."""
    locale_name = os.environ.get("SEODANG_LANG") or os.environ.get("LANG") or "en"
    return "ko" if locale_name.lower().startswith("ko") else "en"


def translate(language: Language, message: str, /, **values: Any) -> str:
    """Return a message in a language, its {placeholders} filled.

    Args:
        language: "en" returns the message as it stands in the code.
        message: The English text, a key of the catalogue; a message without a translation stays English.
        values: By placeholder.
    """
    text = message if language == "en" else _load_catalogue(language).gettext(message)
    return text.format(**values) if values else text


def _(message: str, /, **values: Any) -> str:
    """Return a message in the terminal's language, its {placeholders} filled."""
    return translate(get_language(), message, **values)


def N_(message: str, /) -> str:
    """Mark a message for the catalogue and return it as it is; `_` translates it later."""
    return message


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is translated where it is shown. `Message("{count} rows", {"count": 3})`."""

    text: str
    """English, with {placeholders}; a key of the catalogue."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """By placeholder; a value that is a Message is translated with it."""

    def translate(self, language: Language) -> str:
        """Return the text in a language."""
        values = {
            name: value.translate(language) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return translate(language, self.text, **values)

    def to_json(self) -> dict[str, str]:
        """Return the text by language, as reports store it."""
        return {language: self.translate(language) for language in LANGUAGES}

    def __str__(self) -> str:
        """Return the text in the terminal's language."""
        return self.translate(get_language())


@cache
def _load_catalogue(language: Language) -> gettext.NullTranslations:
    return gettext.translation(_DOMAIN, _LOCALE, [language], fallback=True)
