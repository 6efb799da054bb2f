r"""Decode a text that as a whole is a notation of another program: "\"Seoul\\n\"", ['Seoul'], ="Seoul", base64."""

from __future__ import annotations

import ast
import base64
import binascii
import json
import re
from typing import Final

_FORMULA_TEXT: Final = re.compile(r'="((?:[^"]|"")*)"')  # Excel's way to keep 00123 a text
_BYTES_LITERAL: Final = re.compile(r"""[bB](?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""")
_FIRST: Final = frozenset('[{="bB \n')
_MIN_BASE64: Final = 24  # characters
_MAX_BASE64: Final = 100_000  # characters
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_ANSWER_KEYS: Final = frozenset(
    ("output", "answer", "response", "text", "content", "completion", "result", "답변", "답", "응답", "출력", "내용")
)
# The answer to these tasks may be a list or an object.
CONTAINER_TASK: Final = re.compile(
    r"\b(?:list|array|tuple|dict\w*|object|map|set|brackets?|keys?|formats?|structured|extract)\b"
    r"|목록|리스트|배열|딕셔너리|사전|객체|괄호|형식|형태|키워드|추출|튜플"
)


def may_be_serialized(text: str) -> bool:
    """Return whether a text begins like a notation, or is one long word; a cheap test before `decode_serialized`."""
    return text[:1] in _FIRST or (_MIN_BASE64 <= len(text) <= _MAX_BASE64 and " " not in text)


def decode_serialized(text: str, *, is_answer: bool) -> str | None:
    """Return what a notation stands for; None if the text is none.

    Args:
        text: The complete text of a field.
        is_answer: Whether a list with one text, or an object with one known key, may stand for that text.

    """
    stripped = text.strip()
    if match := _FORMULA_TEXT.fullmatch(stripped):
        return match[1].replace('""', '"')
    first = stripped[:1]
    if first in ("b", "B") and (value := _decode_bytes_literal(stripped)) is not None:
        return value
    if first == '"' and "\\" in stripped:
        return _decode_json_text(stripped)
    if is_answer and first in ("[", "{"):
        return _decode_container(stripped)
    return _decode_base64(stripped) if _BASE64.fullmatch(stripped) else None


def _decode_bytes_literal(text: str) -> str | None:
    """Return the text of a bytes object that Python printed; None if the text is none or holds no UTF-8."""
    if _BYTES_LITERAL.fullmatch(text) is None:
        return None
    try:
        value = ast.literal_eval(text)
        return value.decode() if isinstance(value, bytes) and value else None
    except (ValueError, SyntaxError, UnicodeDecodeError):
        return None


def _decode_json_text(text: str) -> str | None:
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) and value.strip() else None


def _decode_container(text: str) -> str | None:
    """Return the only text in a list, or under a known key of an object, as JSON or Python prints it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if isinstance(value, dict) and len(value) == 1 and {*value} <= _ANSWER_KEYS:
        value = [*value.values()]
    is_single = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)
    return str(value[0]) if is_single and (len(value[0].split()) > 1 or value[0].endswith((".", "요", "다"))) else None


def _decode_base64(text: str) -> str | None:
    """Return the words that base64 holds; None for hashes, keys and long words."""
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    is_text = all(letter.isprintable() or letter in "\n\t\r" for letter in decoded)
    return decoded if is_text and len(decoded.split()) > 1 else None
