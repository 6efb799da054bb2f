"""The one record type: every source becomes it, and nothing else flows through the pipeline."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

Language = Literal["ko", "en"]
Role = Literal["any", "train", "test"]

_ID_DIGITS = 16
_HANGUL = re.compile("[\uac00-\ud7a3]")
# Above this share of Hangul among the letters a text counts as Korean: Korean text
# full of Latin names stays Korean, an English text that quotes a Korean word stays English.
_KOREAN_RATIO = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation before the instruction."""

    role: str  # user, assistant, tool_call (what the assistant asks of a tool) or tool (what it gives back)
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One instruction with its reference answer."""

    id: str  # first 16 hex digits of the sha256 of all that the model reads and learns
    instruction: str  # what is asked; never blank once validated
    input: str  # what it is asked about; "" when there is nothing
    output: str  # the reference answer; never blank once validated
    language: Language
    source: str  # name of the source in params.yaml
    task: str  # task family such as "sentiment"; evaluation reports by it
    cluster: str  # group of related families; whole clusters can be held out of training
    choices: tuple[str, ...] = ()  # the closed label set of a classification task, else ()
    role: Role = "any"  # any: split by hash; train: never scored; test: never trained on
    file: str = ""  # where it was read; "" for the generator
    source_row: int = 0  # from 0 within the file
    system: str = ""  # what stands before the conversation; "" when there is nothing
    turns: tuple[Turn, ...] = ()  # the conversation before the instruction, oldest first
    rejected: str = ""  # the worse answer of a preference pair
    desirable: bool | None = None  # KTO: whether `output` is a good answer; None when nobody has said
    url: str = ""  # where the record's content comes from
    warnings: tuple[str, ...] = ()  # ids of the rules that only warn
    repairs: tuple[str, ...] = ()  # ids of the rules whose fault was mended


def normalise(text: str) -> str:
    """Return `text` in NFC without surrounding blanks (Unicode UAX #15).

    "한" may arrive as one code point or as three jamo; tokenizer, deduplicator
    and scorer must see the same string.
    """
    return unicodedata.normalize("NFC", text).strip()


def compute_record_id(instruction: str, input: str, output: str, *extra_texts: str) -> str:
    """Return the content address of a record: 16 hex digits, equal for equal text.

    Args:
        instruction: As in Record.
        input: As in Record.
        output: As in Record.
        others: System text, turns and the worse answer, where there are any.
    """
    text = "\x1f".join((instruction, input, output, *extra_texts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


def detect_language(text: str) -> Language:
    """Return "ko" when Hangul syllables make up at least 30 % of the letters, else "en"."""
    if text.isascii():
        return "en"
    letters = sum(map(str.isalpha, text))
    return "ko" if letters and len(_HANGUL.findall(text)) / letters >= _KOREAN_RATIO else "en"


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
    """Return a record of normalised text under its content address.

    Args:
        instruction: As in Record, not yet normalised; so are the other texts.
        input: As in Record.
        output: As in Record.
        language: Taken from instruction and input when None.
        system: As in Record.
        turns: As in Record.
        rejected: As in Record.
        others: The remaining fields of Record.
    """
    instruction, input, output = normalise(instruction), normalise(input), normalise(output)
    system, rejected = normalise(system), normalise(rejected)
    turns = tuple(Turn(role=turn.role, content=normalise(turn.content)) for turn in turns)
    extra_texts = (system, *(f"{turn.role}\x1e{turn.content}" for turn in turns), rejected)
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
