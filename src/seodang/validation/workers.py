"""Check and repair rows in chunks; worker processes take all chunks after the first."""

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

# For each row of a chunk: rule id -> location of the row that it repeats or contradicts.
RepeatLocations = list[dict[str, str]]

_MAX_PROCESSES = max(1, min(4, (os.cpu_count() or 1) - 1))  # more than four are faster than the validator


@dataclass(frozen=True, slots=True)
class RowResult:
    """Findings and repairs of one row."""

    repaired_row: Row | None  # None: nothing changed
    examination: Examination  # of the repaired row
    repairs: list[Repair]
    repaired_findings: dict[str, Finding]  # findings that the repair removed


@dataclass(frozen=True, slots=True)
class Examiner:
    """Checks rows by a set of rules; worker processes get a copy."""

    expectations: ExpectationsParams
    ids: frozenset[str]

    def examine_rows(self, rows: list[Row], locations: RepeatLocations) -> list[RowResult]:
        """Return the results of the rows; `locations` names the rows that each repeats or contradicts."""
        return [self._examine_row(row, row_locations) for row, row_locations in zip(rows, locations, strict=True)]

    def _examine_row(self, row: Row, locations: dict[str, str]) -> RowResult:
        """Check one row and repair it if its rules say so; findings without a repair remain."""
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
        repaired_findings = {id: before.findings[id] for id in repair_ids if id not in after.findings}
        return RowResult(repaired_row, after, repairs, repaired_findings)


def get_row_action(expectations: ExpectationsParams, id: str) -> str:
    """Return the action of a rule on rows that violate it: reject, warn, repair or off."""
    action: str = getattr(expectations.actions, id.replace("-", "_"))
    return action


def examine_chunks(
    chunks: Iterator[list[Row]], examiner: Examiner, locate_repeats: Callable[[int, int], RepeatLocations]
) -> Iterator[tuple[list[Row], list[RowResult]]]:
    """Yield each chunk with the results of its rows, in order; the number of processes does not change them.

    Args:
        chunks: Chunks of rows; at most one more than there are processes is read ahead.
        examiner: Examiner with the rules and limits.
        locate_repeats: Called with the index of a chunk's first row and the number of its rows.

    """
    number = 0
    for chunk in chunks:
        yield chunk, examiner.examine_rows(chunk, locate_repeats(number, len(chunk)))
        number += len(chunk)
        break
    pending: deque[tuple[list[Row], Future[list[RowResult]]]] = deque()
    with _open_pool() as pool:
        for chunk in chunks:
            if pool is None:
                yield chunk, examiner.examine_rows(chunk, locate_repeats(number, len(chunk)))
                number += len(chunk)
                continue
            pending.append((chunk, pool.submit(examiner.examine_rows, chunk, locate_repeats(number, len(chunk)))))
            number += len(chunk)
            if len(pending) > _MAX_PROCESSES:
                chunk_rows, results = pending.popleft()
                yield chunk_rows, results.result()
        for chunk_rows, results in pending:
            yield chunk_rows, results.result()


@contextmanager
def _open_pool() -> Iterator[ProcessPoolExecutor | None]:
    """Yield a pool whose processes start with its first job and end with the block, even after an error.

    None where the system has no semaphores, because /dev/shm is missing, full or read-only.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads that it does not copy
    try:
        pool = ProcessPoolExecutor(_MAX_PROCESSES, mp_context=context, initializer=_init_worker)
    except (OSError, ImportError, NotImplementedError):  # Python raises one of them, depending on what is missing
        yield None
        return
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _init_worker() -> None:
    """Ignore interruptions, which the parent process handles, and exit when the parent exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Wait for the end of the parent: the pool of a killed parent would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
