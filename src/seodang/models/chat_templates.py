"""Chat templates of tokenizers: what a template reads from outside is replaced by a stored value."""

from __future__ import annotations

from typing import Final

# The date of every template that writes one: it is also the date that Llama 3.1 writes where there is no clock.
FROZEN_DATE: Final = "2024-07-26"
# What strftime writes for 2024-07-26 00:00:00, in the C locale. "%%" is last, so that its "%" begins nothing.
_DIRECTIVES: Final = {
    "%-d": "26", "%d": "26", "%e": "26", "%-j": "208", "%j": "208", "%a": "Fri", "%A": "Friday", "%u": "5", "%w": "5",
    "%b": "Jul", "%h": "Jul", "%B": "July", "%-m": "7", "%m": "07", "%Y": "2024", "%y": "24", "%G": "2024", "%C": "20",
    "%U": "29", "%W": "30", "%V": "30", "%F": FROZEN_DATE, "%D": "07/26/24", "%x": "07/26/24", "%-H": "0", "%H": "00",
    "%-I": "12", "%I": "12", "%-M": "0", "%M": "00", "%-S": "0", "%S": "00", "%f": "000000", "%p": "AM",
    "%T": "00:00:00", "%X": "00:00:00", "%R": "00:00", "%r": "12:00:00 AM", "%c": "Fri Jul 26 00:00:00 2024",
    "%s": "1721952000", "%z": "", "%Z": "", "%n": "\\n", "%t": "\\t", "%%": "%",
}  # fmt: skip
_CLOCK: Final = "strftime_now"
_FROZEN_CLOCK: Final = "".join(
    [
        "{%- macro strftime_now(format) -%}{{ format",
        *(f".replace('{directive}', '{text}')" for directive, text in _DIRECTIVES.items()),
        " }}{%- endmacro -%}",
    ]
)


def freeze_clock(template: str) -> str:
    """Return a chat template that writes the frozen date instead of today's.

    A macro replaces the function that reads the clock, in every reader of the template: the prompts and their
    fingerprint stay the same on each day, in each locale and in each time zone. A template without a clock, and one
    that is already frozen, is returned unchanged.
    """
    return template if _CLOCK not in template or _FROZEN_CLOCK in template else _FROZEN_CLOCK + template


def select_chat_template(chat_template: str | dict[str, str] | None) -> str | None:
    """Return the template for a conversation without tools; None if a tokenizer has none.

    A tokenizer may have several, such as `default`, `tool_use` and `rag`. Seodang renders the default one, so every
    other reader must render it, too.
    """
    return chat_template.get("default") if isinstance(chat_template, dict) else chat_template
