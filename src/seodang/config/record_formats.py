"""The record formats by name: the values of `format` in params.yaml. Their converters are in ingest/formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Format:
    """One record format, a value of `format` in params.yaml."""

    name: str
    precedes_tables: bool = False  # detected before the bundled tables, whatever other columns a file has
    holds_lists: bool = False  # a single record may look like a table by column
    accepts_kto_label: bool = False  # a record with KTO's label is read as kto
    labels_answers: bool = False  # records say whether their answer is good
    has_answers: bool = True


PREFERENCE: Final = Format("preference", precedes_tables=True)
KTO: Final = Format("kto", precedes_tables=True, labels_answers=True)
MESSAGES: Final = Format("messages", precedes_tables=True, holds_lists=True, accepts_kto_label=True)
SHAREGPT: Final = Format("sharegpt", precedes_tables=True, holds_lists=True, accepts_kto_label=True)
DIALOGUE: Final = Format("dialogue", precedes_tables=True, holds_lists=True)
SELF_INSTRUCT: Final = Format("self-instruct", precedes_tables=True, holds_lists=True)
DOLLY: Final = Format("dolly")
KOALPACA: Final = Format("koalpaca", accepts_kto_label=True)
ALPACA: Final = Format("alpaca", accepts_kto_label=True)
PROMPTS: Final = Format("prompts", has_answers=False)
QA: Final = Format("qa", accepts_kto_label=True)  # detected by the names of its columns, not by a FormatSpec
COLUMNS: Final = Format("columns")  # read by the keys that params.yaml names
TABLE: Final = Format("table")  # read by the template in params.yaml
FORMATS: Final = (
    *(ALPACA, KOALPACA, SELF_INSTRUCT, DOLLY, SHAREGPT, MESSAGES, QA),
    *(PREFERENCE, KTO, DIALOGUE, PROMPTS, COLUMNS, TABLE),
)
FORMAT_NAMES: Final = ("auto", *(format.name for format in FORMATS))
