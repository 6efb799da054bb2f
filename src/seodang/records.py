"""Define the record type that every source is converted to and every stage passes on."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

Language = Literal["ko", "en"]
Role = Literal["any", "train", "test"]

_ID_DIGITS = 16
_HANGUL = re.compile("[\uac00-\ud7a3]")
# Minimum ratio of Hangul syllables to letters of a Korean text. Korean text with many Latin names stays Korean;
# an English text that quotes a Korean word stays English.
_KOREAN_RATIO = 0.3
_TEXT = re.compile(r"\s|\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation before the instruction."""

    role: str  # user, assistant, tool_call (a call by the assistant) or tool (the result of the call)
    content: str
    learned: bool = True  # False: the source excludes this answer from the loss; it stays as context


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One instruction with its reference answer."""

    id: str  # first 16 hex digits of the sha256 of all texts of the record
    instruction: str  # question or task; never blank after validation
    input: str  # context of the instruction; "" if there is none
    output: str  # reference answer; never blank after validation
    language: Language
    source: str  # name of the source in params.yaml
    task: str  # task family such as "sentiment"; evaluation reports scores by task
    cluster: str  # group of related tasks; complete clusters can be held out of training
    choices: tuple[str, ...] = ()  # closed label set of a classification task, else ()
    role: Role = "any"  # any: split by hash; train: never scored; test: never trained on
    file: str = ""  # file that the record was read from; "" for the generator
    source_row: int = 0  # number of the object in its file, from 0
    system: str = ""  # system text of the conversation; "" if there is none
    turns: tuple[Turn, ...] = ()  # messages before the instruction, oldest first
    rejected: str = ""  # worse answer of a preference pair
    desirable: bool | None = None  # KTO: whether `output` is a good answer; None if the source gives no label
    url: str = ""  # origin of the record's content
    warnings: tuple[str, ...] = ()  # ids of violated rules that only warn
    repairs: tuple[str, ...] = ()  # ids of the rules that repaired the record
    group: str = ""  # evaluation items with the same group are not independent of each other; "" outside these splits


def normalize(text: str) -> str:
    """Return `text` in NFC without surrounding whitespace (Unicode UAX #15).

    "한" may arrive as one code point or as three jamo. Tokenizer, deduplication and metrics must see the same string.
    """
    return unicodedata.normalize("NFC", text).strip()


def replace_surrogates(text: str) -> str:
    """Return the text with lone surrogates replaced by "?".

    A tokenizer fails on them; a rule of stage `validate` reports them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def compute_record_id(instruction: str, input: str, output: str, *extra_texts: str) -> str:
    """Return the content hash of a record: 16 hex digits, equal for equal texts.

    Args:
        instruction: As in Record.
        input: As in Record.
        output: As in Record.
        extra_texts: System text, turns and rejected answer, if the record has any.
    """
    text = "\x1f".join((instruction, input, output, *extra_texts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


def detect_language(text: str) -> Language:
    """Return "ko" if at least 30 % of the letters are Hangul syllables, else "en"."""
    if text.isascii():
        return "en"
    letters = sum(map(str.isalpha, text))
    return "ko" if letters and len(_HANGUL.findall(text)) / letters >= _KOREAN_RATIO else "en"


def is_text(input: str) -> bool:
    """Return whether an input is a text or a number, and not a single word."""
    return bool(_TEXT.search(input))


def build_group_key(instruction: str, input: str) -> str:
    """Return the text that a question is about; records with equal texts must stay in one split.

    All records with the same input are in one split if the input is a text or a number. A single word only names a
    fact, such as the opposite of "big", which cannot be derived. In that case the key is the instruction with the
    word.
    """
    question = input if is_text(input) else f"{instruction}\x1f{input}"
    return "".join(question.casefold().split()) if input else question


def make_record(
    *,
    instruction: str,
    input: str,
    output: str,
    language: Language | None = None,
    system: str = "",
    turns: tuple[Turn, ...] = (),
    rejected: str = "",
    **extra_fields: Any,
) -> Record:
    """Return a record with normalized texts and its content hash as id.

    Args:
        instruction: As in Record, but not normalized, like the other texts.
        input: As in Record.
        output: As in Record.
        language: Detected from instruction and input if None.
        system: As in Record.
        turns: As in Record.
        rejected: As in Record.
        extra_fields: The remaining fields of Record.
    """
    instruction, input, output = normalize(instruction), normalize(input), normalize(output)
    system, rejected = normalize(system), normalize(rejected)
    turns = tuple(replace(turn, content=normalize(turn.content)) for turn in turns)
    extra_texts = (system, *map(_format_turn, turns), rejected)
    return Record(
        id=compute_record_id(instruction, input, output, *(extra_texts if any(extra_texts) else ())),
        instruction=instruction,
        input=input,
        output=output,
        language=language or detect_language(f"{instruction} {input}"),
        system=system,
        turns=turns,
        rejected=rejected,
        **extra_fields,
    )


def _format_turn(turn: Turn) -> str:
    """Return the part of a turn in the content hash."""
    return f"{turn.role}\x1e{turn.content}{'' if turn.learned else chr(0x1E)}"


def count_questions(thumbs: Iterable[tuple[str, bool]]) -> int:
    """Return the number of questions with a thumb up, or of those with a thumb down if these are fewer.

    Args:
        thumbs: Group and mark of each answer.
    """
    marks = set(thumbs)
    return min(sum(is_desirable == side for _group, is_desirable in marks) for side in (True, False))
