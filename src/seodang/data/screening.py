"""Rows in, judged rows out: examined, mended where that is asked for, and judged by Great Expectations in chunks."""

from __future__ import annotations

import html
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
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
_PROCESSES = max(1, min(4, (os.cpu_count() or 1) - 1))  # that examine; more than four outrun the one that judges
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
        self.rules = tuple(rule for rule in CATALOGUE if self.action(rule.id) != "off" and (counted or rule.id != TOO_MANY_TOKENS))
        self.ids = frozenset(rule.id for rule in self.rules)

    def action(self, id: str) -> str:
        """Return reject, warn, repair or off."""
        return _action(self.expectations, id)


def _action(expectations: ExpectationsParams, id: str) -> str:
    action: str = getattr(expectations.actions, id.replace("-", "_"))
    return action


@dataclass(frozen=True, slots=True)
class _Look:
    """What examining one row came to."""

    mended: Row | None  # None: nothing was mended
    examination: Examination  # of the mended row
    repairs: list[Repair]
    repaired: dict[str, Finding]  # what was found before mending, and no longer


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

    From the second chunk on, other processes examine while this one lets Great
    Expectations judge; the outcome is the same, whatever their number.

    Args:
        rows: In the order in which `with_.repeats` has seen them.
        with_: Rules, bounds, repeats and tokenizer.
        judge: Great Expectations, with the same rules.

    """
    first = 0
    for chunk, looks in _looked_at(_chunks(rows), with_):
        looked = [_Looked(row, look.mended or row, look.examination, look.repairs, look.repaired) for row, look in zip(chunk, looks, strict=True)]
        _count_tokens(looked, with_)
        broken = judge.rows(_columns(looked, with_), len(looked), f"rows {first + 1:,}-{first + len(looked):,}")
        yield from (_judged(each, broken.get(place, []), with_) for place, each in enumerate(looked))
        first += len(looked)


def _looked_at(chunks: Iterator[list[Row]], with_: Screen) -> Iterator[tuple[list[Row], list[_Look]]]:
    """Yield each chunk with what was found in its rows."""
    number = 0
    job = _Job(with_.expectations, with_.ids)
    for chunk in chunks:
        yield chunk, job.look(chunk, _places(with_, number, len(chunk)))
        number += len(chunk)
        break
    waiting: deque[tuple[list[Row], Future[list[_Look]]]] = deque()
    with _pool() as pool:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(job.look, chunk, _places(with_, number, len(chunk)))))
            number += len(chunk)
            if len(waiting) > _PROCESSES:
                ready, looks = waiting.popleft()
                yield ready, looks.result()
        for ready, looks in waiting:
            yield ready, looks.result()


@contextmanager
def _pool() -> Iterator[ProcessPoolExecutor]:
    """Yield a pool whose processes start with its first job, and end with the block, whatever ends it."""
    spawned = multiprocessing.get_context("spawn")  # a fork would copy the threads of the libraries, locks and all
    pool = ProcessPoolExecutor(_PROCESSES, mp_context=spawned, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _places(with_: Screen, first: int, count: int) -> list[dict[str, str]]:
    return [{id: place for id, place in with_.repeats.of(number).items() if id in with_.ids} for number in range(first, first + count)]


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


@dataclass(frozen=True, slots=True)
class _Job:
    """What another process needs to examine rows."""

    expectations: ExpectationsParams
    ids: frozenset[str]

    def look(self, rows: list[Row], places: list[dict[str, str]]) -> list[_Look]:
        """Examine the rows; `places` has what each repeats or contradicts."""
        return [self._look(row, elsewhere) for row, elsewhere in zip(rows, places, strict=True)]

    def _look(self, row: Row, places: dict[str, str]) -> _Look:
        """Examine one row, and mend what may be mended; what cannot be mended stays found."""
        limits = self.expectations.limits
        before = examine(row, limits, self.ids)
        elsewhere = {id: Finding("record", shown(place)) for id, place in places.items()}
        wanted = [id for id in before.findings if _action(self.expectations, id) == "repair"]
        if not wanted:
            before.findings.update(elsewhere)
            return _Look(None, before, [], {})
        mended, repairs = repair(row, wanted, limits)
        after = examine(mended, limits, self.ids)
        after.findings.update(elsewhere)
        return _Look(mended, after, repairs, {id: before.findings[id] for id in wanted if id not in after.findings})


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


def _columns(looked: list[_Looked], with_: Screen) -> dict[str, list[str | float | None]]:
    """Return what Great Expectations gets to see of the rows: a figure or a finding under each rule."""
    columns: dict[str, list[str | float | None]] = {rule.id: [None if rule.numeric else ""] * len(looked) for rule in with_.rules}
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
        severity = "warn" if with_.action(rule.id) == "warn" else "reject"  # what was to be repaired and couldn't be is rejected
        finding = each.examination.findings.get(rule.id) or Finding(rule.field, "")
        (warnings if severity == "warn" else faults).append(Broken(told(rule, with_.expectations.limits), severity, finding))
    return Judged(each.row, each.mended, faults, warnings, each.repairs, repaired)
