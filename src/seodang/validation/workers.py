"""Examine rows by the rules and mend what may be mended; chunk by chunk, in other processes from the second one on."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from seodang.config import ExpectationsParams
from seodang.ingest.rows import Row, shorten
from seodang.validation.checks.repair import Repair, repair
from seodang.validation.checks.run import Examination, Finding, examine

RepeatLocations = list[
    dict[str, str]
]  # for each row of a chunk: rule id -> place of the row that it repeats or contradicts

_MAX_PROCESSES = max(1, min(4, (os.cpu_count() or 1) - 1))  # that examine; more than four outrun the one that judges


@dataclass(frozen=True, slots=True)
class RowResult:
    """What examining one row came to."""

    repaired_row: Row | None  # None: nothing was mended
    examination: Examination  # of the mended row
    repairs: list[Repair]
    repaired_findings: dict[str, Finding]  # what was found before mending, and no longer


@dataclass(frozen=True, slots=True)
class Examiner:
    """What is needed to examine rows; other processes get a copy."""

    expectations: ExpectationsParams
    ids: frozenset[str]

    def examine_rows(self, rows: list[Row], locations: RepeatLocations) -> list[RowResult]:
        """Examine the rows; `places` has what each repeats or contradicts."""
        return [self._examine_row(row, row_locations) for row, row_locations in zip(rows, locations, strict=True)]

    def _examine_row(self, row: Row, locations: dict[str, str]) -> RowResult:
        """Examine one row, and mend what may be mended; what cannot be mended stays found."""
        limits = self.expectations.limits
        before = examine(row, limits, self.ids)
        repeat_findings = {id: Finding("record", shorten(location)) for id, location in locations.items()}
        repair_ids = [id for id in before.findings if get_row_action(self.expectations, id) == "repair"]
        if not repair_ids:
            before.findings.update(repeat_findings)
            return RowResult(None, before, [], {})
        repaired_row, repairs = repair(row, repair_ids, limits)
        after = examine(repaired_row, limits, self.ids)
        after.findings.update(repeat_findings)
        return RowResult(
            repaired_row, after, repairs, {id: before.findings[id] for id in repair_ids if id not in after.findings}
        )


def get_row_action(expectations: ExpectationsParams, id: str) -> str:
    """Return reject, warn, repair or off: what becomes of a row that breaks the rule."""
    action: str = getattr(expectations.actions, id.replace("-", "_"))
    return action


def examine_chunks(
    chunks: Iterator[list[Row]], examiner: Examiner, locate_repeats: Callable[[int, int], RepeatLocations]
) -> Iterator[tuple[list[Row], list[RowResult]]]:
    """Yield each chunk with what was found in its rows, in order; the outcome is the same, whatever the number of processes.

    Args:
        chunks: Taken as they are needed, one more than there are processes.
        examiner: Rules and bounds.
        places: Of the rows from a number on, so many.

    """
    number = 0
    for chunk in chunks:
        yield chunk, examiner.examine_rows(chunk, locate_repeats(number, len(chunk)))
        number += len(chunk)
        break
    pending: deque[tuple[list[Row], Future[list[RowResult]]]] = deque()
    with _open_pool() as pool:
        for chunk in chunks:
            pending.append((chunk, pool.submit(examiner.examine_rows, chunk, locate_repeats(number, len(chunk)))))
            number += len(chunk)
            if len(pending) > _MAX_PROCESSES:
                chunk_rows, results = pending.popleft()
                yield chunk_rows, results.result()
        for chunk_rows, results in pending:
            yield chunk_rows, results.result()


@contextmanager
def _open_pool() -> Iterator[ProcessPoolExecutor]:
    """Yield a pool whose processes start with its first job, and end with the block, whatever ends it."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of the libraries, locks and all
    pool = ProcessPoolExecutor(_MAX_PROCESSES, mp_context=context, initializer=_init_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _init_worker() -> None:
    """Make this process leave an interruption to the one that started it, and end with that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Wait for the parent's end: one that was killed tells nobody, and its pool would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
