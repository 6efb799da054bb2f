"""Detect the encoding of a text file: UTF-8, CP949 as Korean Excel saves CSV, UTF-16 as it saves Unicode text.

A byte order mark decides. Without one, UTF-16 has NUL bytes and decodes to Hangul and ASCII. Bytes that are not UTF-8
are CP949 if nearly all of them decode to the Hangul of everyday Korean. Chinese, Japanese and Western bytes do not.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

UTF8: Final = "utf-8"
CP949: Final = "cp949"  # extends EUC-KR
_MARKS: Final = (  # the mark of UTF-32LE begins with that of UTF-16LE
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MARK_BYTES: Final = max(len(mark) for mark, _encoding in _MARKS)

_HEADER_BYTES: Final = 2**14  # bytes in which UTF-16 without a mark is detected
_INVALID: Final = re.compile("[\udc80-\udcff]")  # a byte that surrogateescape keeps
_FOREIGN: Final = re.compile(r"[^\x00-\x7f]")
_HANGUL: Final = re.compile("[가-힣]")
_HANJA: Final = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")
_UNUSUAL: Final = re.compile(
    r"[^\t\n\r -~가-힣ㄱ-ㆎ\u2010-\u203b\u3000-\u3015\uff00-\uffee·]"
)  # in UTF-16 of Korean or English text
_MIN_HANGUL: Final = 0.4  # of the characters beyond ASCII in CP949
_MAX_HANJA: Final = 0.1  # Chinese or Japanese bytes read as CP949 give more
_MAX_INVALID: Final = 0.02
_MIN_ASCII: Final = 0.05  # spaces, separators and line ends; bytes of other kinds read as UTF-16 give hardly any
_MAX_UNUSUAL: Final = 0.05
# Minimum ratio of invalid bytes to the characters of a file in an unknown encoding. Such a file also has more invalid
# bytes than valid characters beyond ASCII. Fewer invalid bytes make only their rows malformed.
_MALFORMED_RATIO: Final = 0.05


def find_mark(start: bytes) -> tuple[int, str | None]:
    """Return the length of the byte order mark and its encoding; 0 and None if there is none."""
    return next(((len(mark), encoding) for mark, encoding in _MARKS if start.startswith(mark)), (0, None))


def detect_encoding(data: bytes) -> str | None:
    """Return the encoding of a part of a file that begins with a character; None if it is unknown."""
    if encoding := _detect_utf16(data[:_HEADER_BYTES]):
        return encoding
    text = data.decode(UTF8, "surrogateescape")
    invalid = len(_INVALID.findall(text[:-1]))  # the last character may be cut
    if not invalid:
        return UTF8
    valid = len(_FOREIGN.findall(text)) - invalid
    if invalid <= valid:
        return UTF8
    if _is_korean(data):
        return CP949
    return None if invalid >= _MALFORMED_RATIO * len(text) else UTF8


def decode(data: bytes, encoding: str) -> str:
    """Return text; an invalid byte becomes a lone surrogate, in UTF-16 and UTF-32 the replacement character."""
    return data.decode(encoding, get_error_handler(encoding))


def get_error_handler(encoding: str) -> str:
    """Return the codec's error handler with which invalid bytes stay detectable."""
    return "surrogateescape" if encoding in {UTF8, CP949} else "replace"  # UTF-16 has no single invalid bytes


def format_encoding(encoding: str) -> str:
    """Return the usual spelling of an encoding: UTF-16LE."""
    return encoding.upper().replace("16-", "16").replace("32-", "32")


def _is_korean(data: bytes) -> bool:
    foreign = _FOREIGN.findall(data.decode(CP949, "surrogateescape"))
    text = "".join(foreign)
    hangul = sum(_is_common(syllable) for syllable in _HANGUL.findall(text))
    return (
        hangul >= _MIN_HANGUL * len(text)
        and len(_HANJA.findall(text)) <= _MAX_HANJA * len(text)
        and len(_INVALID.findall(text[:-1])) <= _MAX_INVALID * len(text)
    )


def _is_common(syllable: str) -> bool:
    """Return whether EUC-KR has the syllable: the 2,350 common ones, of the 11,172 in CP949."""
    return len(syllable.encode("euc_kr")) == 2  # the codec writes the others as sequences of jamo


def _detect_utf16(header: bytes) -> str | None:
    """Return "utf-16-le" or "utf-16-be" if the bytes have NUL and decode to Korean or English text."""
    if b"\0" not in header or len(header) < 4:
        return None
    even = header[: len(header) // 2 * 2]
    for encoding in ("utf-16-le", "utf-16-be"):
        text = even.decode(encoding, "replace")
        ascii_count = sum(character < "\x80" and character != "\0" for character in text)
        if ascii_count >= _MIN_ASCII * len(text) and len(_UNUSUAL.findall(text)) <= _MAX_UNUSUAL * len(text):
            return encoding
    return None
