"""The prose of a Korean answer: its sentences with their positions, without code, quotations and tables. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_CODE: Final = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_INLINE_CODE: Final = re.compile(r"`[^`\n]{1,200}`")
_FORMULA: Final = re.compile(r"\$\$.{1,500}?\$\$|\$[^$\n]{1,200}\$", re.DOTALL)
_ADDRESS: Final = re.compile(r"(?:https?://|www\.)[!-~]+|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", re.ASCII)
_QUOTE: Final = re.compile(
    r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|(?<!\w)'[^'\n]{1,200}'|‘[^’\n]{1,200}’|「[^」\n]{1,200}」|『[^』\n]{1,200}』"
    r"|«[^»\n]{1,200}»|《[^》\n]{1,200}》|〈[^〉\n]{1,200}〉"
)
_BRACKETS: Final = re.compile(r"\([^()\n]{0,200}\)|\[[^\[\]\n]{0,200}\]")
_LINE: Final = re.compile(r"[^\n]+")
_LIST_MARK: Final = re.compile(r"\s*+(?:(?:[-*+•·▪‣○●◦]|\d{1,3}[.)]|[가-하][.)]|[①-⑳])\s*|\[[ x]\]\s*)+")
_SKIPPED_LINE: Final = re.compile(r"\s*+(?:#{1,6}\s|>|\|)")  # headings, block quotes, tables
_SPEAKER: Final = re.compile(r"\s*+([\w ]{0,11}\w) ?[:：]\s")
_END_MARK: Final = re.compile(r"[.!?…。！？]+[\"'”’」』)\]*_~^]*")
_HANGUL_WORD: Final = re.compile(r"[가-힣]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or a line without an end mark, that has a Hangul syllable."""

    start: int
    """Position in the text, in characters."""
    text: str
    """Quotations, code and brackets are blanks, so that positions stay."""

    @property
    def end(self) -> int:
        """Return the position after the sentence."""
        return self.start + len(self.text)


def blank_code(text: str) -> str:
    """Return the text of equal length with blanks for code, formulas and addresses; line breaks stay."""
    for pattern in (_CODE, _INLINE_CODE, _FORMULA, _ADDRESS):
        text = pattern.sub(_blank, text)
    return text


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def blank_quotations(text: str) -> str:
    """Return the text of equal length with blanks for the content of quotes and brackets; the marks stay."""
    for pattern in (_QUOTE, _BRACKETS):
        text = pattern.sub(lambda match: match[0][0] + " " * (len(match[0]) - 2) + match[0][-1], text)
    return text


def iter_sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences of the prose in order.

    A line break ends a sentence. Headings, block quotes, rows of tables and the lines of a dialogue are no prose of the
    answer itself.
    """
    plain = blank_quotations(blank_code(text))
    speakers = _find_speakers(plain)
    for line in _LINE.finditer(plain):
        label = _SPEAKER.match(line[0])
        if _SKIPPED_LINE.match(line[0]) or (label and label[1] in speakers):
            continue
        yield from _iter_line_sentences(line)


def iter_segments(text: str) -> Iterator[Sentence]:
    """Yield all sentences and lines of a text in order, headings, quotations and tables included."""
    for line in _LINE.finditer(text):
        yield from _iter_line_sentences(line)


def _find_speakers(text: str) -> frozenset[str]:
    """Return the labels of a dialogue: at least two labels begin lines, and one of them begins several."""
    labels = Counter(label[1] for line in _LINE.finditer(text) if (label := _SPEAKER.match(line[0])))
    return frozenset(labels) if len(labels) > 1 and max(labels.values()) > 1 else frozenset()


def _iter_line_sentences(line: re.Match[str]) -> Iterator[Sentence]:
    mark = _LIST_MARK.match(line[0])
    start = mark.end() if mark else 0
    for end_mark in _END_MARK.finditer(line[0], start):
        if _ends_sentence(line[0], end_mark):
            yield from _build_sentence(line, start, end_mark.end())
            start = end_mark.end()
    yield from _build_sentence(line, start, len(line[0]))


def _ends_sentence(line: str, mark: re.Match[str]) -> bool:
    """Return whether a mark ends a sentence: before a blank, or between Hangul syllables ("했다.그리고")."""
    after, before = line[mark.end() : mark.end() + 1], line[mark.start() - 1 : mark.start()]
    return not after or after.isspace() or bool(_HANGUL_WORD.match(after) and _HANGUL_WORD.match(before))


def _build_sentence(line: re.Match[str], start: int, end: int) -> Iterator[Sentence]:
    text = line[0][start:end]
    if _HANGUL_WORD.search(text):
        blanks = len(text) - len(text.lstrip())
        yield Sentence(line.start() + start + blanks, text.strip())
