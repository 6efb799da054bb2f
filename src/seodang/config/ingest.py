"""Section `ingest`: the sources of records."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, model_validator

from seodang.config.record_formats import FORMAT_NAMES
from seodang.config.section import Name, Section, Sha256
from seodang.i18n import _
from seodang.records import Language, Role


def _check_format(name: str) -> str:
    if name not in FORMAT_NAMES:
        raise ValueError(_("unknown format; expected one of: {formats}", formats=", ".join(FORMAT_NAMES)))
    return name


def _add_format_names(schema: dict[str, Any]) -> None:
    schema["enum"] = list(FORMAT_NAMES)


Format = Annotated[str, AfterValidator(_check_format), Field(json_schema_extra=_add_format_names)]
_COLUMN_FIELDS = ("instruction", "input", "output", "system", "rejected", "url", "task")


class PrimerParams(Section):
    """How many records the bundled generator makes."""

    seed: NonNegativeInt
    sentiment_per_language: NonNegativeInt
    classification_per_language: NonNegativeInt
    """Records of each other task family with a closed label set."""
    open_per_language: NonNegativeInt
    """Records of each task family with open answers; a family with fewer distinct items yields those."""


class TableTemplate(Section):
    """Turns the rows of a labelled table into instruction records.

    {name} is replaced by the cell of that column; a dot steps into an object: {labels.label}. Other braces stay.
    """

    label_column: str
    labels: Annotated[dict[str, str], Field(min_length=1)]
    """Cell of the label column -> answer, which may name a column: {"1": "{first}", "2": "{second}"}. A label like
    "<2.5" or "<=5" matches the numbers below it that no earlier label matched."""
    input: str
    """The input, such as "{document}"; "" when the instructions name the columns. An instruction that names one of its
    columns gets no input."""
    instructions: Annotated[list[str], Field(min_length=1)]
    """Instruction templates; each row gets one, selected by a hash of its content."""


class SourceParams(Section):
    """One source of records."""

    name: Name
    kind: Literal["primer", "primer_preferences", "file"]
    path: str | None
    """File, folder or glob relative to the project, or a URL: http(s)://, hf://owner/name@revision/glob, s3:// and
    other fsspec protocols; kind file."""
    sha256: Sha256 | None
    """Checksum of the file; required for http(s), checked wherever it is set."""
    format: Format
    columns: dict[str, str] | None
    """Field of the record (instruction, input, output, system, rejected, url, task) -> key in the file; a dot steps
    into an object ("raw.output"). Required by format columns."""
    table: TableTemplate | None
    """Required by format table."""
    choices: list[str]
    """Answers of a classification task in any format but table: [yes, no]. Another answer is an error of its record.
    []: free answers, or those of `table`."""
    language: Language | None
    """null: detected from the text of each record."""
    task: str | None
    """null: the task of the record, else the name of the source."""
    cluster: str | None
    limit: PositiveInt | None
    """Maximum number of rows, selected by a hash of the row; null: all."""
    role: Role
    """any: split by hash; train: never scored; test: never trained on."""
    weight: Annotated[float, Field(gt=0, le=100)]
    """How often each record is in train: 0.5 every other record, 2.0 each record twice; selected by hash."""
    cap: PositiveInt | None
    """Maximum number of its records in train, after weight; null: all."""
    replay: bool
    """General records against forgetting; prepare.replay_ratio sets their share of train."""
    licence: str
    """An SPDX name, such as CC-BY-NC-4.0; a model trained on a non-commercial source says so."""
    teachers: list[str]
    """Licences of the models that wrote the answers, such as [OpenAI Terms of Use]; []: people wrote them."""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind == "file" and self.path is None:
            raise ValueError(_("kind 'file' needs path"))
        for name in ("table", "columns"):
            if self.format == name and not getattr(self, name):
                raise ValueError(_("format {name!r} needs {name}", name=name))
            if self.format != name and getattr(self, name) is not None:
                raise ValueError(
                    _(
                        "{name} is used by format {name!r} only, but the format is {format!r}",
                        name=name,
                        format=self.format,
                    )
                )
        if self.choices and (self.table or len(set(self.choices)) < 2 or not all(map(str.strip, self.choices))):
            raise ValueError(
                _("choices are at least two different answers, and format 'table' takes them from table.labels")
            )
        if self.columns and "instruction" not in self.columns:
            raise ValueError(_("columns must name the key of the instruction"))
        if unknown := sorted({*(self.columns or {})} - {*_COLUMN_FIELDS}):
            raise ValueError(
                _(
                    "columns has {unknown}, which no record has; the fields are {fields}",
                    unknown=", ".join(unknown),
                    fields=", ".join(_COLUMN_FIELDS),
                )
            )
        if self.path and self.path.startswith(("http://", "https://")) and self.sha256 is None:
            raise ValueError(_("an http(s) path needs sha256: the content of a URL may change"))
        return self


class IngestParams(Section):
    """The sources of records."""

    sources: Annotated[list[SourceParams], Field(min_length=1)]
    primer: PrimerParams
    max_field_characters: PositiveInt
    """A longer field is cut, and its record is quarantined."""
