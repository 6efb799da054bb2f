"""Decode the notations of mails: =EC=84=9C, =?UTF-8?B?7ISc?=, =3D, and lines that end with =."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.errors import HeaderParseError
from email.header import decode_header
from typing import Final

_QUOTED_PRINTABLE: Final = re.compile(r"(?:=[0-9A-F]{2}(?:=\r?\n)?){2,}")
_ASCII_WORD: Final = re.compile(r"=(?:3D|20|2E|2C|0A|0D|09)")
_SOFT_BREAK: Final = re.compile(r"(?<=[^\n]{20})=\r?\n(?=\S)")
_MIME_WORD: Final = re.compile(r"=\?[\w-]+\?[BbQq]\?[^?\s]+\?=")


def decode_mail(text: str, decode_bytes: Callable[[bytes, str], str]) -> str:
    """Return a text with the notations of mails decoded.

    Args:
        text: The text.
        decode_bytes: Returns the text of bytes, or the second argument if they hold no text.

    """
    text = _MIME_WORD.sub(lambda match: _decode_mime_word(match[0]), text)
    words, breaks = len(_ASCII_WORD.findall(text)), len(_SOFT_BREAK.findall(text))
    if words + breaks > 1:  # a single =3D may be an equation
        text = _ASCII_WORD.sub(lambda match: chr(int(match[0][1:], 16)), _SOFT_BREAK.sub("", text))
    return _QUOTED_PRINTABLE.sub(lambda match: decode_bytes(_parse_bytes(match[0]), match[0]), text)


def _parse_bytes(run: str) -> bytes:
    return bytes(int(digits, 16) for digits in re.findall(r"=([0-9A-F]{2})", run))


def _decode_mime_word(word: str) -> str:
    try:
        ((data, encoding),) = decode_header(word)
        return data.decode(encoding or "ascii") if isinstance(data, bytes) else str(data)
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return word
