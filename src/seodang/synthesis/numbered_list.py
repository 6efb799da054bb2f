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
# "4. Instruction: ...", also as Markdown: "**4. Instruction:** ...".
_HEADING: Final = re.compile(r"\s*(?:\*\*)?\s*(\d{1,4})[.)]\s*(?:\*\*)?\s*([^\W\d_]+)\s*(?:\*\*)?\s*[:：](?:\*\*)?(.*)")


@dataclass(slots=True)
class _Draft:
    """A task while its lines are read."""

    number: int
    lines: list[list[str]]  # of each field that was begun
    raw: list[str] = field(default_factory=list)
    is_closed: bool = False  # a separator or the next task follows


def render_task(fields: Sequence[Field], number: int, texts: Mapping[str, str], language: Language) -> str:
    """Return a task as a part of the list, which begins with its separator."""
    lines = [SEPARATOR]
    for each in fields:
        text = clean_text(each, texts[each.name]) or NOTHING[language]
        lines.append(f"{number}. {each.labels[language]}:{' ' if each.is_line else chr(10)}{text}")
    return "\n".join(lines)


def parse_numbered_list(text: str, fields: tuple[Field, ...], *, first: int, is_cut: bool) -> ParsedReply:
    """Return the tasks of a reply.

    Text before the first task and after a last separator is no task, such as "Here are the tasks:".

    Args:
        text: The reply.
        fields: Of a task, in their order; each label of either language is read.
        first: Number of the first task; a reply may begin with its first field, without the heading.
        is_cut: Whether the reply ended at the maximum number of tokens. Its last task is then broken, as in Alpaca.
    """
    drafts = _read_drafts(text, fields, first)
    tasks: list[ParsedTask] = []
    broken: list[BrokenTask] = []
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


def _read_drafts(text: str, fields: tuple[Field, ...], first: int) -> list[_Draft]:
    drafts: list[_Draft] = []
    preamble: list[str] = []
    is_open = False  # whether the last draft takes further lines
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip() == SEPARATOR:
            if drafts:
                drafts[-1].is_closed, is_open = True, False
            continue
        heading = _match_heading(line, fields)
        if heading is not None and (draft := _start_draft(heading, drafts, preamble, first, is_open)):
            if drafts:
                drafts[-1].is_closed = True
            drafts.append(draft)
            is_open = True
        elif is_open and heading is not None and _ends(heading, drafts[-1]):
            drafts[-1].is_closed, is_open = True, False
        elif is_open and heading is not None and _continues(heading, drafts[-1]):
            drafts[-1].lines.append([heading[2]])
        elif is_open:
            drafts[-1].lines[-1].append(line)
        else:
            preamble.append(line)
        if is_open:
            drafts[-1].raw.append(line)
    return drafts


def _match_heading(line: str, fields: tuple[Field, ...]) -> tuple[int, int, str] | None:
    """Return the number of the task, the index of the field and the rest of the line; None for no heading.

    The index is -1 for a field that is not asked for, such as an instruction that the teacher repeats.
    """
    match = _HEADING.fullmatch(line)
    if match is None:
        return None
    label = match[2].casefold()
    for each in ALL_FIELDS:
        if label in {name.casefold() for name in each.labels.values()}:
            return int(match[1]), fields.index(each) if each in fields else -1, match[3]
    return None


def _start_draft(
    heading: tuple[int, int, str], drafts: Sequence[_Draft], preamble: list[str], first: int, is_open: bool
) -> _Draft | None:
    """Return the task that a heading begins; None if it begins none."""
    number, index, rest = heading
    if index == 0 and (not is_open or number == drafts[-1].number + 1):
        return _Draft(number, [[rest]])
    if index == 1 and not drafts and number == first and any(line.strip() for line in preamble):
        return _Draft(number, [list(preamble), [rest]], raw=list(preamble))
    return None


def _ends(heading: tuple[int, int, str], draft: _Draft) -> bool:
    """Return whether a heading begins the next task with a field that is not asked for."""
    number, index, _rest = heading
    return index < 0 and number == draft.number + 1


def _continues(heading: tuple[int, int, str], draft: _Draft) -> bool:
    """Return whether a heading begins the next field of a task."""
    number, index, _rest = heading
    return number == draft.number and index == len(draft.lines)
