"""What a task file says. The file's name is the task's name; every key stands in it, as in params.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from seodang.config import Section
from seodang.config.load import parse_section, read_yaml
from seodang.config.section import Name
from seodang.errors import ParamsError
from seodang.evaluation.tasks.templates import Template
from seodang.records import Language

Kind = Literal["choice", "generate", "perplexity"]
Normalisation = Literal["none", "characters", "bytes", "tokens"]

METRICS: dict[Kind, tuple[str, ...]] = {
    "choice": ("accuracy", "accuracy_norm", "macro_f1", "spearman"),
    "generate": (
        *("exact_match", "chrf", "rouge_l", "length_ratio", "eos_rate", "same_language", "repetition"),
        *("ifeval_prompt_strict", "ifeval_prompt_loose", "ifeval_instruction_strict", "ifeval_instruction_loose"),
    ),
    "perplexity": ("loss", "bits_per_byte"),
}
CORPUS_METRICS = frozenset({"macro_f1", "spearman"})
"""Metrics that no single item has."""
GRADE_COLUMN = "score"
"""The column that spearman holds against the log-odds of the last option."""
_REFERENCE_METRICS = frozenset({"exact_match", "chrf", "rouge_l", "length_ratio"})
_IFEVAL_COLUMNS = ("instruction_id_list", "kwargs")


class SplitData(Section):
    """Records of the pipeline's own splits."""

    split: Literal["test", "unseen"]
    """unseen: of clusters that were held out of training. Exemplars come from the training split."""
    task: str | None
    """The records' task; null for all of them."""


class FileData(Section):
    """Rows of a file: TSV, CSV, JSON or JSONL, packed or not."""

    file: str
    """From the data folder."""
    few_shot_file: str | None
    """A file of the same columns, its rows never scored; null: the task is asked without exemplars."""
    id: Template | None
    """A name of each row that stays, such as "{{ID}}"; null: a hash of what is asked and answered."""
    columns: dict[str, str]
    """Name in the templates -> column in the file; a dot steps into an object ("labels.label"). Other columns keep their names."""
    where: Template | None
    """Rows that count: those for which it gives True; null: all."""


def _detect_data_kind(value: Any) -> str:
    return "records" if (isinstance(value, dict) and "split" in value) or isinstance(value, SplitData) else "rows"


class TaskSpec(Section):
    """One evaluation task."""

    name: Name
    """Of the file, without .yaml."""
    kind: Kind
    """choice: the option of the highest log-likelihood is the answer; generate: a free answer; perplexity: of a given text."""
    language: Language | None
    """Of the items; null: the records' own, or told from the prompt."""
    cluster: str
    """Group of related tasks, as of records."""
    data: Annotated[
        Annotated[SplitData, Tag("records")] | Annotated[FileData, Tag("rows")], Discriminator(_detect_data_kind)
    ]
    prompts: Annotated[dict[Name, Template], Field(min_length=1)]
    """Wordings by name, the first is the usual one; a base may be tried with each and judged by its best."""
    answer: Template
    """choice: the label; generate: the reference, "" if there is none; perplexity: the text."""
    options: dict[str, Template]
    """Label -> option, in their order; several labels may stand for one option. {} unless kind is choice, and for records, which
    bring their own."""
    delimiter: str
    """Between prompt and answer."""
    separator: str
    """Behind each exemplar."""
    normalise: Normalisation
    """What an option's log-likelihood is divided by for accuracy_norm: its length in characters (lm-evaluation-harness' acc_norm),
    in UTF-8 bytes (its acc_bytes), or in tokens; the delimiter is not counted. accuracy itself is never normalised."""
    max_new_tokens: PositiveInt | None
    """Of a free answer; null: as params.yaml says."""
    until: list[str]
    """Texts before which a free answer is cut, since a base model was never taught to end one; kind generate."""
    metrics: Annotated[list[str], Field(min_length=1)]
    """The first is the headline."""
    extra: list[str]
    """Columns that an item keeps for its metrics."""
    limit: PositiveInt | None
    """Items, chosen by hash; null for all."""
    stratified: bool
    """Whether exemplars take each option in turn."""

    @model_validator(mode="after")
    def _validate_sections(self) -> Self:
        errors = [*self._iter_option_errors(), *self._iter_metric_errors()]
        if errors:
            raise ValueError("; ".join(errors))
        return self

    def _iter_option_errors(self) -> Iterator[str]:
        if self.kind != "generate" and (self.max_new_tokens is not None or self.until):
            yield f"max_new_tokens and until are read by kind generate only, but the kind is {self.kind}"
        if "" in self.until:
            yield "until holds an empty text, before which nothing would be left"
        if self.kind != "generate" and not self.answer:
            yield f"answer is empty: kind {self.kind} needs one / answer가 비었습니다"
        if self.kind != "choice":
            if self.options:
                yield f"options are read by kind choice only, but the kind is {self.kind}"
        elif isinstance(self.data, SplitData):
            if self.options:
                yield "options must be {} for records of a split: they bring their own"
        elif len(set(self.options.values())) < 2:
            yield f"options has {len(set(self.options.values()))} different options, and a choice needs two / 선택지가 둘 이상이어야 합니다"

    def _iter_metric_errors(self) -> Iterator[str]:
        known = METRICS[self.kind]
        if unknown := [name for name in self.metrics if name not in known]:
            yield f"metrics {', '.join(unknown)} are not of kind {self.kind}, which has {', '.join(known)}"
        if len(set(self.metrics)) < len(self.metrics):
            yield "metrics names one twice"
        if ("accuracy_norm" in self.metrics) != (self.normalise != "none"):
            yield f"normalise {self.normalise} and the metric accuracy_norm go together: say by what it is normalised, or leave it out"
        if not self.answer and (blind := sorted(_REFERENCE_METRICS.intersection(self.metrics))):
            yield f"metrics {', '.join(blind)} need a reference, but answer is empty"
        if self.metrics[0] in CORPUS_METRICS:
            yield f"metrics begins with {self.metrics[0]}, which no single item has: put another one first"
        if "spearman" in self.metrics and GRADE_COLUMN not in self.extra:
            yield f"the metric spearman needs extra: [{GRADE_COLUMN}], the grade that it is held against"
        if any(name.startswith("ifeval") for name in self.metrics) and not set(_IFEVAL_COLUMNS) <= set(self.extra):
            yield f"the metrics of IFEval need extra: [{', '.join(_IFEVAL_COLUMNS)}]"


def load_specs(folder: Path, names: Sequence[str]) -> list[TaskSpec]:
    """Return the tasks of those names, in their order; with no name all of the folder's, by name.

    Raises:
        ParamsError: Listing the faults of all the files at once.
    """
    available = sorted(path.stem for path in folder.glob("*.yaml"))
    specs, errors = [], []
    for name in names or available:
        try:
            if name not in available:
                raise ParamsError(
                    f"{folder} has no task {name!r}; there are {', '.join(available) or 'none'} / 그런 과제가 없습니다"
                )
            specs.append(_load_spec(folder / f"{name}.yaml"))
        except ParamsError as error:
            errors.append(str(error))
    if duplicates := sorted({name for name in names if list(names).count(name) > 1}):
        errors.append(f"named twice: {', '.join(duplicates)}; name each task once / 같은 과제가 두 번 나옵니다")
    if not errors and not specs:
        errors.append(f"{folder} holds no task file (*.yaml) / 과제 파일이 없습니다")
    if errors:
        raise ParamsError("\n".join(errors))
    return specs


def _load_spec(path: Path) -> TaskSpec:
    raw = read_yaml(path)
    if "name" in raw:
        raise ParamsError(
            f"{path}: leave out name: the file's name is the task's name / name을 빼세요: 파일 이름이 과제 이름입니다"
        )
    return parse_section(TaskSpec, {"name": path.stem, **raw}, str(path))
