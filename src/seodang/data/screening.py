"""Rows in, judged rows out: examined, mended where that is asked for, and judged by Great Expectations in chunks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seodang.data.checks.catalogue import CATALOGUE
from seodang.data.checks.examination import Examination, Finding, examine
from seodang.data.checks.repairing import Repair, repair
from seodang.data.checks.rule import Rule, told
from seodang.data.repeats import Repeats
from seodang.data.rows import TEXTS, Row, shown
from seodang.data.tokens import TokenCounter
from seodang.params import ExpectationsParams
from seodang.records import Record, Turn, make_record

if TYPE_CHECKING:
    from seodang.data.expectations import Judge

TOO_MANY_TOKENS = "too-many-tokens"

_CHUNK_ROWS = 20_000
_CHUNK_CHARACTERS = 16_000_000
_RECORD_FIELDS = ("instruction", "input", "output", "language", "source", "task", "cluster", "role", "file", "source_row", "system", "rejected", "desirable", "url")


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
            repairs=tuple(dict.fromkeys(change.id for change in self.repairs)),
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
        self.rules = tuple(rule for rule in CATALOGUE if self.action(rule.id) != "off" and (counted or rule.id != TOO_MANY_TOKENS))
        self.ids = frozenset(rule.id for rule in self.rules)

    def action(self, id: str) -> str:
        """Return reject, warn, repair or off."""
        action: str = getattr(self.expectations.actions, id.replace("-", "_"))
        return action


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

    Args:
        rows: In the order in which `with_.repeats` has seen them.
        with_: Rules, bounds, repeats and tokenizer.
        judge: Great Expectations, with the same rules.

    """
    first = 0
    for chunk in _chunks(rows):
        looked = [_look(row, first + place, with_) for place, row in enumerate(chunk)]
        _count_tokens(looked, with_)
        columns = {rule.id: [_cell(rule, each) for each in looked] for rule in with_.rules}
        broken = judge.rows(columns, len(looked), f"rows {first + 1:,}-{first + len(looked):,}")
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


def _look(row: Row, number: int, with_: Screen) -> _Looked:
    """Examine one row, and mend what may be mended; what cannot be mended stays found."""
    limits = with_.expectations.limits
    before = examine(row, limits, with_.ids)
    elsewhere = {id: Finding("record", shown(place)) for id, place in with_.repeats.of(number).items() if id in with_.ids}
    wanted = [id for id in before.findings if with_.action(id) == "repair"]
    if not wanted:
        before.findings.update(elsewhere)
        return _Looked(row, row, before, [], {})
    mended, repairs = repair(row, wanted, limits)
    after = examine(mended, limits, with_.ids)
    after.findings.update(elsewhere)
    repaired = {id: before.findings[id] for id in wanted if id not in after.findings}
    return _Looked(row, mended, after, repairs, repaired)


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
            each.repairs.append(Repair(TOO_MANY_TOKENS, "output", f"{len(each.mended['output']):,} characters", f"{len(cut['output']):,} characters"))
            each.repaired[TOO_MANY_TOKENS] = each.examination.findings.pop(TOO_MANY_TOKENS)
            each.mended = cut


def _cell(rule: Rule, each: _Looked) -> str | float | None:
    """Return what Great Expectations gets to see of a row under a rule."""
    if rule.numeric:
        return each.examination.numbers.get(rule.id)
    finding = each.examination.findings.get(rule.id) or each.repaired.get(rule.id)
    return html.escape(f"{each.row['file'] or each.row['source']}:{each.row['source_row']} {finding.field}: {finding.found}") if finding else None


def _judged(each: _Looked, ids: list[str], with_: Screen) -> Judged:
    faults: list[Broken] = []
    warnings: list[Broken] = []
    for rule in with_.rules:
        if rule.id not in ids or rule.id in each.repaired:
            continue
        severity = "warn" if with_.action(rule.id) == "warn" else "reject"  # what was to be repaired and couldn't be is rejected
        finding = each.examination.findings.get(rule.id) or Finding(rule.field, "")
        (warnings if severity == "warn" else faults).append(Broken(told(rule, with_.expectations.limits), severity, finding))
    return Judged(each.row, each.mended, faults, warnings, each.repairs)
