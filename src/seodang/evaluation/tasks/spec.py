"""The keys of a task file. The file's name is the task's name, and every key is required."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from seodang.config import Section
from seodang.config.load import parse_section
from seodang.config.section import Name
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError
from seodang.evaluation.tasks.matching import Matching
from seodang.evaluation.tasks.source import TaskSource
from seodang.evaluation.tasks.templates import Template
from seodang.i18n import _, ngettext
from seodang.metric_registry import CORPUS_METRICS, REFERENCE_METRICS, TaskKind, list_kind_metrics
from seodang.records import Language

Normalization = Literal["none", "characters", "bytes", "tokens"]

GRADE_COLUMN = "score"
"""The column that spearman correlates with the log-odds of the last option."""
_IFEVAL_COLUMNS = ("instruction_id_list", "kwargs")


class SplitData(Section):
    """Records of the pipeline's splits."""

    split: Literal["test", "unseen"]
    """unseen: of clusters that are held out of training. Few-shot examples come from the training split."""
    task: str | None
    """Task of the records; null for all records."""


class FileData(Section):
    """Rows of a file: TSV, CSV, JSON, JSONL or Parquet, compressed or not."""

    file: str
    """Relative to the data folder; `*` stands for any text, so that a task has the rows of several files, sorted by
    name. Each row also has `data_file`, the name of its file without the suffix, and `data_row`, counted from 1."""
    few_shot_file: str | None
    """A file with the same columns for few-shot examples, which are never scored; null: no few-shot examples."""
    id: Template | None
    """A stable id of each row, such as "{{ID}}"; null: a hash of prompt, options and reference."""
    group: Template | None = None
    """Name of each row's group of dependent items, such as "{{passage_id}}"; blank for an independent row. null: rows
    with the same passage, nearly the same text or the same conversation form a group (see task_groups)."""
    columns: dict[str, str]
    """Name in the templates -> column in the file; a dot steps into an object ("labels.label"). Other columns keep
    their names."""
    where: Template | None
    """Only rows for which the template renders as True are used; null: all rows."""


def _detect_data_kind(value: Any) -> str:
    return "records" if (isinstance(value, dict) and "split" in value) or isinstance(value, SplitData) else "rows"


class TaskSpec(Section):
    """One evaluation task."""

    name: str
    """File name without .yaml; for records of a split, their task."""
    kind: TaskKind
    """choice: the option of the highest log-likelihood; generate: a free answer; perplexity: the likelihood of a given
    text."""
    language: Language | None
    """Of the items; null: the language of the record, or detected from the prompt."""
    cluster: str
    """Group of related tasks, as in records."""
    data: Annotated[
        Annotated[SplitData, Tag("records")] | Annotated[FileData, Tag("rows")], Discriminator(_detect_data_kind)
    ]
    prompts: Annotated[dict[Name, Template], Field(min_length=1)]
    """Prompt templates by name; tuned models get the first one, the base is evaluated with each and compared by its
    best."""
    input: Template = ""
    """Text that the instruction of the prompt template is about. A prompt format gives it a place of its own, as the
    model learned it; the format plain puts it on the next line. "" where the prompt template holds everything."""
    answer: Template
    """choice: the label; generate: the reference, "" if there is none; perplexity: the text."""
    options: dict[str, Template]
    """Label -> option, in order; several labels may share an option. {} unless kind is choice, and for records, which
    have their own options."""
    skip_blank_options: bool = False
    """Whether options that render as a blank text are left out, so that items differ in their number of options."""
    delimiter: str
    """Between prompt and answer."""
    separator: str
    """After each few-shot example."""
    normalise: Normalization
    """Divisor of an option's log-likelihood for accuracy_norm: its length in characters (lm-evaluation-harness'
    acc_norm), in UTF-8 bytes (its acc_bytes), or in tokens. The delimiter does not count. accuracy is never
    normalized."""
    max_new_tokens: PositiveInt | None
    """Limit of a free answer; null: evaluate.max_new_tokens."""
    generations: PositiveInt | None = None
    """Items of each language that are also answered freely; null: evaluate.generations_per_task."""
    until: list[str]
    """Stop texts: a base model's free answer ends before the first of them, because it never learned to end one; kind
    generate."""
    matching: Matching | None = None
    """How exact_match extracts and compares a free answer; null: equal up to case, blanks and a final full stop."""
    metrics: Annotated[list[str], Field(min_length=1)]
    """The first one is the primary metric."""
    extra: list[str]
    """Columns that the metrics of an item need."""
    limit: PositiveInt | None
    """Upper limit of items, selected by hash; null for all."""
    stratified: bool
    """Whether the options of few-shot examples alternate."""
    source: TaskSource | None = None
    """Where the data come from; null for records of a split and for data that are bundled."""

    @model_validator(mode="after")
    def _validate_sections(self) -> Self:
        errors = [*self._iter_option_errors(), *self._iter_metric_errors(), *self._iter_source_errors()]
        if errors:
            raise ValueError("; ".join(errors))
        return self

    def _iter_option_errors(self) -> Iterator[str]:
        if self.kind != "generate" and (self.max_new_tokens is not None or self.until):
            yield _(
                "max_new_tokens and until belong to kind generate, but the kind is {kind}; set null and []",
                kind=self.kind,
            )
        if self.kind == "perplexity" and self.generations is not None:
            yield _("generations belongs to kinds that answer, but the kind is perplexity; set null")
        if "" in self.until:
            yield _("until holds an empty text, which would end every answer at once; remove it")
        if self.kind != "generate" and not self.answer:
            yield _("answer is empty; kind {kind} needs one", kind=self.kind)
        if self.kind != "choice":
            if self.options:
                yield _("options belong to kind choice, but the kind is {kind}; set {{}}", kind=self.kind)
        elif isinstance(self.data, SplitData):
            if self.options:
                yield _("options must be {} for records of a split, which have their own")
        elif (count := len(set(self.options.values()))) < 2:
            yield ngettext(
                "options has {count} option; kind choice needs at least 2 different ones",
                "options has {count} different options; kind choice needs at least 2",
                count,
            )

    def _iter_metric_errors(self) -> Iterator[str]:
        known = list_kind_metrics(self.kind)
        if unknown := [name for name in self.metrics if name not in known]:
            yield _(
                "metrics names {metrics}, but kind {kind} has {known}",
                metrics=", ".join(unknown),
                kind=self.kind,
                known=", ".join(known),
            )
        if len(set(self.metrics)) < len(self.metrics):
            yield _("metrics names a metric twice")
        if "accuracy_norm" in self.metrics and self.normalise == "none":
            yield _("the metric accuracy_norm needs a value of normalise other than none")
        if "accuracy_norm" not in self.metrics and self.normalise != "none":
            yield _("normalise is {value}, but metrics does not name accuracy_norm; set none", value=self.normalise)
        if not self.answer and (names := sorted(REFERENCE_METRICS.intersection(self.metrics))):
            yield _("metrics {metrics} need a reference, but answer is empty", metrics=", ".join(names))
        if self.metrics[0] in CORPUS_METRICS:
            yield _(
                "metrics begins with {metric}, which single items do not have; put another metric first",
                metric=self.metrics[0],
            )
        if "spearman" in self.metrics and GRADE_COLUMN not in self.extra:
            yield _("the metric spearman needs extra: [{column}], the grade of each item", column=GRADE_COLUMN)
        if any(name.startswith("ifeval") for name in self.metrics) and not set(_IFEVAL_COLUMNS) <= set(self.extra):
            yield _("the metrics of IFEval need extra: [{columns}]", columns=", ".join(_IFEVAL_COLUMNS))

    def _iter_source_errors(self) -> Iterator[str]:
        if self.matching is not None and "exact_match" not in self.metrics:
            yield _("matching belongs to the metric exact_match; name it under metrics, or remove matching")
        hub = self.source.hub if self.source else None
        if hub is not None and isinstance(self.data, FileData):
            files = [name for name in (self.data.file, self.data.few_shot_file) if name is not None]
            if outside := [name for name in files if not name.startswith(f"{hub}/")]:
                yield _("data names {files}; files of the hub begin with {hub}/", files=", ".join(outside), hub=hub)


def load_specs(folder: Path, names: Sequence[str]) -> list[TaskSpec]:
    """Return the named task files in order; without names, all files of the folder, sorted by name.

    Raises:
        ParamsError: With the errors of all files.
    """
    available = sorted(path.stem for path in folder.glob("*.yaml"))
    specs, errors = [], []
    for name in names or available:
        try:
            if name not in available:
                raise ParamsError(
                    _(
                        "{folder} has no task {name!r}; available tasks: {tasks}",
                        folder=folder,
                        name=name,
                        tasks=", ".join(available) or "-",
                    )
                )
            specs.append(_load_spec(folder / f"{name}.yaml"))
        except ParamsError as error:
            errors.append(str(error))
    if duplicates := sorted({name for name in names if list(names).count(name) > 1}):
        errors.append(_("named twice: {tasks}; name each task once", tasks=", ".join(duplicates)))
    if not errors and not specs:
        errors.append(_("{folder} has no task file (*.yaml)", folder=folder))
    if errors:
        raise ParamsError("\n".join(errors))
    return specs


def _load_spec(path: Path) -> TaskSpec:
    raw = read_yaml(path)
    if "name" in raw:
        raise ParamsError(_("{path}: remove the key name; the file's name is the task's name", path=path))
    return parse_section(TaskSpec, {"name": path.stem, **raw}, str(path))
