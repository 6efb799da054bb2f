r"""Find text that is escaped for another format: \n as two letters, \uXXXX, %XX, _xHHHH_, b'...' and similar notations.

Code, paths, LaTeX and regular expressions hold such sequences on purpose. A text counts only if none of these is in it,
or the sequence decodes to letters outside ASCII, which nobody escapes by hand.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from seodang.i18n import Message
from seodang.validation.checks.mail import decode_mail
from seodang.validation.checks.row_view import Check, Finding, Repairer, View, create_finding
from seodang.validation.checks.rule import Rule
from seodang.validation.checks.serialized import CONTAINER_TASK, decode_serialized, may_be_serialized

RULES: Final = (
    Rule(
        id="escaped-text",
        field="record",
        reason=Message(
            "the text is escaped for another format (\\n or \\u00e9 as letters, %20, _x000D_, b'...' and the like)"
        ),
        fix=Message("decode it, as repair does; if escapes are the task, let the instruction say so"),
        repairable=True,
    ),
)

_HINT: Final = re.compile(  # a cheap test before the other patterns
    r"[\\%\u240a\u240d\u2424]|_x|[bB]['\"]|=[0-9A-F?\r\n\"]|<(?:U\+|0x)|\+[A-Za-z0-9/]{5}|\^M"
)
_CODE_SPAN: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_URL: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.|mailto:|data:)[^\s<>\"]*", re.IGNORECASE)
_PATH: Final = re.compile(
    r"(?<![A-Za-z])[A-Za-z]:\\[^\s\"'<>|]*|\\\\[A-Za-z0-9_.$-]+\\[^\s\"'<>|]*|%[A-Za-z_]{3,}%\\?[^\s]*"
)
_BACKSLASH: Final = re.compile(r"\\(.)", re.DOTALL)
# Backslashes that no JSON, Python or C string holds: LaTeX, regular expressions, Markdown.
_OTHER_BACKSLASH: Final = re.compile(
    r"(?<!\\)\\(?:[A-Zac-mo-qsvwyzACDEGHI-MO-TV-Z]|[^\x00-\x7f]|[\[\](){}.*+?|^$&%#_,:;!@~<>=-]|\d(?!\d\d))"
)
_LATEX: Final = re.compile(
    r"\\(?:n(?:abla|eq?|eg|u|i|ot|otin|mid|parallel|ewline|ewcommand|oindent|onumber|earrow|exists)"
    r"|t(?:heta|au|an|anh|ext\w*|imes|o|op|riangle\w*|ilde|itle|oday|frac|herefore)"
    r"|r(?:ho|ight\w*|m|angle|ceil|floor|oot|ef|eq))(?![A-Za-z])"
)
_LINE_ESCAPE: Final = re.compile(r"(?:\\r\\n|\\[nr])")
_CONTROL_ESCAPE: Final = re.compile(r"\\(?:r\\n|[nrt])")
_MENTION: Final = re.compile(r"""(["'‘’“”「(])\s*(?:\\[nrt])+\s*["'’“”」)]|[A-Za-z]+\([^()\n]*\\[nrt][^()\n]*\)""")
_QUOTE_ESCAPE: Final = re.compile(r"\\([\"'/])")
_UNICODE_ESCAPE: Final = re.compile(
    r"(?:\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}|%u[0-9A-Fa-f]{4}|<U\+[0-9A-F]{4,6}>)+"
)
_UNICODE_UNIT: Final = re.compile(
    r"[\\%]u([0-9A-Fa-f]{4})|\\u\{([0-9A-Fa-f]{1,6})\}|\\U([0-9A-Fa-f]{8})|<U\+([0-9A-F]{4,6})>"
)
_BYTE_TOKENS: Final = re.compile(r"(?:<0x[0-9A-F]{2}>){2,}")  # of a tokenizer
_UTF_7: Final = re.compile(r"(?<![\w+/])\+(?=[A-Za-z0-9/]*[A-Za-z])([A-Za-z0-9/]{6,}-?)")
_LINE_SYMBOL: Final = re.compile(r"\u240d?\u240a|\u2424|(?<=[가-힣.!?,;:)\"'])\^M(?=\n|\Z)\n?")
_BYTE_ESCAPE: Final = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+|(?:\\[0-3][0-7]{2}){2,}")
_PERCENT: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_PERCENT_WORDS: Final = re.compile(r"(?<=[^\W\d_])(?:%20|%0[AaDd]|%2[1279CFcf]|%3[AFaf])+(?=\w|$)")
_SPREADSHEET: Final = re.compile(r"_x([0-9A-Fa-f]{4})_(\r?\n)?")
_BYTES_LITERAL: Final = re.compile(r"""(?<![\w"'])[bB](?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""")
# In these tasks the escapes are the subject.
_ESCAPE_TASK: Final = re.compile(
    r"escape|newline|line ?(?:break|feed)s? char|carriage return|backslash|tab character|url[- ]?(?:en|de)cod"
    r"|percent[- ]encod|decode|hexadecimal|code ?point|\bregex|latex|equation"
    r"|base ?64|utf-?7|quoted-printable|(?<!<)u\+[0-9a-f]{4}"
    r"|이스케이프|줄바꿈 ?문자|개행|역슬래시|백슬래시|탭 문자|디코딩|디코드|16진|코드 ?포인트|정규 ?표현|수식"
)
_MIN_FOREIGN: Final = 1  # letters outside ASCII that a decoded run of bytes must hold


def find_escaped_text(view: View) -> Finding | None:
    """Return the first escaped text, unless the record is about code or escapes."""
    may_hold = _HINT.search(view.full_text) or any(may_be_serialized(text) for _, text in view.texts)
    if not may_hold or view.is_technical or _ESCAPE_TASK.search(view.task_text):
        return None
    for field, text in view.texts:
        if (decoded := decode_escapes(text, is_answer=_is_answer(text, view))) != text:
            start = next(
                (i for i, (old, new) in enumerate(zip(text, decoded, strict=False)) if old != new), len(decoded)
            )
            return create_finding(field, text, start)
    return None


def _is_answer(text: str, view: View) -> bool:
    """Return whether a text is an answer that the task does not want as a list or an object."""
    is_answer = text in (view.output, view.row.get("rejected")) and not view.has_choices
    return is_answer and CONTAINER_TASK.search(view.task_text) is None


def decode_escapes(text: str, *, is_answer: bool = False) -> str:
    """Return a text with its escapes decoded; code, addresses and paths in it stay as they are.

    Args:
        text: The text of a field.
        is_answer: Whether a list with one text may stand for that text.

    """
    if (value := decode_serialized(text, is_answer=is_answer)) is not None:
        return value
    if _HINT.search(text) is None:
        return text
    parts: list[str] = []
    end = 0
    for start, stop in _find_literal_spans(text):
        parts += [_decode_part(text[end:start], text), text[start:stop]]
        end = stop
    return "".join([*parts, _decode_part(text[end:], text)])


def _find_literal_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of code, addresses and paths, sorted and without overlaps."""
    spans = sorted(match.span() for pattern in (_CODE_SPAN, _URL, _PATH) for match in pattern.finditer(text))
    result: list[tuple[int, int]] = []
    for start, stop in spans:
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def _decode_part(part: str, text: str) -> str:
    """Return a part between code spans, decoded."""
    part = _LINE_SYMBOL.sub("\n", _SPREADSHEET.sub(_decode_spreadsheet, part))
    if "+" in part:
        part = _UTF_7.sub(_decode_utf_7, part)
    if "<0x" in part:
        part = _BYTE_TOKENS.sub(lambda match: _decode_bytes(_parse_byte_tokens(match[0]), match[0]), part)
    if "\\" in part or "%u" in part or "<U+" in part:
        part = _BYTES_LITERAL.sub(lambda match: _decode_inner_literal(match[0]), part)
        part = _UNICODE_ESCAPE.sub(lambda match: _decode_unicode(match[0]), part)
        part = _BYTE_ESCAPE.sub(lambda match: _decode_bytes(_parse_byte_escapes(match[0]), match[0]), part)
        part = _decode_control(part, text)
    if "%" in part:
        part = _decode_plus_signs(part)
        part = _PERCENT.sub(lambda match: _decode_bytes(unquote_to_bytes(match[0]), match[0]), part)
        part = _decode_percent_words(part)
    return decode_mail(part, _decode_bytes) if "=" in part else part


def _decode_spreadsheet(match: re.Match[str]) -> str:
    """Return the character of Excel's _xHHHH_; a carriage return with its line feed is one line end."""
    letter = chr(int(match[1], 16))
    if letter.isascii() and letter.isalnum():
        return match[0]  # Excel escapes no such letter: it is a part of a name
    if letter in "\r\n":
        return "\n"
    is_text = letter in "\t_" or letter.isprintable()
    return f"{letter}{match[2] or ''}" if is_text else (match[2] or "")


def _decode_unicode(run: str) -> str:
    r"""Return the characters of \uXXXX; the run as it is if it holds only ASCII letters or half a character."""
    codes = [int(next(filter(None, groups)), 16) for groups in _UNICODE_UNIT.findall(run)]
    if any(code > 0x10FFFF for code in codes):
        return run
    text = "".join(map(chr, codes)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return run if "\ufffd" in text or not all(_is_text(letter) for letter in text) else text


def _is_text(letter: str) -> bool:
    return letter.isprintable() or letter in "\n\t\u200b\u200c\u200d\u200e\u200f\u2028\ufe0f\ufeff\u3000\xa0\xad"


def _parse_byte_escapes(run: str) -> bytes:
    return bytes(
        int(digits, 16) if digits else int(octal, 8) for digits, octal in re.findall(r"\\x(..)|\\(\d{3})", run)
    )


def _decode_bytes(data: bytes, run: str) -> str:
    """Return bytes as UTF-8 or CP949 text; the run as it is if they are ASCII or no text."""
    for encoding in ("utf-8", "cp949"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        foreign = sum(not letter.isascii() for letter in text)
        is_plausible = encoding == "utf-8" or all("가" <= letter <= "힣" or letter.isascii() for letter in text)
        return text if foreign >= _MIN_FOREIGN and is_plausible and all(map(_is_text, text)) else run
    return run


def _decode_percent_words(part: str) -> str:
    """Return a text whose blanks are written as %20; a percentage such as 100%20 stays."""
    if len(_PERCENT_WORDS.findall(part)) < 2 and not (" " not in part.strip() and _PERCENT_WORDS.search(part)):
        return part
    return re.sub(r"(?:%[0-7][0-9A-Fa-f])+", lambda match: unquote_to_bytes(match[0]).decode("ascii"), part)


def _decode_plus_signs(part: str) -> str:
    """Return a text without blanks, as forms send it, with %20 for its plus signs."""
    is_form = " " not in part.strip() and _PERCENT.search(part) is not None
    return re.sub(r"(?<=[\w%])\+(?=[\w%])", "%20", part) if is_form else part


def _parse_byte_tokens(run: str) -> bytes:
    return bytes(int(digits, 16) for digits in re.findall(r"<0x(..)>", run))


def _decode_utf_7(match: re.Match[str]) -> str:
    """Return the Hangul of a run of UTF-7; the run as it is if it stands for anything else."""
    try:
        text = f"+{match[1].rstrip('-')}-".encode().decode("utf-7")
    except UnicodeDecodeError:
        return match[0]
    return text if len(text) > 1 and all("가" <= letter <= "힣" or letter in " .,?!" for letter in text) else match[0]


def _decode_control(part: str, text: str) -> str:
    r"""Return a text with \n, \t, \r and \" decoded, unless other backslashes or LaTeX are in it."""
    if _OTHER_BACKSLASH.search(text) or _LATEX.search(text) or _MENTION.search(text):
        return part
    is_escaped = _LINE_ESCAPE.search(part) is not None or len(_QUOTE_ESCAPE.findall(part)) > 1
    if not is_escaped and not re.search(r"\S\\t\S", part):
        return part
    return _BACKSLASH.sub(_decode_backslash, part)


def _decode_backslash(match: re.Match[str]) -> str:
    letters = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "/": "/", "\\": "\\"}
    return letters.get(match[1], match[0])


def _decode_inner_literal(literal: str) -> str:
    """Return the text of a bytes object inside a text; the object as it is if it has no escaped bytes."""
    decoded = decode_serialized(literal, is_answer=False) if _BYTE_ESCAPE.search(literal) else None
    return literal if decoded is None else decoded


CHECKS: Final[dict[str, Check]] = {"escaped-text": find_escaped_text}
REPAIRERS: Final[dict[str, Repairer]] = {
    "escaped-text": lambda text, view: decode_escapes(text, is_answer=_is_answer(text, view))
}
