"""Validate rows in chunks: check them, repair them if params.yaml says so, and let a validator decide."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from seodang.config import ExpectationsParams
from seodang.ingest.rows import TEXTS, Row
from seodang.records import replace_surrogates
from seodang.validation.checks.registry import REGISTRY
from seodang.validation.checks.repair import Repair
from seodang.validation.checks.rule import Rule, format_rule
from seodang.validation.checks.run import Examination, Finding
from seodang.validation.checks.structure import is_blank
from seodang.validation.repeats import Repeats
from seodang.validation.token_counts import TOO_MANY_TOKENS, TokenCounter, format_token_count
from seodang.validation.validated_row import ValidatedRow, Violation
from seodang.validation.workers import Examiner, RepeatLocations, examine_chunks, get_row_action

if TYPE_CHECKING:
    from seodang.validation.dataset_checks import DatasetMetric


_CHUNK_ROWS = 20_000
_CHUNK_CHARACTERS = 16_000_000


# By rule id: the finding of each row ("" for none) or its metric (None for none).
# By field (instruction, input, output): the text of each row (None if it is no text).
Columns = Mapping[str, Sequence[str | float | None]]


class Validator(Protocol):
    """Decides which rows and metrics violate their rules. `GxValidator` does so with Great Expectations."""

    def check_rows(self, columns: Columns, count: int, title: str) -> Mapping[int, Sequence[str]]:
        """Return the ids of the violated rules by row index, in the order of the rules; other rows are not in it.

        Args:
            columns: One column for each rule, and one for each text field.
            count: Number of rows.
            title: Name of the chunk in the Data Docs.

        """

    def check_dataset(self, metrics: Sequence[DatasetMetric]) -> list[DatasetMetric]:
        """Return the metrics of the data set that are out of bounds."""


@dataclass(slots=True)
class ValidationContext:
    """Parameters, repeats and tokenizer for the validation of all rows."""

    expectations: ExpectationsParams
    repeats: Repeats
    counter: TokenCounter | None  # None: tokens are not counted
    title: str  # of the rows in the Data Docs
    rules: tuple[Rule, ...] = field(init=False)  # rules that are not off, in the order of the registry
    ids: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Select the rules."""
        has_token_limit = self.counter is not None and self.expectations.limits.max_tokens is not None
        self.rules = tuple(
            rule
            for rule in REGISTRY
            if self.get_action(rule.id) != "off" and (has_token_limit or rule.id != TOO_MANY_TOKENS)
        )
        self.ids = frozenset(rule.id for rule in self.rules)

    def get_action(self, id: str) -> str:
        """Return the action of a rule: reject, warn, repair or off."""
        return get_row_action(self.expectations, id)

    def locate_repeats(self, first: int, count: int) -> RepeatLocations:
        """Return, for `count` rows from index `first`, the locations of the rows that each repeats or contradicts."""
        return [
            {id: location for id, location in self.repeats.get_matches(number).items() if id in self.ids}
            for number in range(first, first + count)
        ]


@dataclass(slots=True)
class _RowState:
    """A row during validation: original, repaired copy and findings."""

    row: Row
    repaired_row: Row
    examination: Examination  # of the repaired row
    repairs: list[Repair]
    repaired_findings: dict[str, Finding]  # findings that the repair removed


def validate_rows(rows: Iterable[Row], context: ValidationContext, validator: Validator) -> Iterator[ValidatedRow]:
    """Yield each row with its result, in order; the rows stream.

    Other processes check the next rows while the validator decides about this chunk.

    Args:
        rows: Rows in the order in which `context.repeats` was computed.
        context: Rules, limits, repeats and tokenizer.
        validator: Validator with the same rules.

    """
    first = 0
    for chunk, results in examine_chunks(
        _iter_chunks(rows), Examiner(context.expectations, context.ids), context.locate_repeats
    ):
        states = [
            _RowState(row, result.repaired_row or row, result.examination, result.repairs, result.repaired_findings)
            for row, result in zip(chunk, results, strict=True)
        ]
        _count_tokens(states, context)
        violations = validator.check_rows(
            _build_columns(states, context), len(states), f"{context.title} {first + 1:,}-{first + len(states):,}"
        )
        yield from (
            _create_validated_row(state, violations.get(index, []), context) for index, state in enumerate(states)
        )
        first += len(states)


def _iter_chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += sum(len(text) for name in TEXTS if isinstance(text := row[name], str))
        if len(chunk) >= _CHUNK_ROWS or characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _count_tokens(states: list[_RowState], context: ValidationContext) -> None:
    """Count the tokens of each row; truncate the answer of a row with too many if the action is repair."""
    maximum = context.expectations.limits.max_tokens
    if TOO_MANY_TOKENS not in context.ids or context.counter is None or maximum is None:
        return
    counts = context.counter.count_tokens([state.repaired_row for state in states])
    for state, count in zip(states, counts, strict=True):
        state.examination.numbers[TOO_MANY_TOKENS] = count
        if count is None or count <= maximum:
            continue
        state.examination.findings[TOO_MANY_TOKENS] = Finding("record", format_token_count(count))
        if context.get_action(TOO_MANY_TOKENS) == "repair":
            _truncate_answer(state, context.counter, maximum)


def _truncate_answer(state: _RowState, counter: TokenCounter, maximum: int) -> None:
    """Truncate the answer to the token limit; nothing changes if no token of it would remain."""
    shortened_row = counter.truncate_answer(state.repaired_row, maximum)
    if shortened_row is None:
        return
    before, after = (f"{len(row['output']):,} characters" for row in (state.repaired_row, shortened_row))
    state.repairs.append(Repair(TOO_MANY_TOKENS, "output", before, after))
    state.repaired_findings[TOO_MANY_TOKENS] = state.examination.findings.pop(TOO_MANY_TOKENS)
    state.repaired_row = shortened_row


def _build_columns(states: list[_RowState], context: ValidationContext) -> dict[str, list[str | float | None]]:
    """Return the columns that the validator checks: a metric or a finding for each rule, and the text fields."""
    columns: dict[str, list[str | float | None]] = {
        rule.id: [None if rule.numeric else ""] * len(states) for rule in context.rules
    }
    for name in TEXTS:
        columns[name] = [_get_column_text(state.repaired_row[name]) for state in states]
    numeric = {rule.id for rule in context.rules if rule.numeric}
    for index, state in enumerate(states):
        for id, number in state.examination.numbers.items():
            if id in numeric:
                columns[id][index] = number
        for id, finding in (*state.examination.findings.items(), *state.repaired_findings.items()):
            if id in columns and id not in numeric:
                location = f"{state.row['file'] or state.row['source']}:{state.row['source_row']}"
                columns[id][index] = html.escape(f"{location} {finding.field}: {finding.excerpt}")
    return columns


def _get_column_text(value: Any) -> str | None:
    """Return a stripped text, "" for a blank one, and None for other values.

    Surrogates are replaced because pandas cannot store them.
    """
    if not isinstance(value, str):
        return None
    return "" if is_blank(value) else replace_surrogates(value.strip())


def _create_validated_row(state: _RowState, ids: Sequence[str], context: ValidationContext) -> ValidatedRow:
    errors: list[Violation] = []
    warnings: list[Violation] = []
    repaired_rules: list[Rule] = []
    for rule in (format_rule(rule, context.expectations.limits) for rule in context.rules if rule.id in ids):
        finding = state.examination.findings.get(rule.id) or Finding(rule.field, "")
        if rule.id in state.repaired_findings:
            repaired_rules.append(rule)
        elif context.get_action(rule.id) == "warn":
            warnings.append(Violation(rule, "warn", finding))
        else:  # reject, or a repair that did not succeed
            errors.append(Violation(rule, "reject", finding))
    return ValidatedRow(state.row, state.repaired_row, errors, warnings, state.repairs, repaired_rules)
