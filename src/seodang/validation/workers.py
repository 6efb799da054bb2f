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
from seodang.ingest.rows import Row, shown
from seodang.validation.checks.repair import Repair, repair
from seodang.validation.checks.run import Examination, Finding, examine

Places = list[dict[str, str]]  # for each row of a chunk: rule id -> place of the row that it repeats or contradicts

_PROCESSES = max(1, min(4, (os.cpu_count() or 1) - 1))  # that examine; more than four outrun the one that judges


@dataclass(frozen=True, slots=True)
class Look:
    """What examining one row came to."""

    mended: Row | None  # None: nothing was mended
    examination: Examination  # of the mended row
    repairs: list[Repair]
    repaired: dict[str, Finding]  # what was found before mending, and no longer


@dataclass(frozen=True, slots=True)
class Examiner:
    """What is needed to examine rows; other processes get a copy."""

    expectations: ExpectationsParams
    ids: frozenset[str]

    def look(self, rows: list[Row], places: Places) -> list[Look]:
        """Examine the rows; `places` has what each repeats or contradicts."""
        return [self._look(row, elsewhere) for row, elsewhere in zip(rows, places, strict=True)]

    def _look(self, row: Row, places: dict[str, str]) -> Look:
        """Examine one row, and mend what may be mended; what cannot be mended stays found."""
        limits = self.expectations.limits
        before = examine(row, limits, self.ids)
        elsewhere = {id: Finding("record", shown(place)) for id, place in places.items()}
        wanted = [id for id in before.findings if action_of(self.expectations, id) == "repair"]
        if not wanted:
            before.findings.update(elsewhere)
            return Look(None, before, [], {})
        mended, repairs = repair(row, wanted, limits)
        after = examine(mended, limits, self.ids)
        after.findings.update(elsewhere)
        return Look(mended, after, repairs, {id: before.findings[id] for id in wanted if id not in after.findings})


def action_of(expectations: ExpectationsParams, id: str) -> str:
    """Return reject, warn, repair or off: what becomes of a row that breaks the rule."""
    action: str = getattr(expectations.actions, id.replace("-", "_"))
    return action


def examined(
    chunks: Iterator[list[Row]], examiner: Examiner, places: Callable[[int, int], Places]
) -> Iterator[tuple[list[Row], list[Look]]]:
    """Yield each chunk with what was found in its rows, in order; the outcome is the same, whatever the number of processes.

    Args:
        chunks: Taken as they are needed, one more than there are processes.
        examiner: Rules and bounds.
        places: Of the rows from a number on, so many.

    """
    number = 0
    for chunk in chunks:
        yield chunk, examiner.look(chunk, places(number, len(chunk)))
        number += len(chunk)
        break
    waiting: deque[tuple[list[Row], Future[list[Look]]]] = deque()
    with _pool() as pool:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(examiner.look, chunk, places(number, len(chunk)))))
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
    pool = ProcessPoolExecutor(_PROCESSES, mp_context=spawned, initializer=_start)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    """Make this process leave an interruption to the one that started it, and end with that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's end: one that was killed tells nobody, and its pool would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
