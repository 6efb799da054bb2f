"""Find wrongly decoded text and characters that nobody writes on purpose."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from seodang.i18n import Message
from seodang.validation.checks.row_view import Check, Finding, Repairer, View, create_finding, search
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="lone-surrogate",
        field="record",
        reason=Message("the text contains half a character (a lone surrogate)"),
        fix=Message("repair or delete the \\ud800-\\udfff in the source, such as half an emoji"),
    ),
    Rule(
        id="mojibake",
        field="record",
        reason=Message("the text contains garbled letters: it was read in a wrong character encoding"),
        fix=Message("read the source again in its encoding (UTF-8 or CP949)"),
    ),
    Rule(
        id="replacement-character",
        field="record",
        reason=Message(
            "the text contains replacement characters (U+FFFD, or its garbled form) instead of lost letters"
        ),
        fix=Message("lost letters cannot be restored: take the text from a source where it is intact"),
    ),
    Rule(
        id="control-character",
        field="record",
        reason=Message("the text contains control characters other than line feed and tab"),
        fix=Message("delete them; repair replaces those that end a line with \\n and deletes the others"),
        repairable=True,
    ),
    Rule(
        id="not-nfc",
        field="record",
        reason=Message("the text contains decomposed letters: it is not in Unicode NFC"),
        fix=Message("normalize it to NFC, as repair does"),
        repairable=True,
    ),
    Rule(
        id="zero-width",
        field="record",
        reason=Message("the text contains zero-width characters (BOM, zero-width space, direction marks, soft hyphen)"),
        fix=Message("delete them, as repair does; joiners within emoji and letters of other scripts stay"),
        repairable=True,
    ),
)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END: Final = re.compile("\r\n|[\r\x0b\x0c\x85]")
# Joiners count only beside ASCII, Hangul or the end of the text: elsewhere they build emoji, Persian or Indic letters.
_PLAIN = "\x00-\x7f가-힣"
_ZERO_WIDTH: Final = re.compile(
    f"[\u200b\u2060\ufeff\u00ad\u180e]|(?<![^{_PLAIN}])[\u200c\u200d]|[\u200c\u200d](?![^{_PLAIN}])"
)
_DIRECTION: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT: Final = re.compile("[\u0590-\u08ff]")
_REPLACEMENT: Final = re.compile("\ufffd|占쏙옙|쏙옙")

# The continuation bytes 80 to BF of UTF-8, as Latin-1 and as Windows-1252 show them.
_CONTINUATION_BYTES = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
# Two bytes: only accented Latin letters, because quotations often end in "É”".
# Three bytes: Hangul, Han, curly quotes. Four: emoji.
_UTF8_AS_LATIN: Final = re.compile(
    f"Â[\xa0-\xbf]|Ã[\x80-\xbf€‚ƒ„†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ]|[\xe0-\xef][{_CONTINUATION_BYTES}]{{2}}"
    f"|[\xf0-\xf4][{_CONTINUATION_BYTES}]{{3}}"
)
_CP949_AS_LATIN: Final = re.compile("[\xa1-\xfe]{4,}")
_HAN: Final = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")
_HANGUL_IN_UTF8: Final = re.compile(b"(?:[\xea-\xed][\x80-\xbf]{2}){2,}")
# Lower bytes belong to syllables outside KS X 1001, which real text hardly uses: only garbled text has them.
_MIN_KS_X_1001_BYTE: Final = 0xA1
_EAST_ASIAN_RUN: Final = re.compile("[\u3000-\u9fff\uac00-\ud7a3\uf900-\ufaff]{2,}")


def _find_utf8_as_latin(text: str) -> int | None:
    """Return the position of UTF-8 that was read as Latin-1 or Windows-1252; None if there is none."""
    for match in _UTF8_AS_LATIN.finditer(text):
        try:
            b"".join(_encode_letter(letter) for letter in match.group()).decode("utf-8")
        except UnicodeDecodeError:
            continue
        return match.start()
    return None


def _encode_letter(letter: str) -> bytes:
    return bytes([ord(letter)]) if ord(letter) < 0x100 else letter.encode("cp1252")


def _find_cp949_as_latin(text: str) -> int | None:
    """Return the position of CP949 that was read as Latin-1: all its byte pairs are syllables in EUC-KR."""
    for match in _CP949_AS_LATIN.finditer(text):
        run = match.group()[: len(match.group()) // 2 * 2]
        try:
            syllables = run.encode("latin-1").decode("euc-kr")
        except UnicodeDecodeError:
            continue
        if len(set(run)) > 2 and all("가" <= letter <= "힣" for letter in syllables):
            return match.start()
    return None


def _find_utf8_as_cp949(text: str) -> int | None:
    """Return the position of UTF-8 that was read as CP949: the bytes of East Asian letters decode to Hangul."""
    for match in _EAST_ASIAN_RUN.finditer(text):
        try:
            code = match.group().encode("cp949")
        except UnicodeError:
            continue
        for syllables in _HANGUL_IN_UTF8.finditer(code):
            if syllables.start() % 2 == 0 and min(syllables.group()) < _MIN_KS_X_1001_BYTE:
                return match.start() + syllables.start() // 2
    return None


def _find_garbled(text: str) -> int | None:
    """Return the position of the first garbled letter; None if there is none."""
    position = _find_utf8_as_latin(text)
    position = _find_cp949_as_latin(text) if position is None else position
    # A UTF-8 Hangul syllable begins with the bytes EA to ED, which CP949 shows as Han letters.
    return _find_utf8_as_cp949(text) if position is None and _HAN.search(text) else position


def find_mojibake(view: View) -> Finding | None:
    """Return garbled letters, unless the record is about encodings."""
    if not view.has_unusual_letters:
        return None
    for field, text in view.texts:
        if not text.isascii() and (position := _find_garbled(text)) is not None:
            return None if view.is_technical else create_finding(field, text, position)
    return None


def find_replacement(view: View) -> Finding | None:
    """Return replacement characters, unless the record is about encodings."""
    return search(view, _REPLACEMENT) if view.has_unusual_letters and not view.is_technical else None


def find_control_character(view: View) -> Finding | None:
    """Return a control character, unless it is a byte of garbled letters."""
    if not view.has_unusual_letters or _CONTROL.search(view.full_text) is None:
        return None
    for field, text in view.texts:
        if (match := _CONTROL.search(text)) and _find_garbled(text) is None:
            return create_finding(field, text, match.start())
    return None


def find_not_nfc(view: View) -> Finding | None:
    """Return the first text that is not in NFC."""
    if not view.has_unusual_letters or unicodedata.is_normalized("NFC", view.full_text):
        return None
    for field, text in view.texts:
        if not unicodedata.is_normalized("NFC", text):
            start = next(
                (
                    position
                    for position, letter in enumerate(text)
                    if not unicodedata.is_normalized("NFC", text[max(0, position - 1) : position + 1])
                ),
                0,
            )
            return create_finding(field, text, start)
    return None


def find_zero_width(view: View) -> Finding | None:
    """Return zero-width characters; direction marks are valid in texts that run from right to left."""
    if not view.has_unusual_letters:
        return None
    for field, text in view.texts:
        match = _ZERO_WIDTH.search(text) or (None if _RIGHT_TO_LEFT.search(text) else _DIRECTION.search(text))
        if match:
            return create_finding(field, text, match.start())
    return None


def _remove_zero_width(text: str, view: View) -> str:
    shorter = _ZERO_WIDTH.sub("", text)
    return shorter if _RIGHT_TO_LEFT.search(shorter) else _DIRECTION.sub("", shorter)


def _remove_control_characters(text: str, view: View) -> str:
    if (
        _find_garbled(text) is not None
    ):  # its control characters are bytes of letters: without them mojibake would no longer be seen
        return text
    return _CONTROL.sub("", _LINE_END.sub("\n", text))


CHECKS: Final[dict[str, Check]] = {
    "lone-surrogate": lambda view: search(view, _SURROGATE) if view.has_unusual_letters else None,
    "mojibake": find_mojibake,
    "replacement-character": find_replacement,
    "control-character": find_control_character,
    "not-nfc": find_not_nfc,
    "zero-width": find_zero_width,
}
REPAIRERS: Final[dict[str, Repairer]] = {
    "control-character": _remove_control_characters,
    "not-nfc": lambda text, view: unicodedata.normalize("NFC", text),
    "zero-width": _remove_zero_width,
}
