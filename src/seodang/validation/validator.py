"""Rows in, judged rows out: examined, mended where that is asked for, and judged by Great Expectations in chunks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seodang.config import ExpectationsParams
from seodang.ingest.rows import TEXTS, Row
from seodang.records import Record, Turn, make_record
from seodang.validation.checks.registry import REGISTRY
from seodang.validation.checks.repair import Repair
from seodang.validation.checks.rule import Rule, format_rule
from seodang.validation.checks.run import Examination, Finding
from seodang.validation.repeats import Repeats
from seodang.validation.token_counts import TokenCounter
from seodang.validation.workers import Examiner, RepeatLocations, examine_chunks, get_row_action

if TYPE_CHECKING:
    from seodang.validation.expectations import GxValidator

TOO_MANY_TOKENS = "too-many-tokens"

_CHUNK_ROWS = 20_000
_CHUNK_CHARACTERS = 16_000_000
_RECORD_FIELDS = (
    "instruction",
    "input",
    "output",
    "language",
    "source",
    "task",
    "cluster",
    "role",
    "file",
    "source_row",
    "system",
    "rejected",
    "desirable",
    "url",
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a row breaks, and what stands there."""

    rule: Rule
    severity: str  # reject | warn
    finding: Finding


@dataclass(frozen=True, slots=True)
class ValidatedRow:
    """One row with its verdict."""

    row: Row  # as it was
    repaired_row: Row  # as it is accepted
    errors: list[Violation]  # rules that reject it; accepted when there are none
    warnings: list[Violation]
    repairs: list[Repair]
    repaired_rules: list[Rule]  # the rules behind the repairs

    @property
    def is_accepted(self) -> bool:
        """Return whether no rule rejects the row."""
        return not self.errors

    def to_record(self) -> Record:
        """Return the accepted row as a record."""
        fields = {name: self.repaired_row[name] for name in _RECORD_FIELDS}
        return make_record(
            **fields,
            choices=tuple(self.repaired_row["choices"]),
            turns=tuple(Turn(**turn) for turn in self.repaired_row["turns"]),
            warnings=tuple(violation.rule.id for violation in self.warnings),
            repairs=tuple(rule.id for rule in self.repaired_rules),
        )


@dataclass(slots=True)
class ValidationContext:
    """What every row is looked at with."""

    expectations: ExpectationsParams
    repeats: Repeats
    counter: TokenCounter | None  # None: tokens are not counted
    rules: tuple[Rule, ...] = field(init=False)  # those that aren't off, in their order
    ids: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Choose the rules."""
        has_token_limit = self.counter is not None and self.expectations.limits.max_tokens is not None
        self.rules = tuple(
            rule
            for rule in REGISTRY
            if self.get_action(rule.id) != "off" and (has_token_limit or rule.id != TOO_MANY_TOKENS)
        )
        self.ids = frozenset(rule.id for rule in self.rules)

    def get_action(self, id: str) -> str:
        """Return reject, warn, repair or off."""
        return get_row_action(self.expectations, id)

    def locate_repeats(self, first: int, count: int) -> RepeatLocations:
        """Return what each of `count` rows from `first` on repeats or contradicts."""
        return [
            {id: location for id, location in self.repeats.get_matches(number).items() if id in self.ids}
            for number in range(first, first + count)
        ]


@dataclass(slots=True)
class _RowState:
    """One row on its way: as it was, as it is mended, and what was found in it."""

    row: Row
    repaired_row: Row
    examination: Examination  # of the mended row
    repairs: list[Repair]
    repaired_findings: dict[str, Finding]  # what was found before mending, and no longer


def validate_rows(rows: Iterable[Row], context: ValidationContext, validator: GxValidator) -> Iterator[ValidatedRow]:
    """Yield every row with its verdict, in order, while the rows stream by.

    Other processes examine the next rows while this one lets Great Expectations judge.

    Args:
        rows: In the order in which `with_.repeats` has seen them.
        with_: Rules, bounds, repeats and tokenizer.
        judge: Great Expectations, with the same rules.

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
            _build_columns(states, context), len(states), f"rows {first + 1:,}-{first + len(states):,}"
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
    """Count each row's tokens, and cut the answer of one that has too many where that is asked for."""
    maximum = context.expectations.limits.max_tokens
    if TOO_MANY_TOKENS not in context.ids or context.counter is None or maximum is None:
        return
    for state, count in zip(states, context.counter.count_tokens([each.repaired_row for each in states]), strict=True):
        state.examination.numbers[TOO_MANY_TOKENS] = count
        if count is None or count <= maximum:
            continue
        finding = Finding("record", f"{count:,} tokens")
        state.examination.findings[TOO_MANY_TOKENS] = finding
        shortened_row = (
            context.counter.truncate_answer(state.repaired_row, maximum)
            if context.get_action(TOO_MANY_TOKENS) == "repair"
            else None
        )
        if shortened_row:
            state.repairs.append(
                Repair(
                    TOO_MANY_TOKENS,
                    "output",
                    f"{len(state.repaired_row['output']):,} characters",
                    f"{len(shortened_row['output']):,} characters",
                )
            )
            state.repaired_findings[TOO_MANY_TOKENS] = state.examination.findings.pop(TOO_MANY_TOKENS)
            state.repaired_row = shortened_row


def _build_columns(states: list[_RowState], context: ValidationContext) -> dict[str, list[str | float | None]]:
    """Return what Great Expectations gets to see of the rows: a figure or a finding under each rule."""
    columns: dict[str, list[str | float | None]] = {
        rule.id: [None if rule.numeric else ""] * len(states) for rule in context.rules
    }
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


def _create_validated_row(state: _RowState, ids: list[str], context: ValidationContext) -> ValidatedRow:
    errors: list[Violation] = []
    warnings: list[Violation] = []
    repaired_rules: list[Rule] = []
    for rule in context.rules:
        if rule.id not in ids:
            continue
        if rule.id in state.repaired_findings:
            repaired_rules.append(format_rule(rule, context.expectations.limits))
            continue
        severity = (
            "warn" if context.get_action(rule.id) == "warn" else "reject"
        )  # what was to be repaired and couldn't be is rejected
        finding = state.examination.findings.get(rule.id) or Finding(rule.field, "")
        (warnings if severity == "warn" else errors).append(
            Violation(format_rule(rule, context.expectations.limits), severity, finding)
        )
    return ValidatedRow(state.row, state.repaired_row, errors, warnings, state.repairs, repaired_rules)
