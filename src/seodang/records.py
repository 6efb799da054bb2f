"""The one record type: every source becomes it, and nothing else flows through the pipeline."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Literal

Language = Literal["ko", "en"]
Role = Literal["any", "train", "test"]

_ID_DIGITS = 16
_HANGUL = (0xAC00, 0xD7A3)
# Above this share of Hangul among the letters a text counts as Korean: Korean text
# full of Latin names stays Korean, an English text that quotes a Korean word stays English.
_KOREAN_SHARE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One instruction with its reference answer."""

    id: str  # first 16 hex digits of the sha256 of instruction, input and output
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


def normalise(text: str) -> str:
    """Return `text` in NFC without surrounding blanks (Unicode UAX #15).

    "한" may arrive as one code point or as three jamo; tokenizer, deduplicator
    and scorer must see the same string.
    """
    return unicodedata.normalize("NFC", text).strip()


def record_id(instruction: str, input: str, output: str) -> str:
    """Return the content address of a record: 16 hex digits, equal for equal text."""
    text = "\x1f".join((instruction, input, output))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


def detect_language(text: str) -> Language:
    """Return "ko" when Hangul syllables make up at least 30 % of the letters, else "en"."""
    letters = [letter for letter in text if letter.isalpha()]
    hangul = sum(_HANGUL[0] <= ord(letter) <= _HANGUL[1] for letter in letters)
    return "ko" if letters and hangul / len(letters) >= _KOREAN_SHARE else "en"


def make_record(
    *,
    instruction: str,
    input: str,
    output: str,
    source: str,
    task: str,
    cluster: str,
    language: Language | None = None,
    choices: tuple[str, ...] = (),
    role: Role = "any",
    file: str = "",
    source_row: int = 0,
) -> Record:
    """Return a record of normalised text under its content address.

    Args:
        language: Taken from instruction and input when None.
    """
    instruction, input, output = normalise(instruction), normalise(input), normalise(output)
    return Record(
        id=record_id(instruction, input, output),
        instruction=instruction,
        input=input,
        output=output,
        language=language or detect_language(f"{instruction} {input}"),
        source=source,
        task=task,
        cluster=cluster,
        choices=choices,
        role=role,
        file=file,
        source_row=source_row,
    )
