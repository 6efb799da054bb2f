"""Rows in, judged rows out: examined, mended where that is asked for, and judged by Great Expectations in chunks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seodang.config import ExpectationsParams
from seodang.ingest.rows import TEXTS, Row
from seodang.records import Record, Turn, make_record
from seodang.validation.checks.registry import CATALOGUE
from seodang.validation.checks.repair import Repair
from seodang.validation.checks.rule import Rule, told
from seodang.validation.checks.run import Examination, Finding
from seodang.validation.repeats import Repeats
from seodang.validation.token_counts import TokenCounter
from seodang.validation.workers import Examiner, Places, action_of, examined

if TYPE_CHECKING:
    from seodang.validation.expectations import Judge

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
class Broken:
    """One rule that a row breaks, and what stands there."""

    rule: Rule
    severity: str  # reject | warn
    finding: Finding


@dataclass(frozen=True, slots=True)
class Judged:
    """One row with its verdict."""

    row: Row  # as it was
    mended: Row  # as it is accepted
    faults: list[Broken]  # rules that reject it; accepted when there are none
    warnings: list[Broken]
    repairs: list[Repair]
    repaired: list[Rule]  # the rules behind the repairs

    @property
    def accepted(self) -> bool:
        """Return whether no rule rejects the row."""
        return not self.faults

    def record(self) -> Record:
        """Return the accepted row as a record."""
        kept = {name: self.mended[name] for name in _RECORD_FIELDS}
        return make_record(
            **kept,
            choices=tuple(self.mended["choices"]),
            turns=tuple(Turn(**turn) for turn in self.mended["turns"]),
            warnings=tuple(broken.rule.id for broken in self.warnings),
            repairs=tuple(rule.id for rule in self.repaired),
        )


@dataclass(slots=True)
class Screen:
    """What every row is looked at with."""

    expectations: ExpectationsParams
    repeats: Repeats
    counter: TokenCounter | None  # None: tokens are not counted
    rules: tuple[Rule, ...] = field(init=False)  # those that aren't off, in their order
    ids: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Choose the rules."""
        counted = self.counter is not None and self.expectations.limits.max_tokens is not None
        self.rules = tuple(
            rule for rule in CATALOGUE if self.action(rule.id) != "off" and (counted or rule.id != TOO_MANY_TOKENS)
        )
        self.ids = frozenset(rule.id for rule in self.rules)

    def action(self, id: str) -> str:
        """Return reject, warn, repair or off."""
        return action_of(self.expectations, id)

    def places(self, first: int, count: int) -> Places:
        """Return what each of `count` rows from `first` on repeats or contradicts."""
        return [
            {id: place for id, place in self.repeats.of(number).items() if id in self.ids}
            for number in range(first, first + count)
        ]


@dataclass(slots=True)
class _Looked:
    """One row on its way: as it was, as it is mended, and what was found in it."""

    row: Row
    mended: Row
    examination: Examination  # of the mended row
    repairs: list[Repair]
    repaired: dict[str, Finding]  # what was found before mending, and no longer


def screen(rows: Iterable[Row], with_: Screen, judge: Judge) -> Iterator[Judged]:
    """Yield every row with its verdict, in order, while the rows stream by.

    Other processes examine the next rows while this one lets Great Expectations judge.

    Args:
        rows: In the order in which `with_.repeats` has seen them.
        with_: Rules, bounds, repeats and tokenizer.
        judge: Great Expectations, with the same rules.

    """
    first = 0
    for chunk, looks in examined(_chunks(rows), Examiner(with_.expectations, with_.ids), with_.places):
        looked = [
            _Looked(row, look.mended or row, look.examination, look.repairs, look.repaired)
            for row, look in zip(chunk, looks, strict=True)
        ]
        _count_tokens(looked, with_)
        broken = judge.rows(_columns(looked, with_), len(looked), f"rows {first + 1:,}-{first + len(looked):,}")
        yield from (_judged(each, broken.get(place, []), with_) for place, each in enumerate(looked))
        first += len(looked)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
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


def _count_tokens(looked: list[_Looked], with_: Screen) -> None:
    """Count each row's tokens, and cut the answer of one that has too many where that is asked for."""
    maximum = with_.expectations.limits.max_tokens
    if TOO_MANY_TOKENS not in with_.ids or with_.counter is None or maximum is None:
        return
    for each, count in zip(looked, with_.counter.counts([each.mended for each in looked]), strict=True):
        each.examination.numbers[TOO_MANY_TOKENS] = count
        if count is None or count <= maximum:
            continue
        found = Finding("record", f"{count:,} tokens")
        each.examination.findings[TOO_MANY_TOKENS] = found
        cut = with_.counter.cut(each.mended, maximum) if with_.action(TOO_MANY_TOKENS) == "repair" else None
        if cut:
            each.repairs.append(
                Repair(
                    TOO_MANY_TOKENS,
                    "output",
                    f"{len(each.mended['output']):,} characters",
                    f"{len(cut['output']):,} characters",
                )
            )
            each.repaired[TOO_MANY_TOKENS] = each.examination.findings.pop(TOO_MANY_TOKENS)
            each.mended = cut


def _columns(looked: list[_Looked], with_: Screen) -> dict[str, list[str | float | None]]:
    """Return what Great Expectations gets to see of the rows: a figure or a finding under each rule."""
    columns: dict[str, list[str | float | None]] = {
        rule.id: [None if rule.numeric else ""] * len(looked) for rule in with_.rules
    }
    numeric = {rule.id for rule in with_.rules if rule.numeric}
    for place, each in enumerate(looked):
        for id, number in each.examination.numbers.items():
            if id in numeric:
                columns[id][place] = number
        for id, finding in (*each.examination.findings.items(), *each.repaired.items()):
            if id in columns and id not in numeric:
                where = f"{each.row['file'] or each.row['source']}:{each.row['source_row']}"
                columns[id][place] = html.escape(f"{where} {finding.field}: {finding.found}")
    return columns


def _judged(each: _Looked, ids: list[str], with_: Screen) -> Judged:
    faults: list[Broken] = []
    warnings: list[Broken] = []
    repaired: list[Rule] = []
    for rule in with_.rules:
        if rule.id not in ids:
            continue
        if rule.id in each.repaired:
            repaired.append(told(rule, with_.expectations.limits))
            continue
        severity = (
            "warn" if with_.action(rule.id) == "warn" else "reject"
        )  # what was to be repaired and couldn't be is rejected
        finding = each.examination.findings.get(rule.id) or Finding(rule.field, "")
        (warnings if severity == "warn" else faults).append(
            Broken(told(rule, with_.expectations.limits), severity, finding)
        )
    return Judged(each.row, each.mended, faults, warnings, each.repairs, repaired)
