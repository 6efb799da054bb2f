"""Clauses that an answer repeats, as a model does in a loop. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from seodang.evaluation.korean.passages import blank_code, iter_segments

_MIN_SENTENCE_LETTERS: Final = 6  # a shorter one, such as 네, 맞아요, may occur again
_MIN_ANSWER_LETTERS: Final = 12  # a shorter answer, such as 네, 가능합니다, fits several questions
_MIN_CLAUSE_LETTERS: Final = 8
_CLAUSE_BREAK: Final = re.compile(r"[,;:]\s+|(?<=[가-힣][고며])\s+|(?<=지만)\s+|(?<=는데)\s+")
# The label of a value: 월요일: 오전 9시 ~ 오후 6시. Numbers after a label do not distinguish it: 방법 1, 방법 2.
_LABEL: Final = re.compile(r"\A([^,;:.!?]{0,18}[^,;:.!?\s\d])\s*\d{0,3}:\s+")
_PREDICATE_END: Final = re.compile(r"[가-힣][다요죠까오자라]\W*\Z")
_LETTERS: Final = re.compile(r"[^\W_]+")
_CONJUNCTION: Final = re.compile(
    r"\A(?:그리고|또한|또|그래서|따라서|그러므로|하지만|그러나|그런데|즉|결국|첫째|둘째|셋째|넷째|\d+)\s*[,.):]?\s+"
)
# The same text at least four times in a row; three times from four syllables on. It has a Hangul syllable.
_LOOP: Final = re.compile(
    r"(?=[^가-힣\n]{0,4}[가-힣])(?:(\S.{0,59}?)(?:[\s,.!?]{0,4}\1){3,}|(\S.{5,99}?)(?:[\s,.!?]{0,4}\2){2,})"
)
_MIN_LOOP_LETTERS: Final = 10


@dataclass(frozen=True, slots=True)
class Repetition:
    """A clause that repeats an earlier one, or the further rounds of a loop."""

    start: int
    """Position in the text, in characters."""
    end: int


def find_repetitions(text: str) -> list[Repetition]:
    """Return the repeated clauses of an answer and its loops, in order, without overlaps."""
    plain = blank_code(text)
    spans = sorted([*_iter_repeated_clauses(plain), *_iter_loops(plain)])
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [Repetition(start, end) for start, end in merged]


def count_letters(text: str) -> int:
    """Return the number of letters and digits."""
    return sum(len(run) for run in _LETTERS.findall(text))


def _iter_repeated_clauses(text: str) -> Iterator[tuple[int, int]]:
    seen: set[str] = set()
    follows_question = False
    for segment in iter_segments(text):
        key = _normalize(segment.text)
        is_repeated = len(key) >= _MIN_SENTENCE_LETTERS and key in seen
        is_question = segment.text.endswith(("?", "？"))
        is_answer = follows_question and not is_question and len(key) < _MIN_ANSWER_LETTERS
        follows_question = is_question and key not in seen
        if is_repeated:
            if not is_answer:
                yield segment.start, segment.end
            continue
        for start, end, clause in _iter_clauses(segment.text):
            if len(clause) >= _MIN_CLAUSE_LETTERS and clause in seen:
                yield segment.start + start, segment.start + end
            seen.add(clause)
        seen.add(key)


def _iter_clauses(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the clauses of a sentence with their letters.

    A value without a predicate recurs in lists, such as opening hours, so it is compared together with its label.
    """
    label = _LABEL.match(text)
    if label is None:
        spans = _split_clauses(text, 0)
    elif _PREDICATE_END.search(text):
        spans = {(label.end(), len(text)): None, **_split_clauses(text, label.end())}
    else:
        yield 0, len(text), _normalize(f"{label[1]} {text[label.end() :]}")
        return
    for start, end in spans:
        yield start, end, _normalize(text[start:end])


def _split_clauses(text: str, start: int) -> dict[tuple[int, int], None]:
    """Return the spans of the clauses from a position on, in order."""
    spans: dict[tuple[int, int], None] = {}
    for match in _CLAUSE_BREAK.finditer(text, start):
        spans[start, match.start()] = None
        start = match.end()
    return {**spans, (start, len(text)): None}


def _normalize(text: str) -> str:
    """Return the letters of a clause without its conjunction."""
    return "".join(_LETTERS.findall(_CONJUNCTION.sub("", text.strip(), count=1)))


def _iter_loops(text: str) -> Iterator[tuple[int, int]]:
    for match in _LOOP.finditer(text):
        unit = match[1] or match[2]
        if re.search("[가-힣]", unit) and count_letters(match[0]) >= _MIN_LOOP_LETTERS:
            yield match.start() + len(unit), match.end()
