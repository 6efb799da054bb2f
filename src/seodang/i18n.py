"""User-facing text in the user's language. Code holds the English text; locale/<language>/*.po hold the others.

`_` translates at once, for messages on a terminal and for errors. A `Message` is translated at display: it goes into
JSON reports and HTML pages, which hold both languages. A message about a count has a singular and a plural:
`ngettext("{count} row", "{count} rows", rows)`, later `Message("{count} row", plural="{count} rows", count=rows)`.
Korean texts have both particles after a placeholder, as in `{name}은(는)`; the one that fits the value is shown.

The language is SEODANG_LANG, else LANG, else English. tools/catalogue.py extracts, checks and compiles the catalogue.
"""

from __future__ import annotations

import gettext
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from seodang.hangul.sounds import guess_final_sound

__all__ = ["LANGUAGES", "N_", "Language", "Message", "_", "get_language", "ngettext", "translate"]

Language = Literal["en", "ko"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "ko")
_DOMAIN: Final = "seodang"
_LOCALE: Final = Path(__file__).parent / "locale"
_PARTICLES: Final = re.compile(r"(?P<consonant>은|이|을|과)\((?P<vowel>는|가|를|와)\)|\(으\)로")


def get_language() -> Language:
    """Return the language of the terminal: SEODANG_LANG, else LANG, else English."""
    locale_name = os.environ.get("SEODANG_LANG") or os.environ.get("LANG") or "en"
    return "ko" if locale_name.lower().startswith("ko") else "en"


def translate(language: Language, message: str | Message, /, **values: Any) -> str:
    """Return a message in a language, its {placeholders} filled.

    Args:
        language: "en" returns the message as it stands in the code.
        message: The English text, a key of the catalogue; a message without a translation stays English.
        values: By placeholder; a value that is a Message is translated with it.
    """
    return (message if isinstance(message, Message) else Message(message)).add(values).translate(language)


def _(message: str, /, **values: Any) -> str:
    """Return a message in the terminal's language, its {placeholders} filled."""
    return translate(get_language(), message, **values)


def ngettext(singular: str, plural: str, count: float, /, **values: Any) -> str:
    """Return a message about a count in the terminal's language; `{count}` is filled with the count."""
    return translate(get_language(), Message(singular, values, plural=plural, count=count))


def N_(message: str, /) -> str:
    """Mark a message for the catalogue and return it as it is; `_` translates it later."""
    return message


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is translated where it is shown. `Message("row {number}", {"number": 3})`."""

    text: str
    """English, with {placeholders}; a key of the catalogue. With `plural` it is the singular."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """By placeholder; a value that is a Message is translated with it."""
    plural: str = field(default="", kw_only=True)
    """The English plural of a message about a count; empty for other messages."""
    count: float = field(default=1, kw_only=True)
    """The count that selects the form; with `plural` it also fills `{count}`."""

    def add(self, values: Mapping[str, Any]) -> Message:
        """Return the message with further values."""
        return replace(self, values={**self.values, **values}) if values else self

    def select_form(self, language: Language) -> str:
        """Return the text in a language, in the form for the count, its placeholders not yet filled."""
        catalogue = _load_catalogue(language)
        if not self.plural:
            return catalogue.gettext(self.text)
        whole = int(self.count) if self.count == int(self.count) else 2  # gettext takes whole numbers: 0.5 epochs
        return catalogue.ngettext(self.text, self.plural, whole)

    def fill_values(self, language: Language) -> dict[str, Any]:
        """Return the values of all placeholders; those that are messages are in a language."""
        values = {"count": self.count, **self.values} if self.plural else self.values
        return {
            name: value.translate(language) if isinstance(value, Message) else value for name, value in values.items()
        }

    def translate(self, language: Language) -> str:
        """Return the text in a language."""
        values = self.fill_values(language)
        text = self.choose_text(language, values)
        return text.format(**values) if values else text

    def choose_text(self, language: Language, values: Mapping[str, Any]) -> str:
        """Return the text in a language, its placeholders not yet filled, with the particles that fit the values."""
        text = self.select_form(language)
        return choose_particles(text, values) if language == "ko" else text

    def to_json(self) -> dict[str, str]:
        """Return the text by language, as reports store it."""
        return {language: self.translate(language) for language in LANGUAGES}

    def __str__(self) -> str:
        """Return the text in the terminal's language."""
        return self.translate(get_language())


def choose_particles(text: str, values: Mapping[str, Any]) -> str:
    """Return a Korean text with one particle where the catalogue has both: `{name}은(는)` becomes 은 or 는.

    The particle depends on whether the value before it ends in a consonant. Closing quotes and a group in brackets have
    no influence. Where the last letter decides nothing, both stay.

    Args:
        text: With placeholders.
        values: Of the placeholders.
    """
    parts, end = [], 0
    for marker in _PARTICLES.finditer(text):
        before = text[: marker.start()]
        sound = guess_final_sound(before.format(**values) if values else before)
        after_consonant, after_vowel = marker["consonant"], marker["vowel"]
        if marker[0] == "(으)로":
            after_consonant, after_vowel = ("로" if sound == "ㄹ" else "으로"), "로"
        chosen = marker[0] if sound is None else after_consonant if sound else after_vowel
        parts += [text[end : marker.start()], chosen]
        end = marker.end()
    return "".join([*parts, text[end:]])


@cache
def _load_catalogue(language: Language) -> gettext.NullTranslations:
    """Return the translations of a language; English has none, so each message stays as it is."""
    return gettext.translation(_DOMAIN, _LOCALE, [language], fallback=True)
