"""Everything about a run that is known once its data are prepared, in one place and before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from seodang.config import EvaluateParams, GateParams, PrepareParams, PromptFormat
from seodang.evaluation.task_selection import load_tasks
from seodang.gate.comparisons import AvailableTasks, list_name_errors
from seodang.gate.coverage import TrainedTask, add_default_rules, list_unjudged_tasks
from seodang.i18n import _, ngettext
from seodang.io.jsonl import read_json, read_records, read_rows
from seodang.models.loading import load_tokenizer
from seodang.paths import Paths
from seodang.preflight.answer_lengths import find_cut_answers, measure_answers
from seodang.preflight.evaluated_tasks import EvaluatedTask, list_evaluated_tasks
from seodang.preflight.row_counts import SourceRows, build_loss_warnings, count_rows
from seodang.preflight.shortages import find_shortages
from seodang.preflight.trained_tasks import list_trained_tasks
from seodang.records import Record
from seodang.training.example_tokenizer import BatchTokenizer
from seodang.validation.token_counts import read_token_count

_CHUNK_SIZE = 8192  # records that are tokenized at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What is known about a run before it trains."""

    tasks: list[TrainedTask]
    rows: list[SourceRows]
    problems: list[str]
    """In the user's language; with any of them the run could not end with a verdict about what it trains."""
    warnings: list[str]


def check_run(
    format: PromptFormat,
    max_length: int,
    prepare: PrepareParams,
    evaluate: EvaluateParams,
    gate: GateParams,
    paths: Paths,
) -> Preflight:
    """Return the trained tasks, the rows of each source, and what would keep the gate from a verdict about them.

    Args:
        format: Prompt format of training.
        max_length: Tokens of a record that training reads.
        prepare: Names and shares of the test set.
        evaluate: Task files and limits.
        gate: Rules and thresholds.
        paths: Paths of the project.

    Raises:
        ArtifactError: If a report or a split of an earlier stage is missing.
        EvaluationError: If the test split is empty, or a task file cannot be used.
    """
    splits = {name: list(read_records(paths.get_split_path(name))) for name in ("train", "test", "unseen")}
    preparation = read_json(paths.prepare_report)
    tokenizer = load_tokenizer(paths.base)
    samples = load_tasks(evaluate, splits, paths)
    records = Counter[tuple[str, str]]((record.task, record.language) for record in splits["test"])
    evaluated = list_evaluated_tasks(samples, records, evaluate, _list_fixed_tasks(splits["test"], prepare))
    tasks = list_trained_tasks(splits["train"], splits["test"], evaluated, preparation["replay_sources"])
    gate = add_default_rules(gate, tasks)
    answer_problems, answer_warnings = find_cut_answers(gate, measure_answers(samples, tokenizer, format, evaluate))
    name_errors = list_name_errors(gate, _list_available(evaluated))
    shortages = [] if name_errors else find_shortages(gate, evaluated, evaluate, prepare.test_ratio)
    lengths = _measure_lengths(splits["train"], tokenizer, format)
    rows = count_rows(
        read_json(paths.ingest_report),
        read_json(paths.validate_report),
        preparation,
        _count_too_long(splits["train"], lengths, max_length),
    )
    return Preflight(
        tasks=tasks,
        rows=rows,
        problems=[*name_errors, *_find_unjudged(gate, tasks), *shortages, *answer_problems],
        warnings=[
            *build_loss_warnings(rows, _find_longest(lengths, paths)),
            *answer_warnings,
            *_find_unknown_permissions(gate, tasks),
        ],
    )


def _find_unjudged(gate: GateParams, tasks: Sequence[TrainedTask]) -> list[str]:
    """Return a problem for each trained task whose answers nothing looks at, without permission."""
    unjudged = list_unjudged_tasks(gate, tasks)
    return [_describe_unjudged(task) for task in unjudged if task.name not in gate.unjudged_tasks]


def _find_unknown_permissions(gate: GateParams, tasks: Sequence[TrainedTask]) -> list[str]:
    """Return a warning where a permission names a task that is not trained."""
    unknown = sorted(set(gate.unjudged_tasks) - {task.name for task in tasks})
    if not unknown:
        return []
    return [
        _(
            "gate.unjudged_tasks names {unknown}, which no training record has; the trained tasks are {tasks}",
            unknown=", ".join(unknown),
            tasks=", ".join(task.name for task in tasks),
        )
    ]


def _describe_unjudged(task: TrainedTask) -> str:
    counts = ngettext("{count} training record", "{count} training records", task.training_records)
    if not task.test_records:
        return _(
            "task {task}: {counts} and no test record, so nothing shows whether its answers are right. Give test records "
            "(a source with role: test and task: {task}, or role: any), or write gate.unjudged_tasks: [{task}]",
            task=task.name,
            counts=counts,
        )
    return _(
        "task {task}: {counts}, {tests}, and no rule and no threshold for its answers. Add a rule with tasks: [{task}], or "
        "write gate.unjudged_tasks: [{task}]",
        task=task.name,
        counts=counts,
        tests=ngettext("{count} test record", "{count} test records", task.test_records),
    )


def _list_fixed_tasks(test: Iterable[Record], prepare: PrepareParams) -> frozenset[str]:
    """Return the tasks whose test records do not depend on prepare.test_ratio."""
    movable = {record.task for record in test if record.role == "any"} - {*prepare.test_only_tasks}
    return frozenset({record.task for record in test} - movable)


def _list_available(evaluated: Iterable[EvaluatedTask]) -> AvailableTasks:
    available: dict[str, dict[str, bool]] = {}
    for task in evaluated:
        for metric in task.items:
            available.setdefault(metric, {})[task.name] = task.is_task_file
    return available


def _measure_lengths(records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> list[int]:
    """Return the tokens of each record, as training tokenizes it."""
    batch_tokenizer = BatchTokenizer(tokenizer, format)
    lengths: list[int] = []
    for start in range(0, len(records), _CHUNK_SIZE):
        chunk = batch_tokenizer.tokenize(records[start : start + _CHUNK_SIZE])
        lengths += chunk.tokens.lengths.tolist()
    return lengths


def _count_too_long(records: Sequence[Record], lengths: Sequence[int], max_length: int) -> Mapping[str, int]:
    return Counter(record.source for record, length in zip(records, lengths, strict=True) if length > max_length)


def _find_longest(lengths: Sequence[int], paths: Paths) -> int | None:
    """Return the tokens of the longest record, those included that stage validate found too long."""
    rejected = [read_token_count(row) for row in read_rows(paths.quarantine)] if paths.quarantine.exists() else []
    return max([*lengths, *(count for count in rejected if count is not None)], default=None)
