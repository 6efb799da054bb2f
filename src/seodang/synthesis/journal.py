"""The journal of a recipe: each call before it is sent, and each reply before it counts, is on the disk.

It is append-only JSON Lines, below a header. A process that is killed loses no reply that was journaled. A call that is
journaled without an end may have been paid for: it was in flight, or its connection broke.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeGuard

from seodang.errors import ArtifactError, WorkspaceError
from seodang.i18n import _
from seodang.io.jsonl import SCHEMA_VERSION, format_json_line
from seodang.io.named_file import flush_to_disk, open_named
from seodang.io.process_lock import hold_process_lock
from seodang.synthesis.budget import NO_EXCESS, NO_TOKENS, Tokens, sum_tokens
from seodang.synthesis.calls import Failure, Outcome, Refusal, Reply

JOURNAL_NAME: Final = "journal.jsonl"
_LOCK_NAME: Final = ".journal.lock"
_HEADER: Final = {"schema": SCHEMA_VERSION, "journal": "seodang generate"}
_OUTCOMES: Final[Mapping[str, type[Outcome]]] = {"reply": Reply, "refusal": Refusal, "failure": Failure}


class JournalState:
    """What the lines of a journal say."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.seconds: list[float] = []
        """From each call to its reply."""
        self.bounds = NO_TOKENS
        """Upper bounds of the calls that were answered, to compare with their usage."""
        self.excess = NO_EXCESS
        """Of the calls that were answered."""
        self._open: dict[str, list[Tokens]] = defaultdict(list)

    def apply(self, row: Mapping[str, Any]) -> None:
        """Take in one line.

        Raises:
            KeyError, TypeError, ValueError: If it is no line of a journal.
        """
        event, key = row["event"], row["key"]
        if event == "asked":
            self._open[key].append(Tokens(row["prompt_tokens"], row["completion_tokens"]))
        elif event == "unpaid":
            self._open[key].pop()
        elif event == "forgotten":
            self.outcomes.pop(key, None)
        else:
            fields = {name: value for name, value in row.items() if name not in ("event", "seconds")}
            self.outcomes[key] = _OUTCOMES[event](**fields)
            if event != "failure":
                bound = self._open[key].pop()
                self.bounds = sum_tokens([self.bounds, bound])
                self.excess = self.excess.add(bound, Tokens(row["prompt_tokens"], row["completion_tokens"]))
                self.seconds.append(row["seconds"])

    def forget_failures(self) -> list[dict[str, Any]]:
        """Forget the calls without an answer, so that they are asked again; return the lines that say so."""
        keys = [key for key, outcome in self.outcomes.items() if isinstance(outcome, Failure)]
        rows = [{"event": "forgotten", "key": key} for key in keys]
        for row in rows:
            self.apply(row)
        return rows

    def list_open(self, key: str) -> Sequence[Tokens]:
        """Return the upper bounds of the calls with a key that may have been paid for without a reply."""
        return self._open.get(key, ())

    def count_open(self) -> int:
        """Return the number of such calls of all keys."""
        return sum(map(len, self._open.values()))

    def sum_usage(self) -> Tokens:
        """Return the usage of all replies."""
        paid = (outcome for outcome in self.outcomes.values() if is_paid(outcome))
        return sum_tokens(Tokens(outcome.prompt_tokens, outcome.completion_tokens) for outcome in paid)

    def sum_spent(self, *, is_idempotent: bool) -> Tokens:
        """Return what was spent at most: the usage of the replies, and the upper bounds of the calls without one.

        Args:
            is_idempotent: The endpoint bills a key once, so calls that were answered in the end count once.
        """
        parts = [self.sum_usage()]
        for key, bounds in self._open.items():
            if not is_idempotent:
                parts += bounds
            elif bounds and not is_paid(self.outcomes.get(key)):
                parts.append(bounds[-1])
        return sum_tokens(parts)


def is_paid(outcome: Outcome | None) -> TypeGuard[Reply | Refusal]:
    """Return whether an outcome is an answer of the teacher, with its usage."""
    return isinstance(outcome, Reply | Refusal)


class Journal:
    """An open journal. Lines that come together reach the disk together."""

    def __init__(self, path: Path) -> None:
        """Open a journal; a last line that a kill cut is removed.

        Raises:
            ArtifactError: If a line that ends is damaged: it may hold a reply that is paid for.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.state, size = read_journal(path)
        self._file = open_named(path, "r+b" if path.exists() else "wb")
        self._file.seek(size)
        self._file.truncate()
        self._pending: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        if not size:
            self._write([dict(_HEADER)])

    async def append(self, row: dict[str, Any]) -> None:
        """Append a line; it is on the disk when this returns.

        Raises:
            OSError: If it cannot be written.
        """
        written = asyncio.get_running_loop().create_future()
        self._pending.append((row, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_pending())
        await asyncio.shield(written)

    async def append_outcome(self, outcome: Outcome, seconds: float = 0.0) -> None:
        """Append the end of a call, with the seconds that it took."""
        event = next(name for name, kind in _OUTCOMES.items() if isinstance(outcome, kind))
        row = {"event": event, **asdict(outcome)}
        await self.append(row if event == "failure" else {**row, "seconds": round(seconds, 3)})

    def forget_failures(self) -> int:
        """Let the calls without an answer be asked again, and return their number."""
        rows = self.state.forget_failures()
        self._write(rows)
        return len(rows)

    async def close(self) -> None:
        """Write what is pending and close the file."""
        if self._writer is not None:
            await self._writer
        self._file.close()

    async def _write_pending(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await asyncio.to_thread(self._write, [row for row, _written in batch])
            except OSError as error:
                for _row, written in batch:
                    if not written.done():
                        written.set_exception(error)
                continue
            for row, written in batch:
                self.state.apply(row)
                if not written.done():
                    written.set_result(None)

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self._file.write("".join(map(format_json_line, rows)).encode())
            flush_to_disk(self._file, self._path)


def read_journal(path: Path) -> tuple[JournalState, int]:
    """Return what a journal says, and its length in bytes without a last line that is cut.

    Raises:
        ArtifactError: If it is no journal, or a line that ends is damaged.
    """
    content = path.read_bytes() if path.exists() else b""
    state, size = JournalState(), 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            row = _parse_line(line)
            if number == 1 and row != _HEADER:
                raise ValueError("no header")
            if number > 1:
                state.apply(row)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            if number == len(lines) and not line.endswith(b"\n"):
                break
            raise ArtifactError(
                _(
                    "{path}, line {line}: this is no line of a journal ({reason}); it holds replies that are paid for: "
                    "restore the file, or move it away and pay for them again",
                    path=path,
                    line=number,
                    reason=type(error).__name__,
                )
            ) from error
        size += len(line)
    return state, size


def _parse_line(line: bytes) -> dict[str, Any]:
    row = json.loads(line) if line.endswith(b"\n") else None
    if not isinstance(row, dict):
        raise ValueError("cut")
    return row


def hold_journal(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a journal while the block runs.

    Raises:
        WorkspaceError: If another process holds it.
    """
    return hold_process_lock(folder / _LOCK_NAME, lambda holder: _refuse(folder, holder))


def _refuse(folder: Path, holder: str) -> None:
    raise WorkspaceError(
        _(
            "{folder} is in use by process {holder}: two runs would pay for the same calls; wait until it ends, or stop it",
            folder=folder,
            holder=holder,
        )
    )
