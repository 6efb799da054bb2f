"""The numbered list of Alpaca, in which one call shows some tasks and the teacher continues it. Pure.

    ###
    1. Instruction: Say whether the review is positive or negative.
    1. Input:
    The screen is bright.
    1. Output:
    positive
    ###

A heading counts only where it continues the list: the next field of the task, or the first field of the next task. So
an answer may hold a numbered list or a Markdown heading of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from seodang.records import Language
from seodang.synthesis.tasks import (
    ALL_FIELDS,
    NOTHING,
    BrokenTask,
    Field,
    ParsedReply,
    ParsedTask,
    clean_text,
    find_blank_fields,
)

SEPARATOR: Final = "###"
# "4. Instruction: ...", also as Markdown: "**4. Instruction:** ...", "### 4. ...", "- 4. ...", and in full width.
_HEADING: Final = re.compile(r"[\s>#*+-]*(\d{1,4})\s*[.)．）][\s*]*([^\W\d_]+)[\s*]*[:：]\*{0,2}(.*)")
_SEPARATOR_LINE: Final = re.compile(r"\\?#{3,6}")  # escaped or longer, as Markdown may be written
_FENCES: Final = ("```", "~~~")


@dataclass(slots=True)
class _Draft:
    """A task while its lines are read."""

    number: int
    lines: list[list[str]]  # of each field that was begun
    raw: list[str] = field(default_factory=list)
    is_closed: bool = False  # a separator or the next task follows
    is_in_code: bool = False  # a code block of its own is open


def render_task(fields: Sequence[Field], number: int, texts: Mapping[str, str], language: Language) -> str:
    """Return a task as a part of the list, which begins with its separator."""
    lines = [SEPARATOR]
    for each in fields:
        text = clean_text(each, texts[each.name]) or NOTHING[language]
        lines.append(f"{number}. {each.labels[language]}:{' ' if each.is_line else chr(10)}{text}")
    return "\n".join(lines)


def parse_numbered_list(text: str, fields: tuple[Field, ...], *, first: int, is_cut: bool) -> ParsedReply:
    """Return the tasks of a reply.

    Text before the first task and after a last separator is no task, such as "Here are the tasks:". Such text with the
    heading of a later field is broken.

    Args:
        text: The reply.
        fields: Of a task, in their order; each label of either language is read.
        first: Number of the first task; a reply may begin with its first field, without the heading.
        is_cut: Whether the reply ended at the maximum number of tokens. Its last task is then broken, as in Alpaca.
    """
    reader = _Reader(fields, first)
    reader.read(text)
    drafts = reader.drafts
    tasks: list[ParsedTask] = []
    broken = [
        BrokenTask(reason="unparsable", detail="a task without its beginning", raw="\n".join(lines))
        for lines in reader.orphans
    ]
    for draft in drafts:
        raw = "\n".join(draft.raw)
        texts = {
            each.name: clean_text(each, "\n".join(lines)) for each, lines in zip(fields, draft.lines, strict=False)
        }
        if is_cut and draft is drafts[-1] and not draft.is_closed:
            broken.append(BrokenTask(reason="cut", detail=f"task {draft.number}", raw=raw, number=draft.number))
        elif blank := find_blank_fields(fields, texts):
            detail = f"task {draft.number} has no {', '.join(blank)}"
            broken.append(BrokenTask(reason="incomplete", detail=detail, raw=raw, number=draft.number))
        else:
            tasks.append(ParsedTask(number=draft.number, texts=texts, raw=raw))
    return ParsedReply(tasks=tuple(tasks), broken=tuple(broken))


_Heading = tuple[int, int, str]  # number of the task, index of the field, rest of the line


class _Reader:
    """Reads the lines of a reply one after the other."""

    def __init__(self, fields: tuple[Field, ...], first: int) -> None:
        self._fields, self._first = fields, first
        self.drafts: list[_Draft] = []
        self.orphans: list[list[str]] = []  # lines from the heading of a later field on, where no task is open
        self._preamble: list[str] = []  # lines where no task is open
        self._is_open = False  # whether the last draft takes further lines
        self._is_orphan = False

    def read(self, text: str) -> None:
        """Read all lines."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        headings = [_match_heading(line, self._fields) for line in lines]
        following: _Heading | None = None
        followers: list[_Heading | None] = []
        for heading in reversed(headings):
            followers.append(following)
            following = heading or following
        for line, heading, follower in zip(lines, headings, reversed(followers), strict=True):
            self._read_line(line, heading, follower)

    def _read_line(self, line: str, heading: _Heading | None, follower: _Heading | None) -> None:
        if _SEPARATOR_LINE.fullmatch(line.strip()) or self._ends_block(line):
            self._close()
            return
        draft = self.drafts[-1] if self._is_open else None
        if heading is not None and (begun := self._begin(heading, follower)):
            self._close()
            self.drafts.append(begun)
            self._is_open = True
        elif draft is None:
            self._read_outside(line, heading)
        elif heading is not None and _ends(heading, draft):
            self._close()
        elif heading is not None and _continues(heading, draft):
            draft.lines.append([heading[2]])
        else:
            draft.lines[-1].append(line)
            draft.is_in_code ^= line.strip().startswith(_FENCES)
        if self._is_open:
            self.drafts[-1].raw.append(line)

    def _close(self) -> None:
        if self.drafts:
            self.drafts[-1].is_closed = True
        self._is_open = self._is_orphan = False

    def _ends_block(self, line: str) -> bool:
        """Return whether a line ends the code block that the list is in; its beginning is above the first task."""
        if line.strip() not in _FENCES or not self._is_open or self.drafts[-1].is_in_code:
            return False
        return sum(each.strip().startswith(_FENCES) for each in self._preamble) % 2 == 1

    def _read_outside(self, line: str, heading: _Heading | None) -> None:
        self._preamble.append(line)
        if heading is not None and heading[1] > 0 and not self._is_orphan:
            self._is_orphan = True
            self.orphans.append([])
        if self._is_orphan:
            self.orphans[-1].append(line)

    def _begin(self, heading: _Heading, follower: _Heading | None) -> _Draft | None:
        """Return the task that a heading begins; None if it begins none.

        Numbers may begin anew or leave one out: then the heading of the next field shows that it is a task.
        """
        number, index, rest = heading
        is_next = not self._is_open or number == self.drafts[-1].number + 1
        if index == 0 and (is_next or (follower is not None and follower[:2] == (number, 1))):
            return _Draft(number, [[rest]])
        if index == 1 and not self.drafts and number == self._first and any(map(str.strip, self._preamble)):
            return _Draft(number, [list(self._preamble), [rest]], raw=list(self._preamble))
        return None


def _match_heading(line: str, fields: tuple[Field, ...]) -> _Heading | None:
    """Return the number of the task, the index of the field and the rest of the line; None for no heading.

    The index is -1 for a field that is not asked for, such as an instruction that the teacher repeats.
    """
    match = _HEADING.fullmatch(line)
    if match is None:
        return None
    label = unicodedata.normalize("NFC", match[2]).casefold()
    for each in ALL_FIELDS:
        if label in {name.casefold() for name in each.labels.values()}:
            return int(match[1]), fields.index(each) if each in fields else -1, match[3]
    return None


def _ends(heading: _Heading, draft: _Draft) -> bool:
    """Return whether a heading begins the next task with a field that is not asked for."""
    number, index, _rest = heading
    return index < 0 and number == draft.number + 1


def _continues(heading: _Heading, draft: _Draft) -> bool:
    """Return whether a heading begins the next field of a task."""
    number, index, _rest = heading
    return number == draft.number and index == len(draft.lines)
