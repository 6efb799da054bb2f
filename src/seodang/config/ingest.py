"""Section `ingest`: where records come from."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from seodang.config.section import Name, Section, Sha256
from seodang.records import Language, Role

Format = Literal[
    "auto",
    "alpaca",
    "koalpaca",
    "self-instruct",
    "dolly",
    "sharegpt",
    "messages",
    "qa",
    "preference",
    "kto",
    "dialogue",
    "prompts",
    "columns",
    "table",
]


_COLUMN_FIELDS = ("instruction", "input", "output", "system", "rejected", "url", "task")


class PrimerParams(Section):
    """How many records the bundled generator makes."""

    seed: int
    sentiment_per_language: NonNegativeInt
    classification_per_language: NonNegativeInt
    """Of each other family with a closed label set."""
    open_per_language: NonNegativeInt
    """Of each family with open answers; a family with fewer different items gives what it has."""


class TableTemplate(Section):
    """Turns the rows of a labelled table into instruction records.

    {name} stands for the cell of that column; a dot steps into an object: {labels.label}. A brace that names no column is a letter.
    """

    label_column: str
    labels: Annotated[dict[str, str], Field(min_length=1)]
    """Cell of the label column -> answer, which may be a column itself: {"1": "{first}", "2": "{second}"}. A label like
    "<2.5" or "<=5" takes the numbers below it that no label before it took."""
    input: str
    """What the instruction is about, such as "{document}"; "" when the instruction names the columns. A wording that
    names one of its columns stands without it."""
    instructions: Annotated[list[str], Field(min_length=1)]
    """Wordings, one for each row, by a hash of what is asked about."""


class SourceParams(Section):
    """One source of records."""

    name: Name
    kind: Literal["primer", "file"]
    path: str | None
    """File, folder or glob from the project's folder, or a URL: http(s)://, hf://owner/name@revision/glob, s3:// and
    whatever else fsspec knows; kind file."""
    sha256: Sha256 | None
    """Of the file; http(s) needs it, elsewhere it is checked where given."""
    format: Format
    columns: dict[str, str] | None
    """Field of the record (instruction, input, output, system, rejected, url, task) -> key in the file; a dot steps into an
    object ("raw.output"). Needed by format columns."""
    table: TableTemplate | None
    """Needed by format table."""
    language: Language | None
    """None: told from each record's text."""
    task: str | None
    """None: the records' own, else the source's name."""
    cluster: str | None
    limit: PositiveInt | None
    """Rows taken, chosen by a hash of the row; None for all."""
    role: Role
    """any: split by hash; train: never scored; test: never trained on."""
    weight: Annotated[float, Field(gt=0, le=100)]
    """How often each of its records stands in train: 0.5 for every other one, 2.0 for each twice; chosen by hash."""
    cap: PositiveInt | None
    """Its records in train at the most, after weight; None for all."""
    replay: bool
    """General records against forgetting: prepare.replay_ratio says how much of train they make up."""
    licence: str
    """An SPDX name, such as CC-BY-NC-4.0; what is trained on a non-commercial source says so."""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind == "file" and self.path is None:
            raise ValueError("kind 'file' needs path")
        for name in ("table", "columns"):
            if self.format == name and not getattr(self, name):
                raise ValueError(f"format {name!r} needs {name}")
            if self.format != name and getattr(self, name) is not None:
                raise ValueError(f"{name} is read by format {name!r} only, but the format is {self.format!r}")
        if self.columns and "instruction" not in self.columns:
            raise ValueError("columns must say where the instruction stands")
        if unknown := sorted({*(self.columns or {})} - {*_COLUMN_FIELDS}):
            raise ValueError(
                f"columns has {', '.join(unknown)}, which is no field of a record; the fields are {', '.join(_COLUMN_FIELDS)}"
            )
        if self.path and self.path.startswith(("http://", "https://")) and self.sha256 is None:
            raise ValueError("an http(s) path needs sha256: what is at an address may change")
        return self


class IngestParams(Section):
    """Where records come from."""

    sources: Annotated[list[SourceParams], Field(min_length=1)]
    primer: PrimerParams
    max_field_characters: PositiveInt
    """A field longer than this is replaced by its head in messages, and its record is quarantined."""
